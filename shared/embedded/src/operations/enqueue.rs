//! Enqueueing jobs.

use std::sync::Arc;

use lamplighter::{
    EnqueueError, Enqueued, JobId, JobState, Unique,
    backend::{EnqueueRequest, Standing, UniqueConflict},
    message::SharedMessage,
};
use rusqlite::CachedStatement;

use super::{
    groups::NO_GROUP,
    insert::{Insert, NewRow, ROWS},
    relations,
    unique::{Holder, Wanted},
};
use crate::{
    db::{catalog::QueueRow, transaction::Transaction},
    state, time,
};

/// A message to be enqueued.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    id: JobId,
    queue: Arc<str>,
    message: SharedMessage,
    body: String,
    due_at: Option<i64>,
    group: Option<Arc<str>>,
    tracked: bool,
    unique: Option<Unique>,
}

impl Entry {
    /// Prepares what does not need the file: serializes the body, and checks that the moment can be stored.
    pub(crate) fn of(submission: EnqueueRequest) -> Result<Self, EnqueueError> {
        let EnqueueRequest { id, queue, message, due_at, group, tracking, unique, .. } = submission;
        let tracked = tracking.is_tracked();
        let due_at = match due_at {
            None => None,
            Some(moment) => Some(time::exactly(moment).ok_or_else(|| EnqueueError::Delay {
                job: message.job.clone(),
                due_at: moment,
                reason: format!("the last moment that can be stored is {}", time::moment(time::LAST)),
            })?),
        };
        let body = message.to_json();
        Ok(Self { id, queue, message, body, due_at, group, tracked, unique })
    }

    /// What its caller is told.
    pub(crate) fn told(self, answer: Answer) -> Result<Enqueued, EnqueueError> {
        answer.unwrap_or(Ok(Enqueued::New(self.id)))
    }

    /// Whether nothing but its id decides if it is enqueued, and when it runs.
    fn is_plain(&self) -> bool {
        self.unique.is_none() && self.message.after.is_empty()
    }

    const fn state(&self, due_at: Option<i64>) -> i64 {
        match (self.tracked, due_at) {
            (false, _) => state::UNTRACKED,
            (true, None) => state::QUEUED,
            (true, Some(_)) => state::SCHEDULED,
        }
    }
}

/// The answer to an entry: `None` for one of many that are plain and new.
pub(crate) type Answer = Option<Result<Enqueued, EnqueueError>>;

/// Enqueues messages. The answers are in their order.
pub(crate) fn enqueue(tx: &mut Transaction<'_>, entries: &[Entry]) -> rusqlite::Result<Vec<Answer>> {
    all(tx, None, entries)
}

/// Enqueues the jobs of a batch, which [nothing refuses](refusal).
pub(super) fn enqueue_in(tx: &mut Transaction<'_>, entries: &[Entry], batch: i64) -> rusqlite::Result<()> {
    match all(tx, Some(batch), entries)?.iter().all(|answer| matches!(answer, None | Some(Ok(Enqueued::New(_))))) {
        true => Ok(()),
        // An id that was drawn twice. The transaction fails, and nothing is written.
        false => Err(rusqlite::Error::StatementChangedRows(0)),
    }
}

/// Returns why one of these new jobs cannot be enqueued, if that is so.
pub(super) fn refusal<'a>(
    tx: &mut Transaction<'_>,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> rusqlite::Result<Option<EnqueueError>> {
    for entry in entries {
        if entry.due_at.is_some_and(|due_at| due_at > tx.now) && tx.queue(&entry.queue)?.fifo {
            return Ok(Some(cannot_be_delayed(entry)));
        }
    }
    Ok(None)
}

fn cannot_be_delayed(entry: &Entry) -> EnqueueError {
    EnqueueError::Refused {
        job: entry.message.job.clone(),
        reason: format!(
            "{} is a FIFO queue, and a single message there has no delay of its own (Amazon SQS has none); use a standard \
             queue, or a schedule",
            entry.queue
        ),
    }
}

fn all<'t>(tx: &mut Transaction<'t>, batch: Option<i64>, entries: &[Entry]) -> rusqlite::Result<Vec<Answer>> {
    let members = match batch {
        Some(batch) => Some((tx.prepare(super::batches::JOIN)?, batch)),
        None => None,
    };
    let mut enqueue = Enqueue { insert: Insert::new(tx)?, members };
    let mut last: Option<Target<'_>> = None;
    let mut answers = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while let Some(entry) = rest.first() {
        let target = match last.take() {
            Some(target) if target.fits(entry) => target,
            _ => Target::of(tx, entry)?,
        };
        let are_plain = |entry: &&Entry| entry.is_plain() && target.fits(entry);
        let plain = if target.queue.fifo { 0 } else { rest.iter().take(ROWS).take_while(are_plain).count() };
        let (these, others) = rest.split_at(plain.max(1));
        rest = others;
        if plain == ROWS {
            enqueue.many(tx, &target, these, &mut answers)?;
        } else {
            for entry in these {
                answers.push(Some(enqueue.one(tx, &target, entry)?));
            }
        }
        last = Some(target);
    }
    Ok(answers)
}

struct Enqueue<'t> {
    insert: Insert<'t>,
    /// The batch that all of them are jobs of.
    members: Option<(CachedStatement<'t>, i64)>,
}

/// The destination of an entry; consecutive entries mostly share it.
struct Target<'a> {
    queue_name: &'a str,
    job: &'a str,
    queue: QueueRow,
    kind: i64,
}

impl<'a> Target<'a> {
    fn of(tx: &mut Transaction<'_>, entry: &'a Entry) -> rusqlite::Result<Self> {
        let queue = tx.queue(&entry.queue)?;
        let kind = tx.kind(queue.id, &entry.message.job)?;
        Ok(Self { queue_name: &entry.queue, job: &entry.message.job, queue, kind })
    }

    fn row<'e>(&self, seq: i64, entry: &'e Entry, state: i64, due_at: i64) -> NewRow<'e> {
        NewRow {
            seq,
            id: entry.id.as_str(),
            queue: self.queue.id,
            kind: self.kind,
            state,
            visible_at: Some(due_at),
            due_at,
            group: entry.group.as_deref(),
            place: None,
            body: &entry.body,
        }
    }

    fn fits(&self, entry: &Entry) -> bool {
        self.queue_name == &*entry.queue && self.job == entry.message.job
    }
}

impl<'t> Enqueue<'t> {
    /// Enqueues [`ROWS`] [plain](Entry::is_plain) entries for this target, which is not a FIFO queue.
    fn many(
        &mut self,
        tx: &mut Transaction<'t>,
        target: &Target<'_>,
        entries: &[Entry],
        answers: &mut Vec<Answer>,
    ) -> rusqlite::Result<()> {
        let now = tx.now;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let due_at = entry.due_at.filter(|due| *due > now);
            let (state, due_at) = (entry.state(due_at), due_at.unwrap_or(now));
            rows.push(target.row(tx.next()?, entry, state, due_at));
        }
        let inserted = self.insert.many(tx, &rows)?;
        for (entry, row) in entries.iter().zip(&rows) {
            if inserted.as_ref().is_some_and(|inserted| inserted.binary_search(&row.seq).is_err()) {
                answers.push(Some(duplicate(tx, entry)?));
            } else {
                self.is_inserted(tx, entry, row)?;
                answers.push(None);
            }
        }
        Ok(())
    }

    fn is_inserted(&mut self, tx: &mut Transaction<'t>, entry: &Entry, row: &NewRow<'_>) -> rusqlite::Result<()> {
        if let Some((members, batch)) = &mut self.members {
            members.execute([row.seq, *batch])?;
        }
        if entry.tracked {
            tx.add_to_block(row.kind, row.seq)?;
        }
        tx.enters(row.kind, row.state);
        tx.effects.queue(row.queue);
        tx.effects.job(row.id);
        Ok(())
    }

    fn one(
        &mut self,
        tx: &mut Transaction<'t>,
        target: &Target<'_>,
        entry: &Entry,
    ) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
        let now = tx.now;
        let due_at = entry.due_at.filter(|due| *due > now);
        let state = entry.state(due_at);
        let standing = match &*entry.message.after {
            [] => Standing::Met,
            after => tx.standing(after)?,
        };
        let wanted = entry.unique.as_ref().map(|unique| Wanted { kind: target.kind, unique });
        let may_be_refused = wanted.is_some() || matches!(standing, Standing::Unknown(_));
        // A job that is known already is a duplicate, whatever would be wrong with a new one.
        if may_be_refused && tx.row_of(entry.id.as_str())?.is_some() {
            return duplicate(tx, entry);
        }
        if let Standing::Unknown(other) = &standing {
            let reason = format!("there is no record of job {other}, which it is to wait for");
            return Ok(Err(EnqueueError::Refused { job: entry.message.job.clone(), reason }));
        }
        if let Some(wanted) = &wanted
            && let Some(holder) = tx.holder(wanted)?
        {
            return taken(tx, target, entry, wanted, holder);
        }
        let due = due_at.unwrap_or(now);
        let mut row = target.row(tx.next()?, entry, state, due);
        if target.queue.fifo {
            if due_at.is_some() {
                tx.unused();
                return Ok(Err(cannot_be_delayed(entry)));
            }
            let name = row.group.unwrap_or(NO_GROUP);
            row.visible_at = Some(tx.join_group(target.queue.id, name, now)?);
            (row.group, row.place) = (Some(name), Some(row.seq));
        }
        if !matches!(standing, Standing::Met) {
            (row.visible_at, row.place, row.state) = (None, None, state::WAITING);
        }
        if !self.insert.one(tx, &row)? {
            tx.unused();
            return duplicate(tx, entry);
        }
        self.is_inserted(tx, entry, &row)?;
        if let Some(wanted) = &wanted {
            tx.take_key(wanted, row.id)?;
        }
        match standing {
            Standing::Open(open) => tx.wait(row.seq, &open)?,
            Standing::Unmet(reason) => {
                if let Some(row) = tx.row(row.seq)? {
                    relations::cancel(tx, &row, &reason)?;
                }
            }
            Standing::Met | Standing::Unknown(_) => {}
        }
        Ok(Ok(Enqueued::New(entry.id.clone())))
    }
}

/// Returns the answer where another job has the unique key, which may get what this one brings.
fn taken(
    tx: &mut Transaction<'_>,
    target: &Target<'_>,
    entry: &Entry,
    wanted: &Wanted<'_>,
    holder: Holder,
) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
    let Holder { id, row, state } = holder;
    match (wanted.unique.on_conflict, row) {
        (UniqueConflict::Error, _) => {
            let (job, key) = (entry.message.job.clone(), wanted.unique.key.clone());
            return Ok(Err(EnqueueError::NotUnique { job, key, existing: id }));
        }
        (UniqueConflict::Replace, Some(row)) => {
            let due_at = entry.due_at.filter(|due| *due > tx.now);
            if due_at.is_some() && target.queue.fifo {
                return Ok(Err(cannot_be_delayed(entry)));
            }
            if tx.replace(&row, &entry.message, due_at)? {
                tx.take_key(wanted, id.as_str())?;
                return Ok(Ok(Enqueued::Replaced(id)));
            }
        }
        _ => {}
    }
    Ok(Ok(Enqueued::Existing(id, state)))
}

/// Returns the answer where a job with that id exists: this job, or another.
fn duplicate(tx: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
    let Some(row) = tx.row_of(entry.id.as_str())? else {
        return Ok(Ok(Enqueued::Duplicate(entry.id.clone(), JobState::Queued)));
    };
    let owner = tx.owner_of(&row)?;
    if !owner.is(&entry.message.job, &entry.queue) {
        let (job, queue) = (entry.message.job.clone(), entry.queue.to_string());
        return Ok(Err(EnqueueError::IdTaken { job, queue, id: entry.id.clone(), owner }));
    }
    let state = match state::of(row.state) {
        Some(state) => state,
        None if row.due_at > tx.now => JobState::Scheduled,
        None => JobState::Queued,
    };
    Ok(Ok(Enqueued::Duplicate(entry.id.clone(), state)))
}

/// Adds a body to a queue unchanged, as a sender in any language would. `id` is the message's id.
pub(crate) fn inject(
    tx: &mut Transaction<'_>,
    queue: &str,
    id: &str,
    body: &str,
    group: Option<&str>,
) -> rusqlite::Result<()> {
    let queue = tx.queue(queue)?;
    let kind = tx.kind(queue.id, "")?;
    let (seq, now) = (tx.next()?, tx.now);
    let (mut group, mut place, mut visible_at) = (group, None, now);
    if queue.fifo {
        let name = group.unwrap_or(NO_GROUP);
        visible_at = tx.join_group(queue.id, name, now)?;
        (group, place) = (Some(name), Some(seq));
    }
    let row = NewRow {
        seq,
        id,
        queue: queue.id,
        kind,
        state: state::UNTRACKED,
        visible_at: Some(visible_at),
        due_at: now,
        group,
        place,
        body,
    };
    Insert::new(tx)?.one(tx, &row)?;
    tx.effects.queue(queue.id);
    Ok(())
}
