//! The deployed dashboard, through its function URL: callers are who the emulator's IAM says they are.

use hyper::{
    Method, Request, StatusCode,
    header::{self, HeaderMap},
};
use lamplighter_tests::ministack::{Stack, eventually};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cloud::{Cloud, SOON};
use crate::deployed::stack;

/// The rules of the deployed dashboard.
pub(crate) const RIGHTS: &str = "arn:aws:sts::000000000000:assumed-role/dashboard-operators/* operator,!delete; \
                                 arn:aws:sts::000000000000:assumed-role/dashboard-readers/* reader,queue=images";

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Somebody who calls.
struct Caller {
    cloud: &'static Cloud,
    host: String,
    key: aws_sdk_sqs::config::Credentials,
}

/// An answer of the dashboard.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Caller {
    /// Somebody with a role of this name.
    async fn new(role: &str) -> Self {
        static MADE: OnceCell<()> = OnceCell::const_new();
        let (cloud, stack) = stack().await;
        MADE.get_or_init(async || make_roles(cloud, stack).await).await;
        let host =
            stack.output("DashboardUrl").unwrap().trim_start_matches("https://").trim_end_matches('/').to_owned();
        Self { cloud, host, key: cloud.aws.assume(role).await.unwrap() }
    }

    async fn operator() -> Self {
        Self::new("dashboard-operators").await
    }

    async fn send(&self, mut request: Request<Vec<u8>>) -> Answer {
        request.headers_mut().insert(header::HOST, self.host.parse().unwrap());
        let (head, body) = self.cloud.aws.request_as(&self.key, "lambda", request).await.unwrap().into_parts();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Vec::new()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header(header::ORIGIN, format!("https://{}", self.host))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        self.send(request.unwrap()).await
    }
}

async fn make_roles(cloud: &Cloud, stack: &Stack) {
    let iam = aws_sdk_iam::Client::new(&cloud.aws.sdk_config());
    for role in ["dashboard-operators", "dashboard-readers", "dashboard-guests", "dashboard-strangers"] {
        iam.create_role().role_name(role).assume_role_policy_document(TRUST).send().await.unwrap();
        if role != "dashboard-strangers" {
            let policy = stack.output("DashboardPolicyArn").unwrap();
            iam.attach_role_policy().role_name(role).policy_arn(policy).send().await.unwrap();
        }
    }
}

/// Lets a job fail, and waits until the dashboard shows it.
async fn failed_job(operator: &Caller, id: &str) -> Value {
    let (cloud, stack) = stack().await;
    let body = json!({ "job": "image.thumbnail", "id": id, "args": { "key": format!("photos/{id}.png") } });
    cloud.aws.send(stack.output("ImagesQueueUrl").unwrap(), body.to_string()).await.unwrap();
    let job = eventually("the dashboard shows the job as failed", SOON, async || {
        let answer = operator.get(&format!("/api/v1/jobs/{id}")).await;
        match answer.status == StatusCode::OK && answer.json()["state"] == "failed" {
            true => Ok(answer.json()),
            false => Err(answer.text()),
        }
    });
    job.await.unwrap()
}

#[tokio::test]
async fn it_shows_the_stack_to_those_who_may_see_it() {
    let operator = Caller::operator().await;
    let me = operator.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text());
    assert_eq!(me.json()["name"], "arn:aws:sts::000000000000:assumed-role/dashboard-operators/tests");

    let queues = operator.get("/api/v1/queues").await.json();
    let names: Vec<_> = queues["items"].as_array().unwrap().iter().map(|queue| queue["queue"].clone()).collect();
    assert_eq!(names, ["images", "imports", "maintenance", "reports", "webhooks"]);
    assert_eq!(operator.get("/api/v1/overview").await.status, StatusCode::OK);

    let browser = Request::get("/").header(header::ACCEPT, "text/html").header(header::ACCEPT_ENCODING, "gzip");
    let page = operator.send(browser.body(Vec::new()).unwrap()).await;
    assert_eq!((page.status, &page.headers[header::CONTENT_ENCODING]), (StatusCode::OK, &"gzip".parse().unwrap()));
    assert_eq!(page.body[..2], [0x1f, 0x8b], "compressed bytes arrive as they were sent");
    assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{:?}", page.headers);
}

#[tokio::test]
async fn a_job_is_found_and_an_action_carried_out() {
    let operator = Caller::operator().await;
    let job = failed_job(&operator, "shown-on-the-dashboard").await;
    assert_eq!(job["job"], "image.thumbnail");
    let found = operator.get("/api/v1/jobs?q=state:failed%20job:image.thumbnail").await.json();
    let ids: Vec<_> = found["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
    assert!(ids.contains(&json!("shown-on-the-dashboard")), "{found}");

    let retry = json!({
        "action": { "kind": "retry" }, "target": { "kind": "job", "id": "shown-on-the-dashboard" }, "reason": "the picture is there",
    });
    let begun = operator.post("/api/v1/operations", &retry).await;
    assert!(begun.status.is_success(), "{}: {}", begun.status, begun.text());
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let done = eventually("the operation has ended", SOON, async || {
        let operation = operator.get(&format!("/api/v1/operations/{id}")).await.json();
        if operation["state"] == "done" { Ok(operation) } else { Err(operation.to_string()) }
    });
    let done = done.await.unwrap();
    assert_eq!(done["by"], "arn:aws:sts::000000000000:assumed-role/dashboard-operators/tests");
    let attempts = eventually("the job has run again", SOON, async || {
        let job = operator.get("/api/v1/jobs/shown-on-the-dashboard").await.json();
        let attempts = job["attempts"].as_array().map_or(0, Vec::len);
        if attempts >= 2 { Ok(attempts) } else { Err(job.to_string()) }
    });
    attempts.await.unwrap();
}

#[tokio::test]
async fn a_reader_looks_and_changes_nothing() {
    let (operator, reader) = (Caller::operator().await, Caller::new("dashboard-readers").await);
    failed_job(&operator, "only-looked-at").await;
    assert_eq!(reader.get("/api/v1/jobs/only-looked-at").await.status, StatusCode::OK);
    for action in ["retry", "cancel", "delete"] {
        let asked = json!({ "action": { "kind": action }, "target": { "kind": "job", "id": "only-looked-at" } });
        let answer = reader.post("/api/v1/operations", &asked).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}: {}", answer.text());
    }
    let pause = json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "images" } });
    assert_eq!(reader.post("/api/v1/operations", &pause).await.status, StatusCode::FORBIDDEN);
    // Nor does somebody from whose rights an action was taken.
    let delete = json!({ "action": { "kind": "delete" }, "target": { "kind": "job", "id": "only-looked-at" } });
    assert_eq!(operator.post("/api/v1/operations", &delete).await.status, StatusCode::FORBIDDEN);
    // Other queues do not exist for them.
    let queues = reader.get("/api/v1/queues").await.json();
    assert_eq!(queues["items"].as_array().unwrap().len(), 1, "{queues}");
    let state = operator.get("/api/v1/jobs/only-looked-at").await.json();
    assert_eq!((&state["state"], state["attempts"].as_array().unwrap().len()), (&json!("failed"), 1));
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let (cloud, _) = stack().await;
    // IAM refuses those without the policy, and those who do not say who they are.
    let stranger = Caller::new("dashboard-strangers").await;
    assert_eq!(stranger.get("/api/v1/overview").await.status, StatusCode::FORBIDDEN);
    let anonymous = Request::get("/api/v1/overview").header(header::HOST, &stranger.host).body(Vec::new()).unwrap();
    assert_eq!(cloud.aws.request(anonymous).await.unwrap().status(), StatusCode::FORBIDDEN);
    // The dashboard refuses those for whom there is no rule.
    let guest = Caller::new("dashboard-guests").await;
    for path in ["/", "/api/v1/overview", "/api/v1/openapi.json"] {
        assert_eq!(guest.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // Nothing that a caller sends says who they are.
    let claim = Request::get("/api/v1/me")
        .header(
            "x-amzn-request-context",
            r#"{"authorizer":{"iam":{"userArn":"arn:aws:sts::000000000000:assumed-role/dashboard-operators/x"}}}"#,
        )
        .header(header::AUTHORIZATION, "Bearer dashboard-operators");
    assert_eq!(guest.send(claim.body(Vec::new()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_write_from_another_site_is_refused() {
    let operator = Caller::operator().await;
    let body = json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "images" } });
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut request = Request::post("/api/v1/operations").header(header::CONTENT_TYPE, "application/json");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let answer = operator.send(request.body(body.to_string().into_bytes()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}: {}", answer.text());
    }
}

/// As `lamp doctor` asks.
#[tokio::test]
async fn it_says_which_code_it_is() {
    let (cloud, stack) = stack().await;
    let function = stack.physical_id("DashboardFunction").unwrap();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/2015-03-31/functions/{function}/invocations"))
        .body(br#"{"lamplighter":"about"}"#.to_vec())
        .unwrap();
    let answer = cloud.aws.request_as_root("lambda", request).await.unwrap();
    let about: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((&about["function"], &about["jobs"]), (&json!("dashboard"), &json!([])), "{about}");
}
