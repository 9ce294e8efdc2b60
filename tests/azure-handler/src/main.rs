//! The custom handler.

use std::error::Error;

use e2e_azure::{RECORDS, app};
use lamplighter::host::Stop;
use lamplighter_azure::handler::{Handler, run};
use lamplighter_embedded::{Settings, SqliteBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = app()?;
    let Some(records) = std::env::var_os(RECORDS) else { return Ok(run(&app).await?) };
    let store = SqliteBackend::open(records, Settings::default())?.backend().store.ok_or("no store")?;
    Ok(Handler::from_env(&app)?.with_store(store).run(&Stop::new()).await?)
}
