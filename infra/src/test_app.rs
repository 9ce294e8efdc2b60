//! An app for tests.

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

/// Returns an app with one function, one job, and the library's additions.
pub(crate) fn shop() -> App {
    App::new("shop").function(mail).definitions([Definition::of::<SendMail>()])
}
