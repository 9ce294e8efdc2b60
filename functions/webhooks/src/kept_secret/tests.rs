//! The clock is paused: waiting for a service ends as soon as nothing else is left to do.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::advance;

use super::*;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing-AbCdEf";
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Says {
    Text(&'static str),
    /// After this long.
    Late(Duration, &'static str),
    Nothing,
    Error(StoreErrorKind),
}

#[derive(Debug)]
struct Service {
    says: Mutex<Says>,
    asked: AtomicUsize,
}

#[async_trait]
impl Vault for Service {
    async fn read(&self, _: &SecretArn) -> Result<String, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let says = self.says.lock().unwrap().clone();
        match says {
            Says::Text(text) => Ok(text.into()),
            Says::Late(time, text) => {
                tokio::time::sleep(time).await;
                Ok(text.into())
            }
            Says::Nothing => std::future::pending().await,
            Says::Error(kind) => Err(StoreError::new(kind, "no")),
        }
    }
}

fn kept(says: Says) -> (Arc<Service>, KeptSecret) {
    let service = Arc::new(Service { says: Mutex::new(says), asked: AtomicUsize::new(0) });
    (service.clone(), KeptSecret::new(ARN.parse().unwrap(), service))
}

impl Service {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn now_says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

/// The signatures that a secret makes.
async fn signs(kept: &KeptSecret) -> String {
    kept.signer(LIMIT).await.unwrap().sign("a", 1, b"{}")
}

fn by(secrets: &str) -> String {
    Signer::new(secrets).unwrap().sign("a", 1, b"{}")
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_at_first_use_and_once_for_many_jobs() {
    let (service, kept) = kept(Says::Late(Duration::from_secs(1), OLD));
    assert_eq!(service.asked(), 0);
    let many = futures_util::future::join_all((0..50).map(|_| signs(&kept))).await;
    assert!(many.iter().all(|signature| *signature == by(OLD)));
    advance(SECRET_FRESH - Duration::from_secs(2)).await;
    assert_eq!((signs(&kept).await, service.asked()), (by(OLD), 1));
}

#[tokio::test(start_paused = true)]
async fn rotation_needs_no_deployment_and_signs_with_both() {
    let (service, kept) = kept(Says::Text(OLD));
    assert_eq!(signs(&kept).await, by(OLD));
    let both = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    service.now_says(Says::Text(both));
    assert_eq!(signs(&kept).await, by(OLD), "not before its time");
    advance(SECRET_FRESH).await;
    assert_eq!(signs(&kept).await, format!("{} {}", by(NEW), by(OLD)));
    service.now_says(Says::Text(NEW));
    advance(SECRET_FRESH).await;
    assert_eq!((signs(&kept).await, service.asked()), (by(NEW), 3));
}

#[tokio::test(start_paused = true)]
async fn jobs_share_one_deadline_for_a_silent_service() {
    let (service, kept) = kept(Says::Nothing);
    let began = Instant::now();
    let many = futures_util::future::join_all((0..50).map(|_| kept.signer(LIMIT))).await;
    assert!(many.iter().all(Result::is_err));
    assert_eq!((began.elapsed(), service.asked()), (READ, 1), "the others share the answer");
    // A job with little time left gets its error in time.
    advance(PAUSE).await;
    let began = Instant::now();
    let error = kept.signer(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert!(
        lamplighter::record::ErrorText::from_error(&error).to_string().contains("did not answer within 2s"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_stay_in_use_while_the_service_is_unavailable() {
    let (service, kept) = kept(Says::Text(OLD));
    signs(&kept).await;
    for says in [Says::Nothing, Says::Error(StoreErrorKind::Unavailable)] {
        advance(SECRET_FRESH).await;
        service.now_says(says);
        assert_eq!(signs(&kept).await, by(OLD));
    }
    // No job waits for another one's call.
    advance(SECRET_FRESH).await;
    service.now_says(Says::Late(Duration::from_secs(4), NEW));
    let began = Instant::now();
    let (first, second) = tokio::join!(signs(&kept), async { (signs(&kept).await, began.elapsed()) });
    assert_eq!((first, second), (by(NEW), (by(OLD), Duration::ZERO)));
    service.now_says(Says::Nothing);
    advance(SECRET_KEPT).await;
    assert!(kept.signer(LIMIT).await.is_err(), "but not forever");
}

#[tokio::test(start_paused = true)]
async fn secrets_that_may_not_be_read_any_more_are_not_used() {
    for says in [
        Says::Error(StoreErrorKind::Denied),
        Says::Error(StoreErrorKind::Invalid),
        Says::Text("hunter2"),
        Says::Text(""),
    ] {
        let (service, kept) = kept(Says::Text(OLD));
        signs(&kept).await;
        advance(SECRET_FRESH).await;
        service.now_says(says);
        let error = kept.signer(LIMIT).await.unwrap_err();
        assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
        service.now_says(Says::Text(NEW));
        advance(PAUSE).await;
        assert_eq!(signs(&kept).await, by(NEW), "and is read again soon");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_wait_longer_the_longer_the_service_fails() {
    let (service, kept) = kept(Says::Error(StoreErrorKind::Denied));
    let mut waits = Vec::new();
    for _ in 0..8 {
        let wait = kept.signer(LIMIT).await.unwrap_err().delay();
        waits.push(wait.as_secs());
        advance(wait).await;
    }
    assert_eq!(waits, [60, 60, 120, 240, 480, 960, 1920, 3600]);
    service.now_says(Says::Text(OLD));
    signs(&kept).await;
    advance(SECRET_FRESH).await;
    service.now_says(Says::Error(StoreErrorKind::Denied));
    assert_eq!(kept.signer(LIMIT).await.unwrap_err().delay(), Duration::from_secs(60), "and from the start again");
}
