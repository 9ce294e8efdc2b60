//! `{{job}}`, as a worker runs it.

use lamplighter::testing::TestRun;
use lamplighter_jobs::{{type}};

#[tokio::test]
async fn it_tells_what_it_was_about() {
    let job = {{type}} { subject: Some("42".into()) };
    let result = TestRun::of({{crate}}::function()).run(&job).await;
    assert_eq!(result.output.unwrap().get(), r#""42""#);
}
