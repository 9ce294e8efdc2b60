//! Jobs that wait for others to end.
//!
//! A job that waits has the state `waiting` and the ids of the jobs that it waits for in the set `af`. Beside the record
//! of each of those is an edge, under the sort key `AFTER#` and the id of the job that waits, and the record itself has
//! the mark `ch`. All of these are written in one transaction, on the condition that none of the others has ended.
//!
//! The process that ends a job with the mark follows its edges, a page at a time: takes the job out of each set, puts jobs whose
//! set is empty on their queues, cancels those that have waited for another outcome, and notes in the mark how far it came;
//! at last it removes the mark. Each step may be done twice, and a crash in the middle leaves the mark: the message of the
//! ended job comes again then, or maintenance finds the jobs that wait.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{
    After, JobId, JobState, Retention, Timestamp, Tracking,
    backend::{EnqueueRequest, Standing, StoreError, StoreErrorKind, UniqueConflict},
    message::Outcome,
};

use super::{
    Dynamo, Written,
    claim::held_to,
    contended, each, expiry,
    expression::Update,
    insert::Inserted,
    item::{Attributes, Item, text, time},
    keys::{self, Class, RECORD},
    listed,
    transaction::Transacted,
    unique::{Holder, Replaced},
};

/// The prefix of the sort keys of edges.
const EDGE: &str = "AFTER#";
/// The number of tries to write a job beside others that are written at the same time.
const WRITES: usize = 20;
/// How long an edge is kept. After that, maintenance finds the job that waits.
pub(super) const EDGE_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The set of jobs that a job waits for.
pub(super) const AFTER: &str = "af";
/// The mark of a job that others wait for.
pub(super) const FOLLOWED: &str = "ch";
/// Edges of one page.
const PAGE: i32 = 100;

/// The result of registering a job that is to wait, or to be unique.
pub(crate) enum Registered {
    /// It waits, is cancelled already, or existed before: there is nothing to send.
    Done(Inserted),
    /// The jobs that it was to wait for have ended as they must: it is an ordinary job.
    Ready,
    /// Its record is written, with this nonce, and it is to be sent.
    Go(u64),
    /// This job has its unique key.
    Taken(JobId, Option<JobState>),
    /// This job has its unique key, and was given its arguments and its time.
    Replaced(JobId, Replaced),
    /// There is no record of this job, which it is to wait for.
    Unknown(JobId),
}

impl Item {
    /// Whether other jobs wait for this one.
    pub(super) fn is_followed(&self) -> bool {
        self.0.contains_key(FOLLOWED)
    }

    /// Whether it has waited for others, which have ended, and has not begun: its message may not have been sent.
    fn is_ready(&self) -> bool {
        let is_sent = matches!(self.state(), JobState::Queued | JobState::Scheduled);
        is_sent && self.has_not_begun() && self.0.contains_key("r")
    }

    /// The ids of the jobs that it waits for.
    pub(super) fn waits_for(&self) -> Vec<String> {
        self.0.get(AFTER).and_then(|set| set.as_ss().ok()).cloned().unwrap_or_default()
    }
}

impl Dynamo {
    /// Registers a job that is to wait for others, or to be unique.
    pub(crate) async fn register(&self, submission: &EnqueueRequest) -> Result<Registered, StoreError> {
        for _ in 0..WRITES {
            let mut seen = None;
            if let Some(unique) = &submission.unique {
                match self.holder(submission, unique).await? {
                    Holder::Free(nonce) => seen = nonce,
                    Holder::Taken(other, item, nonce) => {
                        let state = item.as_deref().map(Item::state);
                        let taken = self.refused(submission, Registered::Taken(other.clone(), state)).await?;
                        let replaces = unique.on_conflict == UniqueConflict::Replace;
                        let item = item.filter(|item| replaces && item.waits());
                        let (Registered::Taken(..), Some(item)) = (&taken, item) else { return Ok(taken) };
                        match self.replace(submission, unique, (&other, &item, nonce)).await? {
                            Some(replaced) => return Ok(Registered::Replaced(other, replaced)),
                            // It has just begun, or changed in another way.
                            None => continue,
                        }
                    }
                }
            }
            let (state, open) = match self.standing(&submission.message.after).await? {
                Standing::Met if submission.unique.is_none() => return Ok(Registered::Ready),
                Standing::Met if submission.due_at.is_some() => (JobState::Scheduled, Vec::new()),
                Standing::Met => (JobState::Queued, Vec::new()),
                Standing::Unknown(other) => {
                    return self.refused(submission, Registered::Unknown(other.clone())).await;
                }
                Standing::Open(open) => (JobState::Waiting, open),
                Standing::Unmet(reason) => {
                    let inserted = self.insert_cancelled(submission, &reason).await?;
                    return Ok(Registered::Done(inserted));
                }
            };
            // Without an answer, one of the others has just ended, or another job has taken the key.
            match self.write_together(submission, state, &open, seen).await? {
                Some(Inserted::New(nonce)) if state != JobState::Waiting => return Ok(Registered::Go(nonce)),
                Some(inserted) => return Ok(Registered::Done(inserted)),
                None => {}
            }
        }
        Err(contended(submission.id.as_str()))
    }

    async fn standing<'a>(&self, after: &'a [After]) -> Result<Standing<'a>, StoreError> {
        let ids: Vec<_> = after.iter().map(|after| after.id.as_str()).collect();
        let items = self.read_items(&ids, None).await?;
        let states: HashMap<_, _> = items.iter().map(|item| (item.id(), item.state())).collect();
        Standing::of(after, |id| Ok(states.get(id.as_str()).copied()))
    }

    /// The answer for a job that cannot be registered: a job that is known already is a duplicate, whatever would be wrong
    /// with a new one.
    async fn refused(&self, submission: &EnqueueRequest, otherwise: Registered) -> Result<Registered, StoreError> {
        let existing = self.read_item(submission.id.as_str()).await?;
        Ok(match existing.map(|item| Inserted::existing(&item, submission)) {
            None => otherwise,
            Some(Inserted::New(nonce)) => Registered::Go(nonce),
            Some(inserted) => Registered::Done(inserted),
        })
    }

    /// Writes a job's record, the edges to the jobs that it waits for, and its unique key. `None`: one of the others has
    /// ended meanwhile, or the key is not as it was `seen`.
    async fn write_together(
        &self,
        submission: &EnqueueRequest,
        state: JobState,
        open: &[&After],
        seen: Option<u64>,
    ) -> Result<Option<Inserted>, StoreError> {
        let id = &submission.id;
        let now = self.env().now();
        let nonce = submission.nonce.unwrap_or_else(|| self.env().random.next_u64());
        let mut record = self.prepare(submission, state, nonce).await?;
        if !open.is_empty() {
            record.insert(AFTER.into(), AttributeValue::Ss(open.iter().map(|after| after.id.to_string()).collect()));
        }
        let mut writes = vec![self.put_new_in_transaction(record)?];
        if let Some(unique) = &submission.unique {
            writes.push(self.take_key(submission, unique, id, (seen, nonce))?);
        }
        for after in open {
            let update = Update::new()
                .set(FOLLOWED, AttributeValue::Bool(true))
                .when("attribute_exists(#pk) AND NOT #st IN (:succeeded, :failed, :cancelled)")
                .name("pk")
                .name("st")
                .value("succeeded", text(JobState::Succeeded.as_str()))
                .value("failed", text(JobState::Failed.as_str()))
                .value("cancelled", text(JobState::Cancelled.as_str()));
            writes.push(self.part_of_transaction(&keys::job_key(after.id.as_str()), RECORD, update)?);
            let edge = edge(&after.id, id, after.on, expiry(submission.due_at.unwrap_or(now).max(now), EDGE_KEPT));
            writes.push(self.put_in_transaction(edge)?);
        }
        match self.transact(writes, || self.doing("write", id.as_str())).await? {
            Transacted::Done => Ok(Some(Inserted::New(nonce))),
            Transacted::Refused(0, _) => {
                let existing = self.read_item(id.as_str()).await?;
                Ok(existing.map(|item| Inserted::existing(&item, submission)))
            }
            Transacted::Refused(..) => Ok(None),
        }
    }

    /// Follows the next edges of jobs that have ended, and of those that are cancelled by it. Returns the jobs to be sent,
    /// which must be sent before the next call; `None` at the end.
    pub(crate) async fn next_ready(
        &self,
        following: &mut Following,
    ) -> Result<Option<Vec<EnqueueRequest>>, StoreError> {
        let Some((parent, state)) = following.ended.front().cloned() else { return Ok(None) };
        match following.place.take() {
            Some(Place::After(edge)) => {
                self.mark(&parent, Some(&edge)).await?;
                following.from = Some(edge);
            }
            Some(Place::End) => {
                self.mark(&parent, None).await?;
                following.ended.pop_front();
                following.from = None;
                return Ok(Some(Vec::new()));
            }
            // Where an earlier walk has ended.
            None => {
                let item = self.read_item(&parent).await?;
                following.from = item.and_then(|item| item.text(FOLLOWED).map(str::to_owned));
            }
        }
        let (edges, goes_on) = self.edges(&parent, following.from.as_deref()).await?;
        let last = edges.last().and_then(|edge| edge.text("sk")).map(str::to_owned);
        let met = edges.iter().map(|edge| self.follow_edge(edge, &parent, state));
        let mut ready = Vec::new();
        for step in each(met.collect()).await {
            match step? {
                Step::Ready(request) => ready.push(*request),
                Step::Cancelled(child) => following.ended.push_back((child, JobState::Cancelled)),
                Step::Nothing => {}
            }
        }
        following.place = match last {
            Some(last) if goes_on => Some(Place::After(last)),
            _ => Some(Place::End),
        };
        Ok(Some(ready))
    }

    /// A page of the edges beside a job's record, and whether there may be more.
    pub(super) async fn edges(&self, parent: &str, from: Option<&str>) -> Result<(Vec<Item>, bool), StoreError> {
        let doing = || self.doing("read beside", parent);
        self.read_page_at(&keys::job_key(parent), (EDGE, from), PAGE, doing).await
    }

    /// The job at the other end of an edge.
    pub(super) fn child_of(edge: &Item) -> Option<&str> {
        edge.text("sk").and_then(|sk| sk.strip_prefix(EDGE))
    }

    async fn follow_edge(&self, edge: &Item, parent: &str, state: JobState) -> Result<Step, StoreError> {
        let Some(child) = Self::child_of(edge) else { return Ok(Step::Nothing) };
        if edge.text("on").and_then(Outcome::named).unwrap_or(Outcome::End).is_met_by(state) {
            return Ok(self
                .has_met(child, parent)
                .await?
                .map_or(Step::Nothing, |request| Step::Ready(Box::new(request))));
        }
        let is_followed = self.waited_in_vain(child, &After::unmet(parent, state)).await?;
        Ok(if is_followed { Step::Cancelled(child.to_owned()) } else { Step::Nothing })
    }

    /// Takes a job out of the set of another one, and returns that one if the set is empty now; or if it was before, and the
    /// walk that found it so may have been cut off before it could send it. A job that is sent twice runs once.
    pub(super) async fn has_met(&self, child: &str, parent: &str) -> Result<Option<EnqueueRequest>, StoreError> {
        let waits = Update::new().when("#st = :waiting").name("st").value("waiting", text(JobState::Waiting.as_str()));
        let met = waits.clone().delete(AFTER, AttributeValue::Ss(vec![parent.to_owned()]));
        let item = match self.update(child, met).await? {
            Written::Applied(item) => item,
            Written::Refused(Some(item)) if item.is_ready() => {
                let now = self.env().now();
                let due_at = item.time("d").filter(|due_at| *due_at > now);
                return self.request_of(child, &item, due_at).await;
            }
            Written::Refused(_) => return Ok(None),
        };
        if !item.waits_for().is_empty() {
            return Ok(None);
        }
        let mut item = item;
        let due_at = loop {
            let now = self.env().now();
            let due_at = item.time("d").filter(|due_at| *due_at > now);
            let state = if due_at.is_some() { JobState::Scheduled } else { JobState::Queued };
            let update = waits.clone().set("st", text(state.as_str())).set("d", time(due_at.unwrap_or(now)));
            let class = item.listing_key();
            let update = listed(update.set("r", time(now)), class.as_ref().map(|key| (key, Class::of(state))));
            match self.update(child, held_to(update, &item)).await? {
                Written::Applied(now) => {
                    item = now;
                    break due_at;
                }
                // It has just been given another time.
                Written::Refused(Some(now)) if now.state() == JobState::Waiting => item = now,
                Written::Refused(_) => return Ok(None),
            }
        };
        self.request_of(child, &item, due_at).await
    }

    /// The request to send a job that waits for no others any more.
    async fn request_of(
        &self,
        child: &str,
        item: &Item,
        due_at: Option<Timestamp>,
    ) -> Result<Option<EnqueueRequest>, StoreError> {
        let id = JobId::new(child).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let Some(record) = self.read_record(&id).await? else { return Ok(None) };
        let tracking = if item.is_lean() { Tracking::Lean } else { Tracking::Full };
        let mut request = self.submission(&id, record.queue, record.message, item.text("g"), tracking);
        if due_at.is_some() {
            // What delays a message knows it by its job.
            request.id = id;
            request.due_at = due_at;
        }
        Ok(Some(request))
    }

    /// Cancels a job that has waited for another outcome, and returns whether others wait for it.
    async fn waited_in_vain(&self, child: &str, reason: &str) -> Result<bool, StoreError> {
        let Some(item) = self.read_item(child).await? else { return Ok(false) };
        if item.state() != JobState::Waiting {
            // It was cancelled before, perhaps by this very walk, which a crash has ended.
            return Ok(item.state() == JobState::Cancelled && item.is_followed());
        }
        let now = self.env().now();
        let update = Update::new()
            .set("st", text(JobState::Cancelled.as_str()))
            .set("f", time(now))
            .set("y", text(reason))
            .set("ttl", expiry(now, Retention::default().cancelled))
            .remove(&[AFTER])
            .when("#st = :waiting")
            .value("waiting", text(JobState::Waiting.as_str()));
        let key = item.listing_key();
        let update = listed(update, key.as_ref().map(|key| (key, Class::Cancelled)));
        match self.update(child, update).await? {
            Written::Applied(item) => Ok(item.is_followed()),
            Written::Refused(_) => Ok(false),
        }
    }

    /// Notes in the mark of a job how far its edges have been followed, or removes it.
    async fn mark(&self, parent: &str, edge: Option<&str>) -> Result<(), StoreError> {
        let update = Update::new().when("attribute_exists(#pk)").name("pk");
        let update = match edge {
            Some(edge) => update.set(FOLLOWED, text(edge)),
            None => update.remove(&[FOLLOWED]),
        };
        self.update(parent, update).await.map(drop)
    }

    /// Finds what is to be followed for a job that waits: the jobs that have ended without being followed. Returns the job
    /// itself, if it waits for nothing any more.
    pub(crate) async fn look_after(&self, id: &str) -> Result<(Following, Option<EnqueueRequest>), StoreError> {
        let mut following = Following::default();
        let item = self.read_item(id).await?.filter(|item| item.state() == JobState::Waiting);
        let Some(others) = item.map(|item| item.waits_for()) else { return Ok((following, None)) };
        if others.is_empty() {
            // A crash after the last of them.
            return Ok((following, self.has_met(id, "#").await?));
        }
        let ids: Vec<_> = others.iter().map(String::as_str).collect();
        let items = self.read_items(&ids, None).await?;
        for other in &others {
            match items.iter().find(|item| item.id() == other) {
                Some(item) if item.state().is_final() => following.ended.push_back((other.clone(), item.state())),
                Some(_) => {}
                // Its record has expired: how it ended is not known any more.
                None => {
                    let reason = format!("the record of job {other}, which it waited for, is gone");
                    if self.waited_in_vain(id, &reason).await? {
                        following.ended.push_back((id.to_owned(), JobState::Cancelled));
                    }
                }
            }
        }
        Ok((following, None))
    }
}

/// The item that leads from a job to one that waits for it.
pub(super) fn edge(parent: &JobId, child: &JobId, on: Outcome, ttl: AttributeValue) -> Attributes {
    Attributes::from([
        ("pk".into(), text(keys::job_key(parent.as_str()))),
        ("sk".into(), text(format!("{EDGE}{child}"))),
        ("on".into(), text(on.as_str())),
        ("ttl".into(), ttl),
    ])
}

/// A walk along the edges of jobs that have ended.
#[derive(Debug, Default)]
pub(crate) struct Following {
    ended: VecDeque<(String, JobState)>,
    /// The edge of the first of them from which the walk goes on.
    from: Option<String>,
    /// How far the last page reached.
    place: Option<Place>,
}

#[derive(Debug)]
enum Place {
    After(String),
    End,
}

/// The result of following an edge.
enum Step {
    Ready(Box<EnqueueRequest>),
    /// The job is cancelled, and others wait for it.
    Cancelled(String),
    Nothing,
}

impl Following {
    /// Begins at a job that has ended in this state.
    pub(crate) fn of(id: &str, state: JobState) -> Self {
        Self { ended: VecDeque::from([(id.to_owned(), state)]), ..Self::default() }
    }
}
