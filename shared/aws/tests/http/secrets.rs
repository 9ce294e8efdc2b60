//! Reading secrets by their ARNs.

use std::fs::File;

use lamplighter::backend::StoreErrorKind;
use lamplighter_aws::{AwsClients, SecretReader};
use lamplighter_fakes::{
    FakeSecrets, Fault,
    process::{printed, rerun_with_files},
};
use tokio::process::Command;

use crate::support::clients;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/billing-AbCdEf";
const PARAMETER: &str = "arn:aws:ssm:ap-south-1:123456789012:parameter/shop/stock";

#[tokio::test]
async fn secrets_are_read_by_arn_in_their_region() {
    let fake = FakeSecrets::start().await.unwrap();
    fake.keep(SECRET, "one");
    fake.keep(PARAMETER, "two");
    let reader = SecretReader::new(clients(&fake));
    assert_eq!(reader.read(&SECRET.parse().unwrap()).await.unwrap(), "one");
    assert_eq!(reader.read(&PARAMETER.parse().unwrap()).await.unwrap(), "two");
    let asked = fake.calls();
    assert_eq!((&asked[0].body["SecretId"], &*asked[0].region), (&SECRET.into(), "eu-west-1"));
    assert_eq!((&asked[1].body["Name"], &*asked[1].region), (&PARAMETER.into(), "ap-south-1"));
    assert_eq!(asked[1].body["WithDecryption"], true);
    fake.keep(SECRET, "changed");
    assert_eq!(reader.read(&SECRET.parse().unwrap()).await.unwrap(), "changed", "every call asks");
}

#[tokio::test]
async fn errors_name_the_arn() {
    let fake = FakeSecrets::start().await.unwrap();
    let reader = SecretReader::new(clients(&fake));
    for arn in [SECRET, PARAMETER] {
        let error = reader.read(&arn.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&format!("cannot read the secret {arn}")), "{error}");
    }
    fake.fail_when(|_| Some(Fault::Refused(400, "AccessDeniedException", "the role may not")));
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
    let mut process = Command::from(rerun_with_files(64, "secrets::the_process_without_files").unwrap());
    process.env(STARVED, "1").env("AWS_REGION", "eu-west-1").env_remove("AWS_ENDPOINT_URL").kill_on_drop(true);
    let printed = printed(process.output().await.unwrap()).unwrap();
    assert!(printed.contains("first: Unavailable: ") && printed.contains("too many files are open"), "{printed}");
    assert!(printed.contains("then: true"), "{printed}");
}
