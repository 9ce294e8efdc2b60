//! A headless browser uses the dashboard: `browser/check.mjs` has the cases, and prints a line for each.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use axum::Router;
use lamplighter::env::Env;
use lamplighter_dashboard::{Access, Dashboard, Desk, Rights, Site, Viewer, desk::Shared};
use lamplighter_embedded::SqliteBackend;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{history, shop, stage, tools};

/// The failed jobs that are retried at once.
const FAILED: i64 = 10_000;

#[test]
fn a_browser_finds_everything_in_order() {
    crate::expect_a_panic();
    let home = tools::browser();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.db");
    stage::fill(&file, FAILED);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let output = runtime.block_on(async {
        let start = jiff::Timestamp::now().checked_sub(Duration::from_secs(64 * 60)).unwrap();
        let env = Env::driven(start, 20_261_128);
        let shop = SqliteBackend::memory(env.clone()).unwrap();
        let _shop_engine = history::play(&shop).await.unwrap();
        tokio::time::resume();
        let site = Site::new(&shop::app().unwrap(), shop.backend(), env.clone(), shop.operator());
        history::operate(&Desk::new(Shared::new(site), Viewer::new("grace", Rights::operator()))).await.unwrap();

        let shop_at = |base: &str, name: &'static str, rights: Rights| {
            let app = shop::app().unwrap();
            dashboard(Site::new(&app, shop.backend(), env.clone(), shop.operator()), base, name, rights)
        };
        let shop = |name: &'static str, rights: Rights| shop_at("", name, rights);
        let below = Router::new().nest("/jobs", shop_at("/jobs", "ada", Rights::operator()));
        let told = stage::Told::default();
        let (backend, _stage_engine) = stage::start(&file, &told).await;
        let parcels = Site::new(&stage::site_app(&told), backend.backend(), backend.env().clone(), backend.operator());
        let config = json!({
            "shop": serve(shop("ada", Rights::operator())).await,
            "reader": serve(shop("grace", Rights::reader())).await,
            "team": serve(shop("joan", Rights::operator().only_queues(["webhooks"]))).await,
            "mounted": format!("{}/jobs", serve(below).await),
            "parcels": serve(dashboard(parcels, "", "ada", Rights::operator())).await,
            "probe": serve(stage::probe(backend, told)).await,
            "failed": FAILED,
        });
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/check.mjs"));
        command.env("BROWSER_HOME", home).env("CONFIG", config.to_string()).env("HOME", folder.path());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    });
    let said = tools::said(&output);
    println!("{said}");
    assert!(output.status.success(), "{said}");
}

fn dashboard(site: Site, base: &str, name: &'static str, rights: Rights) -> Router {
    let site = site.environment("test").command("lamp", ["--db", "test.db"]);
    let access = Access::custom(move |_| Some(Viewer::new(name, rights.clone())));
    Dashboard::new(site, access).unwrap().base_path(base).live(Duration::from_millis(200)).router()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
