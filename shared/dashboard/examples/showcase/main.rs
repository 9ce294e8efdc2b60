//! A dashboard over a shop with a thousand jobs, to look at: `cargo run -p lamplighter-dashboard --example showcase`.
//!
//! Everything is in memory and gone with the process. `SHOWCASE_ROLE=reader` shows what somebody sees who may change nothing.

mod history;
mod shop;

use std::{net::Ipv4Addr, time::Duration};

use lamplighter::env::Env;
use lamplighter_dashboard::{Access, Dashboard, Desk, Rights, Site, Viewer, desk::Shared};
use lamplighter_embedded::SqliteBackend;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One kind of job panics on purpose.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(show())
}

async fn show() -> Result<(), Box<dyn std::error::Error>> {
    let start = jiff::Timestamp::now().checked_sub(Duration::from_secs(64 * 60))?;
    let env = Env::driven(start, 20_261_128);
    let backend = SqliteBackend::memory(env.clone())?;
    let engine = history::play(&backend).await?;
    let behind = Duration::try_from(jiff::Timestamp::now().duration_since(env.now())).unwrap_or_default();
    tokio::time::advance(behind).await;
    tokio::time::resume();

    let rights = match std::env::var("SHOWCASE_ROLE").as_deref() {
        Ok("reader") => Rights::reader(),
        _ => Rights::operator(),
    };
    let site = Site::new(&shop::app()?, backend.backend(), env, backend.operator())
        .environment("showcase")
        .command("lamp", ["--db", "shop.db"]);
    let grace = Viewer::new("grace", Rights::operator());
    history::operate(&Desk::new(Shared::new(site.clone()), grace)).await?;
    let access = Access::custom(move |_| Some(Viewer::new("ada", rights.clone())));
    let dashboard = Dashboard::new(site, access)?.live(Duration::from_secs(1));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    dashboard.check_address(listener.local_addr()?)?;
    announce(&format!("http://{}/", listener.local_addr()?));

    let client = backend.client();
    let customers = async move {
        for number in 10_000.. {
            tokio::time::sleep(Duration::from_millis(1_700)).await;
            history::enqueue(&client, number).await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    tokio::select! {
        served = async { axum::serve(listener, dashboard.router()).await } => served?,
        bought = customers => bought?,
        error = engine.failed() => return Err(error.into()),
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the address is its output")]
fn announce(address: &str) {
    println!("{address}");
}
