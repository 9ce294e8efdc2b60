//! A poller says that it is there, and learns whether its queue is paused.

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::sqs::{LOOK, Sqs};

/// Looks at the tags of a queue.
pub(super) struct Presence;

impl Presence {
    /// Says for the first time that the queue is polled. The answer is whether it is paused.
    pub(super) async fn begin(sqs: &Sqs, url: &str) -> bool {
        look(sqs, url, false).await
    }

    /// Looks from time to time in a task of `helpers`. The answer is whether the queue is paused.
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

/// Whether the queue is paused; as it `was` when the tags cannot be read, since a missing permission must not stop it.
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
