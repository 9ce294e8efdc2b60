//! The same behaviour on every kind of store, and S3's own on a small server that speaks its protocol.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use super::*;

type Stored = BTreeMap<String, (String, Bytes)>;
/// The parts of uploads that are not complete, by upload and number.
type Uploads = BTreeMap<String, BTreeMap<u32, Bytes>>;

/// A bucket named `bucket`, with path-style addresses.
#[derive(Clone, Default)]
struct FakeS3 {
    stored: Arc<Mutex<Stored>>,
    uploads: Arc<Mutex<Uploads>>,
    /// Failures to answer with first, the last one first.
    failures: Arc<Mutex<Vec<(StatusCode, &'static str)>>>,
    requests: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
}

impl FakeS3 {
    async fn start(&self) -> SocketAddr {
        let app = Router::new().fallback(Self::answer).layer(DefaultBodyLimit::disable()).with_state(self.clone());
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
        let query: BTreeMap<_, _> =
            uri.query().unwrap_or_default().split('&').map(|one| one.split_once('=').unwrap_or((one, ""))).collect();
        if query.contains_key("uploads") || query.contains_key("uploadId") {
            return s3.upload(&mut stored, &method, path, &query, &headers, body);
        }
        match (method, path) {
            (Method::PUT, path) => {
                let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
                let tag = tag(&body);
                stored.insert(path, (media_type.unwrap_or_default(), body));
                [(header::ETAG, tag)].into_response()
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
                Some((_, body)) if headers.get(header::IF_MATCH).is_some_and(|wanted| *wanted != *tag(body)) => {
                    (StatusCode::PRECONDITION_FAILED, "<Error><Code>PreconditionFailed</Code></Error>").into_response()
                }
                Some((media_type, body)) => {
                    let answer = [
                        (header::CONTENT_TYPE, media_type.clone()),
                        (header::LAST_MODIFIED, "Mon, 23 Nov 2026 12:00:00 GMT".into()),
                        (header::ETAG, tag(body)),
                    ];
                    let Some(range) = headers.get(header::RANGE) else { return (answer, body.clone()).into_response() };
                    let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
                    let (first, last) = range.split_once('-').unwrap();
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    let content_range = [(header::CONTENT_RANGE, format!("bytes {range}/{}", body.len()))];
                    (StatusCode::PARTIAL_CONTENT, answer, content_range, body.slice(first..=last)).into_response()
                }
                None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
            },
            (method, _) => panic!("{method} is not supported here"),
        }
    }
}

impl FakeS3 {
    /// The calls of a multipart upload.
    fn upload(
        &self,
        stored: &mut Stored,
        method: &Method,
        path: String,
        query: &BTreeMap<&str, &str>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let mut uploads = self.uploads.lock().unwrap();
        let id = query.get("uploadId").map(|id| (*id).to_owned());
        match (method, id) {
            (&Method::POST, None) => {
                let id = headers[header::CONTENT_TYPE].to_str().unwrap().replace('/', ".");
                uploads.insert(id.clone(), BTreeMap::new());
                let (open, close) = ("<InitiateMultipartUploadResult>", "</InitiateMultipartUploadResult>");
                format!("{open}<Bucket>bucket</Bucket><Key>k</Key><UploadId>{id}</UploadId>{close}").into_response()
            }
            (&Method::PUT, Some(id)) => {
                let tag = tag(&body);
                uploads.get_mut(&id).unwrap().insert(query["partNumber"].parse().unwrap(), body);
                [(header::ETAG, tag)].into_response()
            }
            (&Method::POST, Some(id)) => {
                let parts = uploads.remove(&id).unwrap();
                assert!(parts.keys().copied().eq(1..=parts.len() as u32), "{:?}", parts.keys());
                let whole = Bytes::from(parts.into_values().collect::<Vec<_>>().concat());
                let tag = tag(&whole).replace('"', "&quot;");
                stored.insert(path, (id.replace('.', "/"), whole));
                format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>")
                    .into_response()
            }
            (&Method::DELETE, Some(id)) => {
                uploads.remove(&id);
                StatusCode::NO_CONTENT.into_response()
            }
            (method, _) => panic!("{method} is not supported here"),
        }
    }
}

/// An ETag, which differs with the content.
fn tag(body: &[u8]) -> String {
    let sum = body.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    format!("\"{sum:x}\"")
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_variables(url: &str, pairs: &[(&str, &str)]) -> Objects {
    with_patience(url, pairs, Patience::DEFAULT)
}

fn with_patience(url: &str, pairs: &[(&str, &str)], patience: Patience) -> Objects {
    let opened = open(url.parse().unwrap(), variables(pairs), patience).unwrap();
    let location = Where::At(opened.location.clone());
    Objects(Arc::new(Inner { location, opened: OnceCell::new_with(Some(opened)), patience }))
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
    versions_are_told_apart(objects).await;
    objects_are_written_in_pieces(objects).await;
}

async fn versions_are_told_apart(objects: &Objects) {
    let key = key("versions/a.txt");
    assert!(matches!(objects.version(&key).await, Err(ObjectError::NotFound(_))));
    objects.put(&key, "0123456789", "text/plain").await.unwrap();
    let version = objects.version(&key).await.unwrap();
    assert_eq!(version.size, 10);
    assert_eq!(objects.version(&key).await.unwrap(), version);
    for (range, text) in [(0..10, "0123456789"), (0..1, "0"), (3..6, "345"), (9..99, "9"), (10..99, ""), (4..4, "")] {
        assert_eq!(objects.read(&key, &version, range.clone()).await.unwrap(), text, "{range:?}");
    }
    // Of the same size, and shorter than the range.
    for (text, range) in [("abcdefghij", 3..6), ("ab", 3..6)] {
        objects.put(&key, text, "text/plain").await.unwrap();
        let error = objects.read(&key, &version, range).await.unwrap_err();
        assert!(matches!(&error, ObjectError::Changed(name) if name.ends_with("versions/a.txt")), "{error:?}");
        assert!(error.is_permanent());
    }
    objects.put(&key, "", "text/plain").await.unwrap();
    let empty = objects.version(&key).await.unwrap();
    assert_eq!((empty.size, objects.read(&key, &empty, 0..9).await.unwrap().len()), (0, 0));
    let gone = ObjectVersion { size: 3, tag: "\"x\"".into() };
    let missing = Key::new("versions/b.txt").unwrap();
    assert!(matches!(objects.read(&missing, &gone, 0..1).await, Err(ObjectError::NotFound(_))));
}

/// The same bytes for an object of any size, and different ones at each place.
fn many(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

async fn objects_are_written_in_pieces(objects: &Objects) {
    for size in [0, 1, ObjectWriter::PART - 1, ObjectWriter::PART, 2 * ObjectWriter::PART + 5] {
        let (key, all) = (key(&format!("pieces/{size}")), many(size));
        let mut writer = objects.writer(&key, "application/x-pieces");
        for piece in all.chunks(3 << 20) {
            writer.write(piece).await.unwrap();
            assert!(matches!(objects.head(&key).await, Err(ObjectError::NotFound(_))), "exists before its end");
        }
        assert_eq!(writer.finish().await.unwrap(), size as u64);
        assert!(objects.get(&key, 1 << 30).await.unwrap() == all, "{size}");
    }
    // An object that is given up leaves the one before it.
    let key = key("pieces/1");
    let mut writer = objects.writer(&key, "application/x-given-up");
    writer.write(&many(ObjectWriter::PART + 1)).await.unwrap();
    drop(writer);
    assert_eq!(objects.get(&key, 9).await.unwrap(), &[0][..]);
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
    assert!(!folder.exists(), "created before it was needed");
    behaves(&objects).await;
    let path = objects.location().unwrap().of(&key("one/a.txt"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "second");
    assert_eq!(std::fs::read_dir(folder.join("one")).unwrap().count(), 2, "left-overs of writing");
    assert_eq!(std::fs::read_dir(folder.join("pieces")).unwrap().count(), 5, "left-overs of writing in pieces");
}

#[tokio::test]
async fn a_folder_that_cannot_be_created_may_be_repaired() {
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
    // The upload that was given up is aborted by a task.
    let aborted = async {
        while !s3.uploads.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), aborted).await.expect("the upload is aborted");
    let stored = s3.stored.lock().unwrap();
    assert_eq!(stored["/bucket/some/prefix/one/a.txt"].0, "text/plain");
    assert_eq!(stored[&format!("/bucket/some/prefix/pieces/{}", ObjectWriter::PART)].0, "application/x-pieces");
    for (method, path, headers) in s3.requests.lock().unwrap().iter() {
        let signed = headers["authorization"].to_str().unwrap();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{method} {path}: {signed}");
        assert!(signed.contains("/eu-central-1/s3/aws4_request"), "{signed}");
        assert_eq!(headers["x-amz-security-token"], "token");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("Lamplighter/"));
    }
}

#[tokio::test]
async fn short_failures_of_s3_are_retried() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    *s3.failures.lock().unwrap() =
        vec![(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"), (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")];
    objects.put(&key("a"), "a", "text/plain").await.unwrap();
    assert_eq!(s3.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn s3_refusals_are_classified() {
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
    let without = variables(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_REGION", "us-east-1")]);
    let opened = open(location.clone(), without, Patience::DEFAULT).unwrap();
    let error =
        opened.error(None, object_store::Error::NotImplemented { operation: "x".into(), implementer: "y".into() });
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
    let half = open(location, variables(&[("AWS_ACCESS_KEY_ID", "a")]), Patience::DEFAULT);
    assert!(half.is_err(), "a key without its secret");
}

#[cfg(unix)]
#[tokio::test]
async fn folders_and_files_are_readable_by_their_owner_only() {
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
    assert_eq!(std::fs::read_dir(folder.join("a/b")).unwrap().count(), 1, "no other file is left");

    // An existing folder keeps its mode; files written into it do not inherit it.
    let open = root.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    Objects::at(Location::Folder(open.clone())).put(&Key::new("x").unwrap(), "x", "text/plain").await.unwrap();
    assert_eq!((mode(&open), mode(&open.join("x"))), (0o755, 0o600));
}

#[tokio::test]
async fn keys_below_a_file_are_missing_and_unwritable() {
    let root = tempfile::tempdir().unwrap();
    let objects = Objects::from_url(root.path().to_str().unwrap()).unwrap();
    objects.put(&key("folder/x.jpg"), "a", "image/jpeg").await.unwrap();
    let below = key("folder/x.jpg/y");
    for error in [objects.get(&below, 9).await.unwrap_err(), objects.head(&below).await.unwrap_err()] {
        assert!(matches!(&error, ObjectError::NotFound(name) if name.ends_with("x.jpg/y")), "{error:?}");
        assert!(error.is_permanent());
    }
    objects.delete(&below).await.unwrap();
    assert_eq!(objects.list(Some(&below), 9).await.unwrap(), []);
    for key in [below, key("folder/x.jpg/y/z"), key("folder")] {
        let error = objects.put(&key, "b", "text/plain").await.unwrap_err();
        assert!(matches!(error, ObjectError::Unwritable { .. }) && error.is_permanent(), "{key}: {error:?}");
    }
    assert_eq!(objects.get(&key("folder/x.jpg"), 9).await.unwrap(), "a");
    assert_eq!(std::fs::read_dir(root.path().join("folder")).unwrap().count(), 1, "left-overs of writing");
}

#[tokio::test]
async fn a_folder_is_not_an_object() {
    let root = tempfile::tempdir().unwrap();
    let objects = Objects::from_url(root.path().to_str().unwrap()).unwrap();
    objects.put(&key("folder/a"), "a", "text/plain").await.unwrap();
    assert!(matches!(objects.get(&key("folder"), 9).await, Err(ObjectError::NotFound(_))));
    assert!(matches!(objects.head(&key("folder")).await, Err(ObjectError::NotFound(_))));
    objects.delete(&key("folder")).await.unwrap();
    assert_eq!(objects.get(&key("folder/a"), 9).await.unwrap(), "a");
}

#[tokio::test]
async fn names_too_long_for_the_folder_are_missing_and_unwritable() {
    let root = tempfile::tempdir().unwrap();
    // File names have at most 255 bytes and paths 4096, so the folder uses up most of it.
    let mut folder = root.path().to_owned();
    while folder.as_os_str().len() < 3500 {
        folder.push("x".repeat(200));
    }
    let objects = Objects::from_url(folder.to_str().unwrap()).unwrap();
    let long = key(&["y"; 5].map(|part| part.repeat(190)).join("/"));
    let error = objects.put(&long, "a", "text/plain").await.unwrap_err();
    assert!(matches!(error, ObjectError::Unwritable { .. }), "{error:?}");
    assert!(matches!(objects.get(&long, 9).await, Err(ObjectError::NotFound(_))));
}

#[tokio::test]
async fn a_missing_folder_is_unavailable() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("volume");
    let objects = Objects::from_url(folder.to_str().unwrap()).unwrap();
    objects.put(&key("a"), "a", "text/plain").await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = objects.get(&key("a"), 9).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }) && !error.is_permanent(), "{error:?}");
    std::fs::write(&folder, "in the way").unwrap();
    let error = objects.put(&key("a"), "a", "text/plain").await.unwrap_err();
    assert!(!error.is_permanent(), "{error:?}");
}

/// Errors of the operating system, as object_store's local store reports them.
#[test]
fn folder_errors_are_classified() {
    use std::io::ErrorKind as Kind;
    let root = tempfile::tempdir().unwrap();
    let meaning = |access, kind: Kind| {
        let source = Box::new(std::io::Error::from(kind));
        failure::of_folder(root.path(), access, &object_store::Error::Generic { store: "", source })
    };
    for (kind, read, write) in [
        (Kind::NotFound, "Missing", "Unavailable"),
        (Kind::NotADirectory, "Missing", "Unwritable"),
        (Kind::IsADirectory, "Missing", "Unwritable"),
        (Kind::InvalidFilename, "Missing", "Unwritable"),
        (Kind::PermissionDenied, "Denied", "Denied"),
        (Kind::ReadOnlyFilesystem, "Denied", "Denied"),
        (Kind::StorageFull, "Unavailable(\": there is no space left\")", "Unavailable(\": there is no space left\")"),
        (Kind::QuotaExceeded, "Unavailable(\": there is no space left\")", "Unavailable(\": there is no space left\")"),
        (Kind::StaleNetworkFileHandle, "Unavailable(\"\")", "Unavailable(\"\")"),
        (Kind::TimedOut, "Unavailable(\"\")", "Unavailable(\"\")"),
        (Kind::Other, "Unavailable(\"\")", "Unavailable(\"\")"),
    ] {
        for (access, expected) in [(Access::Read, read), (Access::Write, write)] {
            let meaning = format!("{:?}", meaning(access, kind));
            assert!(meaning.starts_with(expected), "{kind:?} of {access:?}: {meaning}");
        }
    }
    // A loop of links can be repaired, and more files can be opened later.
    for number in [40, 24] {
        let source = Box::new(std::io::Error::from_raw_os_error(number));
        let error = object_store::Error::Generic { store: "", source };
        assert_eq!(failure::of_folder(root.path(), Access::Read, &error), Meaning::Unavailable(""), "{number}");
    }
}

#[tokio::test]
async fn keys_too_long_for_s3_are_missing_and_unwritable() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    let fail = || *s3.failures.lock().unwrap() = vec![(StatusCode::BAD_REQUEST, "KeyTooLongError")];
    fail();
    assert!(matches!(objects.get(&key("a"), 9).await, Err(ObjectError::NotFound(_))));
    fail();
    let error = objects.put(&key("a"), "a", "text/plain").await.unwrap_err();
    assert!(matches!(error, ObjectError::Unwritable { .. }), "{error:?}");
}

/// The way in which a bucket stops answering.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// Accepts connections, and reads nothing.
    Deaf,
    /// Reads requests, and never answers.
    Mute,
    /// Begins its answer, and stops.
    Halfway,
    /// Sends one byte after the other, endlessly.
    Drip,
}

/// Serves a silent bucket, for as long as the test runs.
async fn silent(silence: Silence) -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if !matches!(silence, Silence::Deaf) {
                    let _ = connection.read(&mut request).await;
                }
                if matches!(silence, Silence::Halfway | Silence::Drip) {
                    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\netag: \"1\"\r\n\
                                last-modified: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n";
                    let _ = connection.write_all(head.as_bytes()).await;
                }
                while matches!(silence, Silence::Drip) && connection.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                std::future::pending::<()>().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_bucket_that_never_answers_is_unavailable_in_time() {
    let ms = Duration::from_millis;
    let patience = Patience { connect: ms(500), answer: ms(50), pause: ms(50), call: ms(600) };
    for silence in [Silence::Deaf, Silence::Mute, Silence::Halfway, Silence::Drip] {
        let endpoint = format!("http://{}", silent(silence).await);
        let variables =
            [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_ENDPOINT_URL", endpoint.as_str())];
        let objects = with_patience("s3://bucket", &variables, patience);
        let (key, began) = (key("a"), std::time::Instant::now());
        let mut results = vec![objects.get(&key, 1 << 30).await.map(drop)];
        if matches!(silence, Silence::Deaf | Silence::Mute) {
            results.push(objects.put(&key, "a", "text/plain").await);
            results.push(objects.head(&key).await.map(drop));
            results.push(objects.delete(&key).await);
        }
        results.push(objects.list(None, 9).await.map(drop));
        for result in &results {
            assert!(matches!(result, Err(ObjectError::Unavailable { .. })), "{silence:?}: {result:?}");
        }
        // Far more than they may take, and far less than forever.
        assert!(began.elapsed() < Duration::from_secs(30), "{silence:?}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn arguments_in_a_bucket_that_never_answers_are_unavailable_in_time() {
    use lamplighter::{
        JobId, RawValue,
        backend::{Payloads, StoreErrorKind},
        env::Env,
    };
    let ms = Duration::from_millis;
    let patience = Patience { connect: ms(500), answer: ms(50), pause: ms(50), call: ms(200) };
    let endpoint = format!("http://{}", silent(Silence::Mute).await);
    let variables =
        [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_ENDPOINT_URL", endpoint.as_str())];
    let checks = ClaimChecks::new(with_patience("s3://bucket", &variables, patience), Env::system());
    assert_eq!(checks.get("args/a/1.json").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let args = RawValue::from_string("{}".into()).unwrap();
    let put = checks.put(&JobId::new("a").unwrap(), &args, None).await;
    assert_eq!(put.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn an_object_with_a_hole_is_never_finished() {
    let s3 = FakeS3::default();
    let objects = fake_bucket(&s3).await;
    let mut writer = objects.writer(&key("a"), "text/plain");
    writer.write(&many(ObjectWriter::PART)).await.unwrap();
    *s3.failures.lock().unwrap() = vec![(StatusCode::FORBIDDEN, "AccessDenied")];
    let error = writer.write(&many(ObjectWriter::PART)).await.unwrap_err();
    assert!(matches!(error, ObjectError::Denied { .. }), "{error:?}");
    assert!(matches!(writer.write(&many(ObjectWriter::PART)).await, Err(ObjectError::Unwritable { .. })));
    assert!(matches!(writer.finish().await, Err(ObjectError::Unwritable { .. })));
    assert!(s3.stored.lock().unwrap().is_empty());
}
