//! A poller says that it is there, and learns whether its queue is paused.

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::sqs::{LOOK, Sqs};

/// Looks at the tags of a queue.
pub(super) struct Presence;

impl Presence {
    /// Looks at once, and then from time to time in a task of `helpers`. The answer is whether the queue is paused.
    pub(super) async fn start(sqs: Sqs, url: &str, helpers: &mut JoinSet<()>) -> watch::Receiver<bool> {
        let url = url.to_owned();
        let first = look(&sqs, &url, false).await;
        let (tell, paused) = watch::channel(first);
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
