//! People sign in to the deployed dashboard, through its function URL, with an OpenID provider on this machine.

use std::collections::BTreeMap;

use hyper::{Request, StatusCode, header};
use lamplighter::{App, DashboardFunction};
use lamplighter_fakes::{FakeProvider, OpenId, Signing};
use lamplighter_tests::ministack::{Stack, eventually};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cloud::{Cloud, INVOCATION, SOON, cloud, deploy, give_time};

const NAME: &str = "signed";
const RIGHTS: &str = "group:ops operator,!delete; group:support reader";

/// The deployed dashboard, and the provider that its people sign in with.
struct Site {
    cloud: &'static Cloud,
    stack: Stack,
    provider: FakeProvider,
    host: String,
}

/// Keeps a secret in the emulator, and returns its ARN.
async fn secret(cloud: &Cloud, name: &str, text: &str) -> String {
    let request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "secretsmanager.CreateSecret")
        .body(json!({ "Name": name, "SecretString": text }).to_string().into_bytes());
    let answer = cloud.aws.request_as_root("secretsmanager", request.unwrap()).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    answer["ARN"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

impl Site {
    async fn deploy() -> Self {
        let cloud = cloud().await;
        let provider = FakeProvider::with(OpenId::signing(Signing::Rsa)).await.unwrap();
        let app = App::new(NAME).function(e2e_function::function).dashboard(DashboardFunction::new());
        let mut template = lamplighter_infra::template(&app).unwrap().to_json();
        give_time(&mut template, INVOCATION);
        let client = secret(cloud, "signed/dashboard/client", OpenId::CLIENT_SECRET).await;
        let session = secret(cloud, "signed/dashboard/session", "0123456789abcdef0123456789abcdef").await;
        let ledger = cloud.aws.log().with_file_name("signed.jsonl").display().to_string();
        let issuer = provider.endpoint();
        let parameters = [
            ("E2eLedger", &*ledger),
            ("DashboardRights", RIGHTS),
            ("DashboardAuthType", "NONE"),
            ("DashboardIssuer", &issuer),
            ("DashboardClientId", OpenId::CLIENT),
            ("DashboardClientSecret", &client),
            ("DashboardSessionSecret", &session),
        ];
        let code = [("e2e", "e2e-function"), ("maintenance", "maintenance"), ("dashboard", "dashboard")];
        let stack = deploy(&cloud.aws, NAME, template, &parameters, &code).await;
        let url = stack.output("DashboardUrl").unwrap().to_owned();
        let host = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
        Self { cloud, stack, provider, host }
    }

    fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: BTreeMap::new() }
    }
}

/// A browser: it keeps cookies, and follows nothing by itself.
struct Browser<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
}

impl Browser<'_> {
    async fn send(&mut self, request: hyper::http::request::Builder, body: String) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header(header::HOST, &self.site.host);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let answer = self.site.cloud.aws.request(request.body(body.into_bytes()).unwrap()).await.unwrap();
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            for word in ["Path=/", "HttpOnly", "Secure", "SameSite="] {
                assert!(name.starts_with("__Host-") && text.contains(word), "{text}");
            }
            match text.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.into(), value.into())),
            }
        }
        answer.into()
    }

    async fn get(&mut self, path: &str) -> Answer {
        let accept = if path.starts_with("/api") { "application/json" } else { "text/html" };
        self.send(Request::get(path).header(header::ACCEPT, accept), String::new()).await
    }

    async fn post(&mut self, path: &str, kind: &str, body: String) -> Answer {
        let request = Request::post(path)
            .header(header::ORIGIN, format!("https://{}", self.site.host))
            .header(header::CONTENT_TYPE, kind);
        self.send(request, body).await
    }

    /// Goes to the provider, consents there, and comes back.
    async fn sign_in(&mut self, page: &str) -> Answer {
        let first = self.get(page).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{first:?}");
        let begun = self.get(first.header(header::LOCATION)).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun:?}");
        let address = begun.header(header::LOCATION);
        assert!(address.starts_with(&format!("{}/authorize?", self.site.provider.endpoint())), "{address}");
        assert!(address.contains("code_challenge_method=S256") && address.contains("nonce="), "{address}");
        let callback = format!("https://{}/sign-in/callback", self.site.host);
        let callback: String = url::form_urlencoded::byte_serialize(callback.as_bytes()).collect();
        assert!(address.contains(&callback), "{address}");
        let (code, state) = self.site.provider.consent(address).unwrap();
        self.get(&format!("/sign-in/callback?code={code}&state={state}")).await
    }
}

#[tokio::test]
async fn people_sign_in_through_the_function_url() {
    let site = Site::deploy().await;
    // Anybody may call, and nobody sees anything.
    let mut ada = site.browser();
    let stranger = ada.get("/api/v1/overview").await;
    let log = site.cloud.aws.function_log(site.stack.physical_id("DashboardFunction").unwrap()).await.unwrap();
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{stranger:?} {log:#?}");

    let answer = ada.sign_in("/queues").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.body.contains("signed in as ada@example.com") && answer.body.contains("url=/queues"), "{answer:?}");
    assert_eq!(ada.cookies.keys().collect::<Vec<_>>(), ["__Host-lamplighter"], "the mark is used up");
    assert_eq!(site.provider.actions(), ["configuration", "keys", "token"]);
    let me = ada.get("/api/v1/me").await.json();
    assert_eq!(me["name"], "ada@example.com", "{me}");
    let page = ada.get("/queues").await;
    assert!(page.status == StatusCode::OK && page.body.contains("acts"), "{page:?}");

    // An action: what its role allows, and her rights.
    let body = json!({ "job": "e2e.act", "id": "signed", "args": { "label": "signed", "behaviour": "give_up" } });
    site.cloud.aws.send(site.stack.physical_id("ActsQueue").unwrap(), body.to_string()).await.unwrap();
    let failed = eventually("the job has failed", SOON, async || {
        let answer = ada.get("/api/v1/jobs/signed").await;
        if answer.body.contains(r#""state":"failed""#) { Ok(()) } else { Err(answer.body) }
    });
    failed.await.unwrap();
    let retry =
        |kind: &str| json!({ "action": { "kind": kind }, "target": { "kind": "job", "id": "signed" } }).to_string();
    let begun = ada.post("/api/v1/operations", "application/json", retry("retry")).await;
    assert!(begun.status.is_success(), "{begun:?}");
    let operation = format!("/api/v1/operations/{}", begun.json()["id"].as_str().unwrap());
    let done = eventually("the operation has ended", SOON, async || {
        let operation = ada.get(&operation).await.json();
        if operation["state"] == "done" { Ok(operation) } else { Err(operation.to_string()) }
    });
    assert_eq!(done.await.unwrap()["by"], "ada@example.com");
    let denied = ada.post("/api/v1/operations", "application/json", retry("delete")).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN, "{denied:?}");

    // A session is the browser's own, and a changed one is none.
    let mut changed = site.browser();
    let value = ada.cookies["__Host-lamplighter"].replacen('e', "f", 1);
    changed.cookies.insert("__Host-lamplighter".into(), value);
    assert_eq!(changed.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);

    // Somebody else reads only, and somebody without a rule gets no session.
    let mut grace = site.browser();
    site.provider.claims(json!({ "email": "grace@example.com", "email_verified": true, "groups": "support" }));
    grace.sign_in("/").await;
    assert_eq!(grace.get("/api/v1/jobs/signed").await.status, StatusCode::OK);
    let refused = grace.post("/api/v1/operations", "application/json", retry("retry")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let mut mallory = site.browser();
    site.provider.claims(json!({ "email": "mallory@example.com", "email_verified": true }));
    let refused = mallory.sign_in("/").await;
    assert_eq!((refused.status, mallory.cookies.len()), (StatusCode::FORBIDDEN, 0), "{refused:?}");
    assert!(refused.body.contains("you are known as mallory@example.com, and no rule"), "{refused:?}");

    // Out again.
    let left = ada.post("/sign-out", "application/json", String::new()).await;
    assert_eq!((left.status, ada.cookies.len()), (StatusCode::SEE_OTHER, 0), "{left:?}");
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}
