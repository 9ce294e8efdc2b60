use lamplighter::{Function, JobError};

async fn greet(_: String) -> Result<(), JobError> {
    Ok(())
}

fn main() {
    let _: Function = Function::new("greetings").job(greet);
}
