//! An app to derive from.

use lamplighter::{App, Context, Definition, Function, Job, JobError, Queue};

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct SendMail {}

impl Job for SendMail {
    const NAME: &'static str = "mail.send";
    const QUEUE: Queue = Queue::standard("mails");
}

async fn send(_: SendMail, _: Context) -> Result<(), JobError> {
    Ok(())
}

fn mail() -> Function {
    Function::new("mail").job(send).with_state(())
}

/// One function, one job, and what the library brings.
pub(crate) fn shop() -> App {
    App::new("shop").function(mail).definitions([Definition::of::<SendMail>()])
}
