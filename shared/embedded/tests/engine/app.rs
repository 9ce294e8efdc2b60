//! An engine for an app.

use lamplighter::{
    App, Context, EventTrigger, Function, Job, JobError, Queue, State, Variables, env::Env, mins, schedule::Schedule,
};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const NAME: &'static str = "greeting.say";
    const QUEUE: Queue = Queue::standard("greetings");
}

async fn greet(job: Greet, _: Context, State(greeting): State<String>) -> Result<String, JobError> {
    Ok(format!("{greeting}, {}!", job.name))
}

fn greetings(variables: &Variables) -> Function {
    Function::new("greetings").job(greet).with_state(variables.get("GREETING").unwrap_or_default())
}

/// Consumes the same queue, which an engine refuses: it must not run here.
fn keeper() -> Function {
    let sweep = EventTrigger::new::<Greet>().rule("sweep").args(&Greet { name: String::new() });
    Function::new("keeper").maintenance().on_event(sweep).job(greet).with_state(String::new())
}

#[tokio::test]
async fn it_runs_the_functions_with_their_settings_and_keeps_the_schedules() {
    let nightly = Schedule::rate("nightly", mins(60)).unwrap().starts(&Greet { name: "Grace".into() }).unwrap();
    let app = App::new("shop").function_with(greetings).function(keeper).schedules([nightly]);
    let embedded = SqliteBackend::memory(Env::system()).unwrap();
    let variables = Variables::none().with("GREETING", "Hello");
    let running = Engine::builder(&embedded).app(&app, &variables).start().await.unwrap();
    let client = embedded.client();
    let sent = client.enqueue(Greet { name: "Ada".into() }).await.unwrap();
    let record = client.wait(sent.id(), mins(10)).await.unwrap();
    assert_eq!(record.output.unwrap().get(), "\"Hello, Ada!\"");
    assert_eq!(client.schedules().await.unwrap()[0].schedule.name, "nightly");
    running.drain(mins(1)).await;
}
