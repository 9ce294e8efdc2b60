//! Requests as function URLs send them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use lambda_runtime::{Context, LambdaEvent};
use lamplighter::{App, DashboardFunction, Variables, env::Env};
use lamplighter_aws::{AwsBackend, AwsClients, Settings};
use lamplighter_dashboard_lambda::Host;
use serde_json::{Value, json, value::to_raw_value};

const OPERATOR: &str = "arn:aws:sts::123456789012:assumed-role/Operators/ada";
const DOMAIN: &str = "abcdef.lambda-url.eu-west-1.on.aws";

fn host(variables: Variables) -> Host {
    let credentials = aws_credentials();
    // Nothing listens there.
    let sdk = AwsClients::fixed("eu-west-1", Some("http://127.0.0.1:1".into()), credentials);
    let aws = AwsBackend::new(sdk, Settings::default(), Env::system());
    Host::new(&App::new("shop"), &aws, &variables, "shop-dashboard").unwrap()
}

fn aws_credentials() -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new("key", "secret", None, None, "tests")
}

fn with_rules() -> Variables {
    let rules = "*:assumed-role/Operators/* operator; *:user/reader reader";
    Variables::none()
        .with(DashboardFunction::RIGHTS.variable, rules)
        .with(DashboardFunction::FORMS, "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1")
}

/// A request of the function URL (AWS Lambda Developer Guide, "Invoking Lambda function URLs", "Request payload format").
fn request(method: &str, path: &str, caller: Option<&str>) -> Value {
    let mut request = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "host": DOMAIN, "x-forwarded-proto": "https" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef",
            "domainName": DOMAIN,
            "domainPrefix": "abcdef",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t" },
            "requestId": "1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "28/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1_795_860_000_000_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some(arn) = caller {
        request["requestContext"]["authorizer"]["iam"] = json!({
            "accessKey": "AKIA", "accountId": "123456789012", "callerId": "AROA", "cognitoIdentity": null,
            "principalOrgId": null, "userArn": arn, "userId": "AROA",
        });
    }
    request
}

async fn ask(host: &Host, request: &Value) -> Value {
    let event = LambdaEvent { payload: to_raw_value(request).unwrap(), context: Context::default() };
    let answer = host.answer(event).await.unwrap();
    serde_json::from_str(answer.get()).unwrap()
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_else(|_| panic!("{answer}"))
}

#[tokio::test]
async fn a_caller_is_who_aws_says() {
    let host = host(with_rules());
    let me = ask(&host, &request("GET", "/api/v1/me", Some(OPERATOR))).await;
    assert_eq!((&me["statusCode"], &body(&me)["name"]), (&json!(200), &json!(OPERATOR)), "{me}");
    for caller in [None, Some("arn:aws:iam::123456789012:user/mallory"), Some("")] {
        let mut request = request("GET", "/api/v1/me", caller);
        // Whatever else the request says.
        request["headers"]["x-amz-user-arn"] = json!(OPERATOR);
        request["headers"]["authorization"] = json!("AWS4-HMAC-SHA256 Credential=AKIA");
        assert_eq!(ask(&host, &request).await["statusCode"], 401, "{caller:?}");
    }
}

#[tokio::test]
async fn without_rules_nobody_gets_in() {
    let host = host(Variables::none());
    assert_eq!(ask(&host, &request("GET", "/api/v1/me", Some(OPERATOR))).await["statusCode"], 401);
}

#[tokio::test]
async fn a_write_needs_rights_and_the_dashboards_own_origin() {
    let host = host(with_rules());
    let write = |caller, origin: &str| {
        let mut request = request("POST", "/api/v1/operations/preview", Some(caller));
        request["headers"]["origin"] = json!(origin);
        request["headers"]["content-type"] = json!("application/json");
        request["body"] = json!(r#"{"action":{"kind":"pause-queue"},"target":{"kind":"queue","queue":"mails"}}"#);
        request
    };
    let own = format!("https://{DOMAIN}");
    let status = async |request: Value| ask(&host, &request).await["statusCode"].as_u64().unwrap();
    assert_eq!(status(write("arn:aws:iam::123456789012:user/reader", &own)).await, 403);
    assert_eq!(status(write(OPERATOR, "https://evil.example")).await, 403);
    assert_ne!(status(write(OPERATOR, &own)).await, 403);
}

#[tokio::test]
async fn the_request_has_to_come_through_the_url() {
    let unset = host(with_rules());
    let mut direct = request("GET", "/api/v1/me", Some(OPERATOR));
    direct["requestContext"].as_object_mut().unwrap().remove("domainName");
    assert_eq!(ask(&unset, &direct).await["statusCode"], 503);
    assert_eq!(ask(&unset, &request("GET", "/api/v1/me", Some(OPERATOR))).await["statusCode"], 200);
    let mut other = request("GET", "/api/v1/me", Some(OPERATOR));
    other["requestContext"]["domainName"] = json!("other.lambda-url.eu-west-1.on.aws");
    assert_eq!(ask(&unset, &other).await["statusCode"], 503);
}

/// Behind CloudFront, the function's own name is not the dashboard's.
#[tokio::test]
async fn behind_another_name_that_name_counts() {
    let host = host(with_rules().with(DashboardFunction::PUBLIC_URL.variable, "https://jobs.example.com"));
    let mut write = request("POST", "/api/v1/operations/preview", Some(OPERATOR));
    write["headers"] =
        json!({ "host": DOMAIN, "origin": "https://jobs.example.com", "content-type": "application/json" });
    write["body"] = json!("{}");
    let answer = ask(&host, &write).await;
    assert_eq!(answer["statusCode"], 422, "it is read, and makes no sense: {answer}");
}

#[tokio::test]
async fn people_sign_in_where_there_is_a_provider() {
    let host = host(
        with_rules()
            .with(DashboardFunction::ISSUER.variable, "https://id.example.com")
            .with(DashboardFunction::CLIENT_ID.variable, "dashboard")
            .with(DashboardFunction::SESSION_SECRET.variable, "0123456789abcdef0123456789abcdef"),
    );
    // IAM says who calls, and that is not who looks: CloudFront, for instance.
    assert_eq!(ask(&host, &request("GET", "/api/v1/me", Some(OPERATOR))).await["statusCode"], 401);
    let mut page = request("GET", "/jobs", None);
    page["headers"]["accept"] = json!("text/html");
    let answer = ask(&host, &page).await;
    assert_eq!((&answer["statusCode"], &answer["headers"]["location"]), (&json!(303), &json!("/sign-in?next=%2Fjobs")));
}

#[tokio::test]
async fn it_says_which_code_it_is() {
    let about = ask(&host(Variables::none()), &json!({ "lamplighter": "about" })).await;
    assert_eq!((&about["function"], &about["jobs"]), (&json!("dashboard"), &json!([])));
    assert!(about["version"].is_string());
}

#[tokio::test]
async fn what_is_no_request_is_an_error() {
    let event = |payload: Value| LambdaEvent { payload: to_raw_value(&payload).unwrap(), context: Context::default() };
    let host = host(with_rules());
    for payload in [json!({ "Records": [] }), json!([]), json!({ "lamplighter": "other" })] {
        assert!(host.answer(event(payload.clone())).await.is_err(), "{payload}");
    }
}
