//! `{{job}}`, as a worker runs it.

use lamplighter::testing::TestRun;
use {{jobs}}::{{type}};

#[tokio::test]
async fn its_output_is_the_subject() {
    let job = {{type}} { subject: Some("42".into()) };
    let result = TestRun::of({{crate}}::function()).run(&job).await;
    assert_eq!(result.output.unwrap().get(), r#""42""#);
}
