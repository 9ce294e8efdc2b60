use lamplighter::{Context, Function, Job, JobError, Queue};

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Greet {}

impl Job for Greet {
    const NAME: &'static str = "greet";
    const QUEUE: Queue = Queue::standard("greetings");
}

async fn greet(_: Context, _: Greet) -> Result<(), JobError> {
    Ok(())
}

fn main() {
    let _: Function = Function::new("greetings").job(greet);
}
