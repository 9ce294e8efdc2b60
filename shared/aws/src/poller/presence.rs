//! Marks a queue as polled, and reads whether it is paused.

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::sqs::{LOOK, Sqs};

/// Reads and writes the tags of a queue.
pub(super) struct Presence;

impl Presence {
    /// Marks the queue as polled for the first time. Returns whether it is paused.
    pub(super) async fn begin(sqs: &Sqs, url: &str) -> bool {
        look(sqs, url, false).await
    }

    /// Reads the tags from time to time in a task of `helpers`. The receiver has whether the queue is paused.
    pub(super) fn watch(sqs: Sqs, url: &str, paused: bool, helpers: &mut JoinSet<()>) -> watch::Receiver<bool> {
        let url = url.to_owned();
        let (tell, paused) = watch::channel(paused);
        helpers.spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks.tick().await;
            loop {
                looks.tick().await;
                let was = *tell.borrow();
                let is = look(&sqs, &url, was).await;
                if is != was {
                    tracing::info!(queue = url, "{}", if is { "paused" } else { "resumed" });
                    tell.send_replace(is);
                }
            }
        });
        paused
    }
}

/// Returns whether the queue is paused; `was` if the tags cannot be read, since a missing permission must not stop it.
async fn look(sqs: &Sqs, url: &str, was: bool) -> bool {
    match tokio::time::timeout(LOOK, sqs.tags_for_poller(url)).await {
        Ok(Ok(tags)) => tags.is_paused,
        Ok(Err(error)) => {
            tracing::warn!(queue = url, %error, "a pause of the queue would not be noticed, and `lamp doctor` does not see it polled");
            was
        }
        Err(_) => was,
    }
}
