//! The library's dashboard as Lambda runs it. It needs the definitions of jobs and the schedules, and no handler.

use lamplighter::App;

#[tokio::main]
async fn main() -> Result<(), lamplighter_dashboard_lambda::Error> {
    let app =
        App::new("lamplighter").definitions(lamplighter_jobs::definitions()).schedules(lamplighter_jobs::schedules());
    lamplighter_dashboard_lambda::run(app).await
}
