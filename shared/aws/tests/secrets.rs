//! Reading secrets by their ARNs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::{fs::File, process::Stdio};

use lamplighter::backend::StoreErrorKind;
use lamplighter_aws::{AwsClients, SecretReader, testing::FakeSecrets};
use tokio::process::Command;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/billing-AbCdEf";
const PARAMETER: &str = "arn:aws:ssm:ap-south-1:123456789012:parameter/shop/stock";

#[tokio::test]
async fn secrets_are_read_by_arn_in_their_region() {
    let fake = FakeSecrets::start().await.unwrap();
    fake.keep(SECRET, "one");
    fake.keep(PARAMETER, "two");
    let reader = SecretReader::new(fake.sdk());
    assert_eq!(reader.read(&SECRET.parse().unwrap()).await.unwrap(), "one");
    assert_eq!(reader.read(&PARAMETER.parse().unwrap()).await.unwrap(), "two");
    let asked = fake.asked();
    assert_eq!((&asked[0].0["SecretId"], &*asked[0].1), (&SECRET.into(), "eu-west-1"));
    assert_eq!((&asked[1].0["Name"], &*asked[1].1), (&PARAMETER.into(), "ap-south-1"));
    assert_eq!(asked[1].0["WithDecryption"], true);
    fake.keep(SECRET, "changed");
    assert_eq!(reader.read(&SECRET.parse().unwrap()).await.unwrap(), "changed", "every call asks");
}

#[tokio::test]
async fn errors_name_the_arn() {
    let fake = FakeSecrets::start().await.unwrap();
    let reader = SecretReader::new(fake.sdk());
    for arn in [SECRET, PARAMETER] {
        let error = reader.read(&arn.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&format!("cannot read the secret {arn}")), "{error}");
    }
    fake.deny();
    let error = reader.read(&SECRET.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}

/// The variable that makes this program the process that has used up its files.
const STARVED: &str = "LAMPLIGHTER_TEST_STARVED";

#[tokio::test]
#[ignore = "not a test on its own: the other runs it"]
async fn the_process_without_files() {
    if std::env::var_os(STARVED).is_none() {
        return;
    }
    let sdk = AwsClients::environment();
    let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let first = sdk.config().await.map(drop);
    drop(files);
    let first = first.unwrap_err();
    println!("first: {:?}: {first}", first.kind());
    println!("then: {}", sdk.config().await.is_ok());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_client_without_certificates_is_not_cached() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_without_files", "--ignored", "--nocapture"])
        .env(STARVED, "1")
        .env("AWS_REGION", "eu-west-1")
        .env_remove("AWS_ENDPOINT_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("first: Unavailable: ") && printed.contains("too many files are open"), "{printed}");
    assert!(printed.contains("then: true"), "{printed}");
}
