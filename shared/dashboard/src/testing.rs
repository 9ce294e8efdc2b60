//! Sites for tests.

use lamplighter::{App, Context, Definition, Function, Job, JobError, Queue, Sensitive, env::Env};
use lamplighter_embedded::SqliteBackend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::site::Site;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ship {
    pub(crate) order: String,
    pub(crate) token: Sensitive<String>,
}

impl Job for Ship {
    const NAME: &'static str = "order.ship";
    const QUEUE: Queue = Queue::standard("orders");
}

/// Sends a mail.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Mail {
    pub(crate) to: String,
}

impl Job for Mail {
    const NAME: &'static str = "mail.send";
    const QUEUE: Queue = Queue::standard("mails");
}

async fn ship(job: Ship, _: Context) -> Result<String, JobError> {
    match &*job.order {
        "bad" => Err(JobError::fail("the warehouse refuses")),
        order => Ok(order.to_owned()),
    }
}

async fn mail(_: Mail) -> Result<(), JobError> {
    Ok(())
}

pub(crate) fn app() -> App {
    App::new("shop")
        .function(|| Function::new("orders").job(ship))
        .function(|| Function::new("mails").job(mail))
        .definitions([Definition::of::<Ship>(), Definition::of::<Mail>()])
}

/// A site in memory, with nothing in it.
pub(crate) fn site() -> Site {
    backed().0
}

/// A site in memory, and its backend.
pub(crate) fn backed() -> (Site, SqliteBackend) {
    let env = Env::system();
    let backend = SqliteBackend::memory(env.clone()).unwrap();
    (Site::new(&app(), backend.backend(), env, backend.operator()), backend)
}
