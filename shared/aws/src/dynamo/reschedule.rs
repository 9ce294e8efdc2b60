//! Giving jobs another time.
//!
//! The record decides when a job runs: a message that arrives before the record's time is hidden until then, and one that
//! arrives while the job runs, or after its end, changes nothing. So the record gets the new time, and then a message of
//! its own is sent for it; the former message, wherever it waits, is one too many from then on. A crash in between leaves
//! a job whose message comes at the former time, or that maintenance finds.
//!
//! A record that is `running` stays as it is, also where its attempt has ended and the settlement travels as a message: no
//! outcome is lost.

use lamplighter::{
    JobId, JobState, Timestamp, Tracking,
    backend::{EnqueueRequest, StoreError, StoreErrorKind},
};

use super::{
    Dynamo, MESSAGE_LIFE, PIECES_KEPT, TRIES, Written,
    claim::held_to,
    contended, expiry,
    expression::Update,
    item::{Item, number, text, time},
    keys::{Class, ListingKey},
    limits::WAITS,
    listed, pieces,
};

/// A job that was given another time.
pub(crate) struct Rescheduled {
    pub(crate) state: JobState,
    /// What is to be sent, and when the job was due before; `None` if nothing was changed.
    pub(crate) send: Option<(EnqueueRequest, Timestamp)>,
}

impl Rescheduled {
    const fn unchanged(state: JobState) -> Self {
        Self { state, send: None }
    }
}

impl Dynamo {
    /// Lets a job that is scheduled, queued or retrying run at `at` instead.
    pub(crate) async fn reschedule_one(
        &self,
        id: &JobId,
        at: Timestamp,
        is_fifo: impl Fn(&str) -> bool,
    ) -> Result<Option<Rescheduled>, StoreError> {
        let nonce = self.env().random.next_u64();
        for _ in 0..TRIES {
            let Some(item) = self.read_item(id.as_str()).await? else { return Ok(None) };
            let was = item.state();
            if !matches!(item.known_state(), Some(JobState::Scheduled | JobState::Queued | JobState::Retrying)) {
                return Ok(Some(Rescheduled::unchanged(was)));
            }
            let now = self.env().now();
            let was_due = item.time("d").unwrap_or(now);
            let is_due = was == JobState::Queued && was_due <= now && at <= now;
            let fifo = is_fifo(item.queue());
            // A message was sent with its last change. One that was sent for an earlier call may not have been.
            if is_due && (fifo || !item.0.contains_key("r")) {
                return Ok(Some(Rescheduled::unchanged(was)));
            }
            if fifo && (at > now || was != JobState::Scheduled) {
                return Err(ordered(id));
            }
            let Some(record) = self.read_record(id).await? else { return Ok(None) };
            let due_at = (at > now).then_some(at);
            let due = due_at.unwrap_or(now);
            let state = match (item.has_not_begun() && was != JobState::Retrying, due_at) {
                (false, _) => was,
                (true, Some(_)) => JobState::Scheduled,
                (true, None) => JobState::Queued,
            };
            let mut update = Update::new()
                .set("st", text(state.as_str()))
                .set("d", time(due))
                .set("r", time(now))
                .set("z", number(nonce))
                // It joins the line of a limit anew, when it is due.
                .remove(&[WAITS]);
            if item.pieces() > 0 && due > was_due {
                // Those that are there may expire before it is due.
                let body = record.message.to_json();
                self.write_pieces(id.as_str(), nonce, &body, pieces::kept(due, PIECES_KEPT)).await?;
                update = update.set("w", number(nonce));
            }
            if item.is_lean() {
                update = update.set("ttl", expiry(due, MESSAGE_LIFE));
            }
            let is_listed = !item.is_lean() || state != JobState::Queued;
            let key = is_listed.then(|| listing_key(&item, id));
            let update = listed(update, key.as_ref().map(|key| (key, Class::of(state))));
            let done = match self.update(id.as_str(), held_to(update, &item)).await? {
                Written::Applied(_) => true,
                Written::Refused(now) => now.is_some_and(|now| now.number("z") == Some(nonce)),
            };
            if !done {
                continue;
            }
            if let Some(wait) = item.wait() {
                self.stop_waiting(id.as_str(), &wait).await;
            }
            let tracking = if item.is_lean() { Tracking::Lean } else { Tracking::Full };
            let mut request = self.submission(id, record.queue, record.message, item.text("g"), tracking);
            (request.id, request.due_at) = (id.clone(), due_at);
            return Ok(Some(Rescheduled { state, send: Some((request, was_due)) }));
        }
        Err(contended(id.as_str()))
    }
}

fn listing_key(item: &Item, id: &JobId) -> ListingKey {
    item.listing_key().unwrap_or_else(|| {
        let created_at = item.time("c").unwrap_or(Timestamp::UNIX_EPOCH);
        ListingKey::new(created_at, id, item.queue(), item.job())
    })
}

fn ordered(id: &JobId) -> StoreError {
    let text = format_args!(
        "job {id} is on a FIFO queue, where its group would have to wait for it, or it to overtake its group: it stays as it \
         is; cancel it, and enqueue it again when it is to run"
    );
    StoreError::new(StoreErrorKind::Invalid, text)
}
