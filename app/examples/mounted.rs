//! A service of one's own with the dashboard under `/jobs`: `cargo run -p lamplighter-app --example mounted -- jobs.db`.
//!
//! The service knows its users, and says what each may do. Here a session is a cookie that was given out elsewhere.

use std::{env, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use lamplighter_dashboard::{Access, ActionKind, Dashboard, Rights, Site, Viewer};
use lamplighter_embedded::{Settings, SqliteBackend};
use tokio::net::TcpListener;

/// Somebody who is signed in to the service.
#[derive(Clone)]
struct User {
    name: String,
    team: Team,
}

#[derive(Clone, Copy)]
enum Team {
    Operations,
    Webhooks,
    Sales,
}

/// What a user may do with jobs, and of which queues.
fn rights(team: Team) -> Rights {
    match team {
        Team::Operations => Rights::operator(),
        Team::Webhooks => Rights::operator().deny(ActionKind::Delete).only_queues(["webhooks"]),
        Team::Sales => Rights::reader(),
    }
}

/// The sessions of the service, by the value of a cookie. A service reads them from its own store.
type Sessions = Arc<dyn Fn(&str) -> Option<User> + Send + Sync>;

fn sessions() -> Sessions {
    Arc::new(|cookie| {
        let (name, team) = match cookie {
            "ada-s-session" => ("ada", Team::Operations),
            "grace-s-session" => ("grace", Team::Webhooks),
            "joan-s-session" => ("joan", Team::Sales),
            _ => return None,
        };
        Some(User { name: name.into(), team })
    })
}

/// Finds out who sends a request, for all that comes after.
async fn identify(State(sessions): State<Sessions>, mut request: Request, next: Next) -> Response {
    if let Some(user) = cookie(request.headers()).and_then(|value| sessions(value)) {
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))
}

/// The service, which is reached by this URL: behind a proxy, by the proxy's.
pub(crate) fn service(backend: &SqliteBackend, url: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let app = lamplighter_app::app();
    let site = Site::new(&app, backend.backend(), backend.env().clone(), backend.operator()).environment("example");
    let access = Access::custom(|parts| {
        let user = parts.extensions.get::<User>()?;
        Some(Viewer::new(&user.name, rights(user.team)))
    });
    let dashboard =
        Dashboard::new(site, access)?.public_url(url)?.base_path("/jobs").live(Duration::from_secs(1)).router();
    let service = Router::new().route("/", get(async || "the service itself")).nest("/jobs", dashboard);
    Ok(service.layer(middleware::from_fn_with_state(sessions(), identify)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = env::args().nth(1).unwrap_or_else(|| "jobs.db".into());
    let backend = SqliteBackend::open(&file, Settings::default())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = service(&backend, &url)?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("{url}/jobs\n").as_bytes())?;
    Ok(axum::serve(listener, service).await?)
}
