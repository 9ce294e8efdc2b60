//! Cancelling jobs.

use lamplighter::{
    JobId, JobState, Retention, Timestamp,
    backend::{JobOwner, StoreError},
    record::{Attempt, AttemptOutcome},
};

use super::{
    Counted, Dynamo, TRIES, Written,
    claim::held_to,
    contended, expiry,
    expression::Update,
    item::{number, text, time},
    keys::Class,
    limits::Woken,
    listed,
};

/// The new and old state of a cancelled job.
pub(crate) struct Cancelled {
    pub(crate) state: JobState,
    /// When it is due, if that is in the future: its message may be sent then.
    pub(crate) waited_for: Option<Timestamp>,
    pub(crate) owner: JobOwner,
    /// Whether other jobs wait for it.
    pub(crate) is_followed: bool,
    /// The batch that has counted its end.
    pub(crate) counted: Option<Counted>,
    /// The jobs for which there is a place in a limit now.
    pub(crate) woken: Vec<Woken>,
    /// It is a batch that has not ended: nothing was changed.
    pub(crate) is_batch: bool,
}

impl Dynamo {
    /// Cancels a job that has not ended. A running attempt is added to the history and loses its lease: its settlement
    /// is then fenced.
    pub(crate) async fn cancel_one(&self, id: &JobId, reason: Option<&str>) -> Result<Option<Cancelled>, StoreError> {
        let nonce = self.env().random.next_u64();
        for _ in 0..TRIES {
            let Some(item) = self.read_item(id.as_str()).await? else { return Ok(None) };
            let was = item.state();
            if was.is_final() || item.is_batch() {
                // The process that ended it may have died before it could start the jobs that wait.
                return Ok(Some(Cancelled {
                    state: was,
                    waited_for: None,
                    owner: item.owner_job(),
                    is_followed: item.is_followed() && was.is_final(),
                    counted: item.counted().filter(|_| was.is_final()),
                    woken: Vec::new(),
                    is_batch: !was.is_final(),
                }));
            }
            let now = self.env().now();
            let waited_for = item.time("d").filter(|due_at| was != JobState::Running && *due_at > now);
            let update = Update::new()
                .set("st", text(JobState::Cancelled.as_str()))
                .set("f", time(now))
                .set("ttl", expiry(now, Retention::default().cancelled))
                .set("z", number(nonce))
                .set_some("y", reason.map(text))
                .remove(&["af"]);
            let update = match was {
                JobState::Running => update.set(
                    "x",
                    item.history_and(item.running_attempt(now, AttemptOutcome::Cancelled, Attempt::cancelled(reason))),
                ),
                _ => update,
            };
            let update = match item.listing_key() {
                Some(listing_key) => listed(update, Some((&listing_key, Class::Cancelled))),
                None => update,
            };
            let (update, batch) = (held_to(update, &item), item.uncounted());
            let done = match self.write_end(id.as_str(), update, batch.as_ref(), JobState::Cancelled).await? {
                Written::Applied(now) => Some(now),
                Written::Refused(now) => now.filter(|now| now.number("z") == Some(nonce)),
            };
            if let Some(now) = done {
                let mut woken = Vec::new();
                for key in item.limits().iter().filter(|_| was == JobState::Running) {
                    woken.extend(self.free_place(key, id.as_str(), item.owner()).await);
                }
                if let Some(wait) = item.wait() {
                    self.stop_waiting(id.as_str(), &wait).await;
                }
                return Ok(Some(Cancelled {
                    state: JobState::Cancelled,
                    waited_for,
                    owner: item.owner_job(),
                    is_followed: now.is_followed(),
                    counted: now.counted(),
                    woken,
                    is_batch: false,
                }));
            }
        }
        Err(contended(id.as_str()))
    }
}
