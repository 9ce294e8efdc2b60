//! Tags of queues, through which pollers and operators communicate: they need no table, and are visible in the console.

use std::collections::HashMap;

use jiff::SignedDuration;
use lamplighter::{Timestamp, backend::StoreError};

use super::Sqs;
use crate::sdk::explain;

/// The interval at which a poller reads the tags of its queue. SQS allows 30 such calls a second in an account and
/// region (Amazon SQS Developer Guide, "Amazon SQS queue quotas"), so 300 pollers.
pub(crate) const LOOK: std::time::Duration = std::time::Duration::from_secs(10);

/// While a queue is polled, this tag has the time when that was last confirmed.
const POLLED: &str = "lamplighter:polled";
/// While a queue is paused, this tag has the time since when.
const PAUSED: &str = "lamplighter:paused";
/// A poller renews its tag at this age.
const RENEW: SignedDuration = SignedDuration::from_secs(60);
/// An older tag belongs to a poller that has ended.
const STALE: SignedDuration = SignedDuration::from_secs(5 * 60);

/// The contents of a queue's tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueTags {
    polled: Option<Timestamp>,
    /// Whether it is paused for pollers.
    pub(crate) is_paused: bool,
}

impl QueueTags {
    pub(crate) fn of(tags: &HashMap<String, String>) -> Self {
        let polled = tags.get(POLLED).and_then(|at| at.parse().ok());
        Self { polled, is_paused: tags.contains_key(PAUSED) }
    }

    /// Returns whether a poller has received messages from it recently.
    pub(crate) fn is_polled(&self, now: Timestamp) -> bool {
        self.polled.is_some_and(|at| now.duration_since(at) < STALE)
    }

    /// Returns whether any poller has ever received messages from it.
    #[cfg(feature = "operator")]
    pub(crate) fn was_polled(&self) -> bool {
        self.polled.is_some()
    }

    #[cfg(feature = "poller")]
    fn is_to_be_renewed(&self, now: Timestamp) -> bool {
        self.polled.is_none_or(|at| now.duration_since(at) >= RENEW)
    }
}

impl Sqs {
    /// Returns the tags of the queue with that URL.
    pub(crate) async fn tags(&self, url: &str) -> Result<QueueTags, StoreError> {
        let answer = self.client().await?.list_queue_tags().queue_url(url).send().await;
        let answer = answer.map_err(|error| explain(&error, &format!("read the tags of {url}")))?;
        Ok(QueueTags::of(&answer.tags.unwrap_or_default()))
    }

    /// Reads the tags for a poller of that queue, and marks it as polled.
    #[cfg(feature = "poller")]
    pub(crate) async fn tags_for_poller(&self, url: &str) -> Result<QueueTags, StoreError> {
        let (tags, now) = (self.tags(url).await?, self.0.env.now());
        if tags.is_to_be_renewed(now) {
            self.tag(url, POLLED, now).await?;
        }
        Ok(tags)
    }

    /// Pauses a queue for pollers, or resumes it.
    #[cfg(feature = "operator")]
    pub(crate) async fn set_paused(&self, url: &str, paused: bool) -> Result<(), StoreError> {
        if paused {
            return self.tag(url, PAUSED, self.0.env.now()).await;
        }
        let answer = self.client().await?.untag_queue().queue_url(url).tag_keys(PAUSED).send().await;
        answer.map(drop).map_err(|error| explain(&error, &format!("remove a tag of {url}")))
    }

    async fn tag(&self, url: &str, name: &str, at: Timestamp) -> Result<(), StoreError> {
        // Whole seconds, which are precise enough.
        let value = at.round(jiff::Unit::Second).unwrap_or(at).to_string();
        let answer = self.client().await?.tag_queue().queue_url(url).tags(name, value).send().await;
        answer.map(drop).map_err(|error| explain(&error, &format!("tag {url}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_whether_a_queue_is_polled_and_paused() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let tags = |pairs: &[(&str, &str)]| {
            QueueTags::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(tags(&[("team", "blue")]), QueueTags::default());
        assert!(tags(&[(POLLED, "2026-11-26T11:58:00Z")]).is_polled(now));
        assert!(!tags(&[(POLLED, "2026-11-26T11:50:00Z")]).is_polled(now));
        assert!(!tags(&[(POLLED, "lately")]).is_polled(now), "a tag that somebody else wrote");
        assert!(tags(&[(PAUSED, "2026-11-26T11:58:00Z")]).is_paused);
    }
}
