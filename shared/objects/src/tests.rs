//! The same behaviours on every kind of store, and S3's own on a small server that speaks its protocol.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use super::*;

type Stored = BTreeMap<String, (String, Bytes)>;

/// A bucket named `bucket`, with path-style addresses.
#[derive(Clone, Default)]
struct FakeS3 {
    stored: Arc<Mutex<Stored>>,
    /// Answers that come first, in this order.
    failures: Arc<Mutex<Vec<(StatusCode, &'static str)>>>,
    requests: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
}

impl FakeS3 {
    async fn start(&self) -> SocketAddr {
        let app = Router::new().fallback(Self::answer).with_state(self.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    async fn answer(State(s3): State<Self>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        let path = percent_decode_str(uri.path()).decode_utf8().unwrap().into_owned();
        s3.requests.lock().unwrap().push((method.clone(), path.clone(), headers.clone()));
        if let Some((status, code)) = s3.failures.lock().unwrap().pop() {
            return (status, format!("<Error><Code>{code}</Code></Error>")).into_response();
        }
        let mut stored = s3.stored.lock().unwrap();
        match (method, path) {
            (Method::PUT, path) => {
                let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
                stored.insert(path, (media_type.unwrap_or_default(), body));
                [(header::ETAG, "\"1\"")].into_response()
            }
            (Method::GET, path) if uri.query().is_some_and(|query| query.contains("list-type=2")) => {
                assert_eq!(path, "/bucket");
                let objects = stored.iter().map(|(path, (_, body))| {
                    format!(
                        "<Contents><Key>{}</Key><LastModified>2026-11-23T12:00:00.000Z</LastModified><Size>{}</Size></Contents>",
                        path.trim_start_matches("/bucket/").replace('&', "&amp;"),
                        body.len()
                    )
                });
                format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
                    objects.collect::<String>()
                )
                .into_response()
            }
            (Method::GET | Method::HEAD, path) => match stored.get(&path) {
                Some((media_type, body)) => (
                    [
                        (header::CONTENT_TYPE, media_type.clone()),
                        (header::LAST_MODIFIED, "Mon, 23 Nov 2026 12:00:00 GMT".into()),
                        (header::ETAG, "\"1\"".into()),
                    ],
                    body.clone(),
                )
                    .into_response(),
                None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
            },
            (method, _) => panic!("{method} is not played"),
        }
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_variables(url: &str, pairs: &[(&str, &str)]) -> Objects {
    let opened = open(url.parse().unwrap(), variables(pairs)).unwrap();
    Objects(Arc::new(Inner { location: Some(opened.location.clone()), opened: OnceCell::new_with(Some(opened)) }))
}

async fn fake_bucket(s3: &FakeS3) -> Objects {
    let endpoint = format!("http://{}", s3.start().await);
    with_variables(
        "s3://bucket/some/prefix",
        &[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_PROFILE", ""),
            ("AWS_LAMBDA_FUNCTION_NAME", "images"),
        ],
    )
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn behaves(objects: &Objects) {
    let (a, odd) = (key("one/a.txt"), key("one/ü +&%20#x (1).txt"));
    assert!(matches!(objects.get(&a, 10).await, Err(ObjectError::NotFound(name)) if name.ends_with("one/a.txt")));
    assert!(matches!(objects.head(&a).await, Err(ObjectError::NotFound(_))));
    objects.put(&a, "first", "text/plain").await.unwrap();
    objects.put(&a, "second", "text/plain").await.unwrap();
    objects.put(&odd, vec![0, 255, 7], "application/octet-stream").await.unwrap();
    assert_eq!(objects.get(&a, 6).await.unwrap(), "second");
    assert_eq!(objects.get(&odd, 6).await.unwrap(), &[0, 255, 7][..]);
    assert_eq!(objects.head(&a).await.unwrap(), ObjectInfo { key: a.clone(), size: 6 });
    let too_large = objects.get(&a, 5).await.unwrap_err();
    assert!(matches!(too_large, ObjectError::TooLarge { size: 6, limit: 5, .. }), "{too_large}");
    let mut listed = objects.list(Some(&key("one")), 10).await.unwrap();
    listed.sort_by(|x, y| x.key.cmp(&y.key));
    assert_eq!(listed, [ObjectInfo { key: a.clone(), size: 6 }, ObjectInfo { key: odd, size: 3 }]);
    assert_eq!(objects.list(None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn memory_behaves() {
    let objects = Objects::from_url("memory:///").unwrap();
    behaves(&objects).await;
    objects.delete(&key("one/a.txt")).await.unwrap();
    objects.delete(&key("one/a.txt")).await.unwrap();
    assert!(matches!(objects.head(&key("one/a.txt")).await, Err(ObjectError::NotFound(_))));
}

#[tokio::test]
async fn a_folder_behaves_and_holds_plain_files() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("not/there yet");
    let objects = Objects::from_url(folder.to_str().unwrap()).unwrap();
    assert!(!folder.exists(), "made before it was needed");
    behaves(&objects).await;
    let path = objects.location().unwrap().of(&key("one/a.txt"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "second");
    assert_eq!(std::fs::read_dir(folder.join("one")).unwrap().count(), 2, "left-overs of writing");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_may_be_mended() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let objects = Objects::from_url(file.join("below").to_str().unwrap()).unwrap();
    let error = objects.put(&key("a"), "a", "text/plain").await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    std::fs::remove_file(&file).unwrap();
    objects.put(&key("a"), "a", "text/plain").await.unwrap();
}

#[tokio::test]
async fn a_bucket_behaves_and_its_requests_are_signed() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    behaves(&objects).await;
    let stored = s3.stored.lock().unwrap();
    assert_eq!(stored["/bucket/some/prefix/one/a.txt"].0, "text/plain");
    for (method, path, headers) in s3.requests.lock().unwrap().iter() {
        let signed = headers["authorization"].to_str().unwrap();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{method} {path}: {signed}");
        assert!(signed.contains("/eu-central-1/s3/aws4_request"), "{signed}");
        assert_eq!(headers["x-amz-security-token"], "token");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("Lamplighter/"));
    }
}

#[tokio::test]
async fn hiccups_of_s3_are_bridged() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    *s3.failures.lock().unwrap() =
        vec![(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"), (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")];
    objects.put(&key("a"), "a", "text/plain").await.unwrap();
    assert_eq!(s3.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn refusals_of_s3_are_told_apart() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    let fail = |status, code| *s3.failures.lock().unwrap() = vec![(status, code)];
    fail(StatusCode::FORBIDDEN, "AccessDenied");
    let error = objects.get(&key("a"), 9).await.unwrap_err();
    assert!(matches!(error, ObjectError::Denied { .. }) && !error.is_permanent(), "{error:?}");
    fail(StatusCode::NOT_FOUND, "NoSuchBucket");
    let error = objects.get(&key("a"), 9).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error:?}");
    fail(StatusCode::NOT_FOUND, "NoSuchBucket");
    let error = objects.put(&key("a"), "a", "text/plain").await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error:?}");
    let error = objects.get(&key("a"), 9).await.unwrap_err();
    assert!(error.is_permanent(), "{error:?}");
    assert_eq!(error.to_string(), "there is no object s3://bucket/some/prefix/a");
}

#[tokio::test]
async fn an_endpoint_in_plain_http_works_only_when_named() {
    let s3 = FakeS3::default();
    let endpoint = s3.start().await.to_string();
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let with = |url: &str| with_variables("s3://bucket", &[keys[0], keys[1], ("AWS_ENDPOINT_URL_S3", url)]);
    with(&format!("http://{endpoint}")).put(&key("a"), "a", "text/plain").await.unwrap();
    let error = with(&format!("https://{endpoint}")).put(&key("a"), "a", "text/plain").await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error:?}");
}

#[test]
fn missing_credentials_are_named() {
    let location: Location = "s3://bucket".parse().unwrap();
    let opened = open(location.clone(), variables(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_REGION", "us-east-1")])).unwrap();
    let error =
        opened.unavailable(object_store::Error::NotImplemented { operation: "x".into(), implementer: "y".into() });
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
    let half = open(location, variables(&[("AWS_ACCESS_KEY_ID", "a")]));
    assert!(half.is_err(), "a key without its secret");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_and_what_is_put_into_it_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = root.path().join("new/objects");
    let objects = Objects::at(Location::Folder(folder.clone()));
    let key = Key::new("a/b/c.txt").unwrap();
    for text in ["first", "second"] {
        objects.put(&key, text, "text/plain").await.unwrap();
        assert_eq!(objects.get(&key, 100).await.unwrap(), text);
    }
    for made in ["new", "new/objects", "new/objects/a", "new/objects/a/b"] {
        assert_eq!(mode(&root.path().join(made)), 0o700, "{made}");
    }
    assert_eq!(mode(&folder.join("a/b/c.txt")), 0o600);
    assert_eq!(std::fs::read_dir(folder.join("a/b")).unwrap().count(), 1, "nothing else is left there");

    // A folder that is there stays as somebody wanted it; what is put into it does not.
    let open = root.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    Objects::at(Location::Folder(open.clone())).put(&Key::new("x").unwrap(), "x", "text/plain").await.unwrap();
    assert_eq!((mode(&open), mode(&open.join("x"))), (0o755, 0o600));
}
