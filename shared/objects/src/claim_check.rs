//! Arguments that are too large for a message, as objects: the message carries a claim check.

use std::time::Duration;

use async_trait::async_trait;
use lamplighter::{
    JobId, RawValue, Timestamp,
    backend::{Payloads, StoreError, StoreErrorKind},
    days,
    env::Env,
};

use crate::{Key, ObjectError, Objects};

/// Keeps large arguments in an object store, under `args/`. Objects are deleted with the records of their jobs only where
/// somebody deletes those: a job may be run again for as long as its failure is kept, so the store's lifecycle rules delete
/// the others.
///
/// A reference is a key, never an address: the sender of a message cannot make a worker read elsewhere.
#[derive(Debug, Clone)]
pub struct ClaimChecks {
    objects: Objects,
    env: Env,
}

impl ClaimChecks {
    /// The prefix of every reference: the objects' place in their store.
    pub const PREFIX: &'static str = "args/";
    /// The largest arguments, in bytes: a small function can hold several of them at a time.
    pub const MAX_BYTES: usize = 16 << 20;
    /// The number of days for which the deployment's bucket keeps arguments, by its lifecycle rule.
    pub const KEPT_DAYS: u16 = 30;
    /// How far ahead a job with such arguments may be due: the rest of that time is for its message, which is kept for
    /// 14 days at most (Amazon SQS Developer Guide, "Message quotas"), attempts and waits included.
    pub const MAX_DELAY: Duration = days(Self::KEPT_DAYS as u64 - 14);

    /// Claim checks in this object store.
    #[must_use]
    pub fn new(objects: Objects, env: Env) -> Self {
        Self { objects, env }
    }
}

#[async_trait]
impl Payloads for ClaimChecks {
    async fn put(&self, id: &JobId, args: &RawValue, due_at: Option<Timestamp>) -> Result<String, StoreError> {
        let latest = self.env.now().saturating_add(Self::MAX_DELAY).unwrap_or(Timestamp::MAX);
        if due_at.is_some_and(|due_at| due_at > latest) {
            let text = format!(
                "job {id} has arguments that are too large for a message, and those are kept for {} days, so it can be due \
                 in {} days at most: pass a reference to data of your own",
                Self::KEPT_DAYS,
                Self::MAX_DELAY.as_secs() / 86_400
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
        let text = args.get();
        if text.len() > Self::MAX_BYTES {
            let (bytes, limit) = (text.len(), Self::MAX_BYTES);
            let text =
                format!("the arguments of job {id} have {bytes} bytes, and the limit is {limit}: pass a reference");
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
        // A number of its own: the same id may be sent again with other arguments, and is refused only later.
        let key = format!("{}{id}/{:016x}.json", Self::PREFIX, self.env.random.next_u64());
        let put = async { self.objects.put(&Key::new(&key)?, text.as_bytes().to_vec(), "application/json").await };
        put.await.map_err(|error| explained(&error))?;
        Ok(key)
    }

    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError> {
        let invalid = |why: &str| StoreError::new(StoreErrorKind::Invalid, format_args!("{reference:?} {why}"));
        if !reference.starts_with(Self::PREFIX) {
            return Err(invalid("is not a reference to arguments: those are under args/"));
        }
        let get = async { self.objects.get(&Key::new(reference)?, Self::MAX_BYTES as u64).await };
        let bytes = get.await.map_err(|error| explained(&error))?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| invalid("is not text"))?;
        RawValue::from_string(text).map_err(|_| invalid("is not JSON"))
    }

    async fn delete(&self, reference: &str) -> Result<(), StoreError> {
        if !reference.starts_with(Self::PREFIX) {
            let text = format_args!("{reference:?} is not a reference to arguments: those are under args/");
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
        let delete = async { self.objects.delete(&Key::new(reference)?).await };
        delete.await.map_err(|error| explained(&error))
    }
}

fn explained(error: &ObjectError) -> StoreError {
    let kind = match error {
        ObjectError::Denied { .. } => StoreErrorKind::Denied,
        error if error.is_permanent() => StoreErrorKind::Invalid,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    #[tokio::test]
    async fn stored_arguments_are_read_back() {
        let checks = ClaimChecks::new(Objects::from_url("memory:///").unwrap(), Env::system());
        let id = JobId::new("order:42@blue").unwrap();
        let (first, second) = (raw(r#"{"n":1}"#), raw(r#"{"n":2}"#));
        let references = [checks.put(&id, &first, None).await.unwrap(), checks.put(&id, &second, None).await.unwrap()];
        assert_ne!(references[0], references[1], "the second does not replace the first");
        assert_eq!(checks.get(&references[0]).await.unwrap().get(), first.get());
        assert_eq!(checks.get(&references[1]).await.unwrap().get(), second.get());
        checks.delete(&references[0]).await.unwrap();
        checks.delete(&references[0]).await.unwrap();
        assert!(checks.get(&references[0]).await.is_err() && checks.get(&references[1]).await.is_ok());
        assert!(checks.delete("other/1.json").await.is_err());
    }

    #[tokio::test]
    async fn references_outside_of_arguments_are_refused() {
        let objects = Objects::from_url("memory:///").unwrap();
        objects.put(&Key::new("secrets/key.json").unwrap(), "{}", "application/json").await.unwrap();
        objects.put(&Key::new("args/x/text").unwrap(), "no JSON", "text/plain").await.unwrap();
        let checks = ClaimChecks::new(objects, Env::system());
        for (reference, says) in [
            ("secrets/key.json", "those are under args/"),
            ("args/../secrets/key.json", "cannot name an object"),
            ("args/x/gone", "there is no object"),
            ("args/x/text", "is not JSON"),
        ] {
            let error = checks.get(reference).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Invalid, "{reference}");
            assert!(error.to_string().contains(says), "{reference}: {error}");
        }
    }

    #[tokio::test]
    async fn oversized_arguments_are_refused_before_writing() {
        let checks = ClaimChecks::new(Objects::from_url("memory:///").unwrap(), Env::system());
        let large = raw(&format!("\"{}\"", "x".repeat(ClaimChecks::MAX_BYTES)));
        let error = checks.put(&JobId::new("a").unwrap(), &large, None).await.unwrap_err();
        assert!(error.to_string().contains("the limit is"), "{error}");
    }

    #[tokio::test]
    async fn arguments_that_expire_before_the_job_is_due_are_refused() {
        let checks = ClaimChecks::new(Objects::from_url("memory:///").unwrap(), Env::system());
        let (id, args, now) = (JobId::new("a").unwrap(), raw("{}"), Timestamp::now());
        assert!(checks.put(&id, &args, Some(now + days(15))).await.is_ok());
        let error = checks.put(&id, &args, Some(now + days(17))).await.unwrap_err();
        assert!(error.to_string().contains("can be due in 16 days at most"), "{error}");
    }
}
