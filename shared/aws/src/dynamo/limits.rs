//! Limits that jobs share.
//!
//! `LIMIT#key`, `#` is the state of a limit: who has a place, each with a lease of its own, and when the next job may begin.
//! Beside it is the line, an item for each job that waits for a place, sorted by the moment since when it waits, with the
//! handle of its message.
//!
//! A place is taken before the job is claimed and freed after the job is settled: so a running job always has it, and a
//! crash in between leaves it taken for no longer than the lease. A job joins the line first, and asks once more then; a
//! place is freed first, and then the line is read: so one of the two sees the other.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{
    JobState, Timestamp,
    backend::{Claim, ClaimRequest, LimitAnswer, LimitHolder, LimitRequest, LimitState, OnFull, RateState, StoreError},
};

use super::{
    Dynamo, TRIES, Written,
    claim::{Answer, Claimed, announced, foreign, held_to},
    contended, expiry,
    expression::Update,
    item::{Attributes, Item, number, text, time},
    keys::{RECORD, known_since, nanos},
};
use crate::sdk::explain;

/// The longest time for freeing a place and waking the next job.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
/// The number of tries at a limit that others change concurrently, and the longest pause before each.
const TURNS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the items of a limit are kept after they have lost their meaning.
const KEPT: Duration = Duration::from_secs(86_400);
/// The prefix of sort keys in the line.
const LINE: &str = "W#";
/// How many jobs of the line are read: for some of them a place is kept already.
const FIRST: i32 = 10;

/// A job that waits for a place, as its record says it.
pub(super) const WAITS: &str = "lm";

/// A job's wait for a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) key: String,
    /// Its place in the line.
    since: Timestamp,
    /// When it began to be hidden, and until when it is.
    hidden_at: Timestamp,
    pub(crate) until: Timestamp,
    /// Its turn, where a rate says that.
    turn: Option<Timestamp>,
}

/// The message of a job for which there is a place: to be made visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Woken {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) handle: String,
}

impl Wait {
    fn to_value(&self) -> AttributeValue {
        let turn = self.turn.map(nanos).unwrap_or_default();
        let (since, at, until) = (nanos(self.since), nanos(self.hidden_at), nanos(self.until));
        text(format!("{since}#{at}#{until}#{turn}#{}", self.key))
    }

    pub(super) fn of(item: &Item) -> Option<Self> {
        let mut parts = item.text(WAITS)?.splitn(5, '#');
        let mut moment = || Some(super::keys::moment(parts.next()?.parse().ok()?));
        let (since, hidden_at, until, turn) = (moment()?, moment()?, moment()?, moment()?);
        let turn = Some(turn).filter(|turn| *turn > Timestamp::UNIX_EPOCH);
        Some(Self { key: parts.next()?.to_owned(), since, hidden_at, until, turn })
    }

    /// Whether it waits for a moment, and not for a place.
    pub(crate) fn has_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// The sort key in the line.
    fn place(&self, id: &str) -> String {
        format!("{LINE}{:019}#{id}", nanos(self.since).max(0))
    }
}

impl Item {
    /// The limit that its job waits for.
    pub(super) fn wait(&self) -> Option<Wait> {
        let waits = !self.state().is_final() && self.state() != JobState::Running;
        // What it waited for before its last attempt is over.
        Wait::of(self).filter(|wait| waits && self.time("b").is_none_or(|began| began < wait.hidden_at))
    }

    fn limit_state(&self) -> LimitState {
        let mut state = LimitState::default();
        let holders = self.0.get("h").and_then(|holders| holders.as_m().ok());
        for (id, holder) in holders.into_iter().flatten() {
            let Ok(holder) = holder.as_m() else { continue };
            let holder = Item(holder.clone());
            state.holders.insert(id.clone(), LimitHolder { owner: holder.number("o"), until: holder.lease_until() });
        }
        let moment = |name| self.number(name).unwrap_or_default();
        state.rate = RateState { full_at: moment("fa"), next: moment("nx"), interval: moment("iv") };
        state
    }
}

fn limit_key(key: &str) -> String {
    format!("LIMIT#{key}")
}

fn attributes(state: &LimitState) -> (AttributeValue, RateState) {
    let holder = |holder: &LimitHolder| {
        let mut attributes = Attributes::from([("l".to_owned(), time(holder.until))]);
        attributes.extend(holder.owner.map(|owner| ("o".to_owned(), number(owner))));
        AttributeValue::M(attributes)
    };
    let holders = state.holders.iter().map(|(id, it)| (id.clone(), holder(it)));
    (AttributeValue::M(holders.collect()), state.rate)
}

/// The state of a limit as it was read.
struct Known {
    state: LimitState,
    /// How many places it has; `None` where only a rate limits it.
    at_once: Option<u32>,
    version: Option<u64>,
}

/// The answer of one limit.
enum Taken {
    Ours,
    /// It had been kept for the job, which was woken.
    Kept,
    /// An attempt of the same job has its place: whether it still runs, its record knows.
    OwnJobs,
    Refused(LimitAnswer),
}

impl Dynamo {
    /// Claims a job that runs within limits.
    pub(super) async fn claim_within_limits(&self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let (mut taken, mut of_own, mut kept) = (Vec::new(), Vec::new(), None);
        for limit in &request.limits {
            match self.take_place(request, limit, false).await {
                Ok(Taken::Ours) => taken.push(limit),
                Ok(Taken::Kept) => {
                    taken.push(limit);
                    kept = Some(limit);
                }
                Ok(Taken::OwnJobs) => of_own.push(limit),
                Ok(Taken::Refused(answer)) => {
                    let woken = self.give_up(request, &taken).await;
                    let mut claimed = self.has_to_wait(request, limit, answer).await?;
                    claimed.woken.extend(woken);
                    return Ok(claimed);
                }
                Err(error) => {
                    self.give_up(request, &taken).await;
                    return Err(error);
                }
            }
        }
        let mut claimed = match self.claim_job(request).await {
            Ok(claimed) if matches!(claimed.claim, Claim::Run { .. }) => claimed,
            refused => {
                let woken = self.give_up(request, &taken).await;
                return refused.map(|claimed| Claimed { woken, ..claimed });
            }
        };
        for limit in of_own {
            self.take_place(request, limit, true).await?;
        }
        let waited = claimed.wait.take();
        if let Some(wait) = waited.as_ref().filter(|wait| kept.is_none_or(|limit| limit.key != wait.key)) {
            // It has come by itself.
            if wait.turn.is_none() {
                self.leave_line(request.id.as_str(), wait).await;
            }
        }
        // More than one place may have become free: a limit was raised, or hosts have died.
        if let Some(limit) = kept
            .or_else(|| request.limits.iter().find(|limit| waited.as_ref().is_some_and(|wait| wait.key == limit.key)))
        {
            claimed.woken.extend(self.wake_another(limit).await);
        }
        Ok(claimed)
    }

    /// Frees the places that were taken for a job that does not run now.
    async fn give_up(&self, request: &ClaimRequest, taken: &[&LimitRequest]) -> Vec<Woken> {
        let mut woken = Vec::new();
        for limit in taken {
            woken.extend(self.free_place(&limit.key, request.id.as_str(), request.owner).await);
        }
        woken
    }

    /// Takes a place, `from` another attempt of the same job if there is one.
    async fn take_place(&self, request: &ClaimRequest, limit: &LimitRequest, from: bool) -> Result<Taken, StoreError> {
        let id = request.id.as_str();
        let mut turn = None;
        for _ in 0..TURNS {
            let now = self.env().now();
            let Known { mut state, version, .. } = self.read_limit(&limit.key).await?;
            let is_kept = matches!(state.holders.get(id), Some(LimitHolder { owner: None, until }) if *until > now);
            match state.holders.get(id).copied() {
                // The answer to an earlier try was lost.
                Some(LimitHolder { owner: Some(owner), .. }) if owner == request.owner => return Ok(Taken::Ours),
                Some(LimitHolder { owner: Some(_), until }) if until > now && !from => return Ok(Taken::OwnJobs),
                _ => {}
            }
            if limit.rate.is_some() && state.rate.next > nanos(now) && turn.is_none() {
                let item = self.read_item(id).await?;
                turn =
                    item.as_ref().and_then(Item::wait).filter(|wait| wait.key == limit.key).and_then(|wait| wait.turn);
            }
            let before = state.rate;
            let answer = state.admit(limit, id, now, turn);
            match answer {
                LimitAnswer::Free if limit.at_once.is_some() => state.hold(id, request.owner, request.lease_until),
                LimitAnswer::Free => {}
                refused if state.rate == before => return Ok(Taken::Refused(refused)),
                _ => {}
            }
            if self.write_limit(&limit.key, &state, limit.at_once, version).await? {
                return Ok(match answer {
                    LimitAnswer::Free if is_kept => Taken::Kept,
                    LimitAnswer::Free => Taken::Ours,
                    refused => Taken::Refused(refused),
                });
            }
            self.pause().await;
        }
        let now = self.env().now();
        Ok(Taken::Refused(LimitAnswer::Later(now.saturating_add(LimitState::ASK_AGAIN).unwrap_or(now))))
    }

    async fn read_limit(&self, key: &str) -> Result<Known, StoreError> {
        let doing = || format!("read the limit {key:?} in table {}", self.table());
        let item = self.read_at(&limit_key(key), RECORD, doing).await?;
        let number = |name| item.as_ref().and_then(|item| item.number(name));
        let (version, at_once) = (number("v"), number("m").and_then(|places| u32::try_from(places).ok()));
        Ok(Known { state: item.map(|item| item.limit_state()).unwrap_or_default(), at_once, version })
    }

    /// Writes the state of a limit, and returns whether it was still as it was read.
    async fn write_limit(
        &self,
        key: &str,
        state: &LimitState,
        at_once: Option<u32>,
        version: Option<u64>,
    ) -> Result<bool, StoreError> {
        let (holders, RateState { full_at, next, interval }) = attributes(state);
        let last = state.holders.values().map(|holder| nanos(holder.until)).chain([full_at, next]).max();
        let update = Update::new()
            .set("h", holders)
            .set("v", number(version.unwrap_or_default().wrapping_add(1)))
            .set("ttl", expiry(super::keys::moment(last.unwrap_or_default()), KEPT));
        let update = update.set_some("m", at_once.map(number));
        let update = match interval {
            0 => update,
            _ => update.set("fa", number(full_at)).set("nx", number(next)).set("iv", number(interval)),
        };
        let update = match version {
            Some(version) => update.when("#v = :last").value("last", number(version)),
            None => update.when("attribute_not_exists(#v)"),
        };
        match self
            .update_at(&limit_key(key), update, || format!("take a place in {key:?} in table {}", self.table()))
            .await?
        {
            Written::Applied(_) => Ok(true),
            Written::Refused(_) => Ok(false),
        }
    }

    /// The answer to a claim that a limit has refused.
    async fn has_to_wait(
        &self,
        request: &ClaimRequest,
        limit: &LimitRequest,
        answer: LimitAnswer,
    ) -> Result<Claimed, StoreError> {
        let now = self.env().now();
        let item = self.read_item(request.id.as_str()).await?;
        let begun = match &item {
            Some(item) if foreign(item, request).is_some() => {
                return Ok(Claimed::alone(Claim::Foreign(item.owner_job())));
            }
            Some(item) if item.state().is_final() => return Ok(Claimed::of(Claim::Ended(item.state()), item)),
            Some(item) if item.state() == JobState::Running && item.lease_until() > now => {
                return Ok(Claimed::alone(Claim::Busy(item.lease_until())));
            }
            Some(item) => item.state() == JobState::Running || !item.has_not_begun(),
            None => false,
        };
        if let OnFull::Cancel { reason } = &limit.on_full
            && !begun
        {
            return self.cancel_unbegun(request, reason, Answer::Skipped).await;
        }
        let known = item.as_ref().and_then(Wait::of).filter(|wait| wait.key == limit.key);
        let due = item.as_ref().and_then(|item| item.time("d"));
        let since = known.map_or_else(|| due.unwrap_or_else(|| known_since(&request.message, now)), |wait| wait.since);
        let turn = match answer {
            LimitAnswer::Later(turn) => Some(turn),
            LimitAnswer::Full(_) | LimitAnswer::Free => None,
        };
        let until = LimitState::hidden_until(answer, since, now, self.env().random.unit());
        let wait = Wait { key: limit.key.clone(), since: since.min(now), hidden_at: now, until, turn };
        if turn.is_some() {
            self.note_wait(request, &wait).await?;
        }
        let asks_again = now.saturating_add(LimitState::ASK_AGAIN).unwrap_or(now).min(until);
        let claim = Claim::Limited { until: asks_again, is_hidden: false };
        Ok(Claimed { wait: Some(wait), ..Claimed::alone(claim) })
    }

    /// Puts a job, whose message is hidden, into the line, with the handle by which the message is made visible.
    pub(crate) async fn join_line(&self, request: &ClaimRequest, wait: &Wait, handle: &str) -> Result<(), StoreError> {
        let id = request.id.as_str();
        let put = self.client().await?.put_item().table_name(self.table());
        let put = put.item("pk", text(limit_key(&wait.key))).item("sk", text(wait.place(id)));
        let put = put.item("id", text(id)).item("q", text(&*request.queue)).item("rh", text(handle));
        let sent = put.item("ttl", expiry(wait.until, KEPT)).send().await;
        sent.map_err(|error| explain(&error, &format!("join the line of {:?} in table {}", wait.key, self.table())))?;
        self.note_wait(request, wait).await
    }

    /// Writes to a job's record for what it waits. A job without one gets it: without its turn, it would go to the end of the
    /// line each time it asks.
    async fn note_wait(&self, request: &ClaimRequest, wait: &Wait) -> Result<(), StoreError> {
        let id = request.id.as_str();
        for _ in 0..TRIES {
            let item = self.read_item(id).await?;
            let update = match &item {
                Some(item) if item.state().is_final() => return Ok(()),
                Some(item) if item.state() == JobState::Running && item.lease_until() > wait.hidden_at => return Ok(()),
                Some(item) => held_to(Update::new(), item),
                None => announced(request, wait.hidden_at),
            };
            let update = update.set(WAITS, wait.to_value()).set("z", number(self.env().random.next_u64()));
            if let Written::Applied(_) = self.update(id, update).await? {
                return Ok(());
            }
        }
        Err(contended(id))
    }

    /// Takes a job out of its line that was cancelled.
    pub(super) async fn stop_waiting(&self, id: &str, wait: &Wait) {
        match wait.turn {
            Some(_) => self.give_turn_back(&wait.key).await,
            None => self.leave_line(id, wait).await,
        }
    }

    /// Deletes a job's place in a line. One that stays does no harm: a place in the limit is kept for the job once, for a
    /// moment.
    async fn leave_line(&self, id: &str, wait: &Wait) {
        let place = wait.place(id);
        let leave = self.delete_place(&wait.key, &place);
        if let Ok(Err(error)) = tokio::time::timeout(RELEASE_LIMIT, leave).await {
            tracing::warn!(id, key = wait.key, %error, "its place in the line of a limit stays");
        }
    }

    async fn delete_place(&self, key: &str, place: &str) -> Result<(), StoreError> {
        let delete = self.client().await?.delete_item().table_name(self.table());
        let delete = delete.key("pk", text(limit_key(key))).key("sk", text(place));
        delete.send().await.map(|_| ()).map_err(|error| explain(&error, "leave a line"))
    }

    /// Takes back the turn of a job that waits no more.
    async fn give_turn_back(&self, key: &str) {
        let give_back = async {
            for _ in 0..TURNS {
                let Known { mut state, at_once, version } = self.read_limit(key).await?;
                state.rate.give_back();
                if version.is_none() || self.write_limit(key, &state, at_once, version).await? {
                    break;
                }
                self.pause().await;
            }
            Ok::<_, StoreError>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(RELEASE_LIMIT, give_back).await {
            tracing::warn!(key, %error, "the turn of a cancelled job stays unused");
        }
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE.mul_f64(self.env().random.unit())).await;
    }

    /// Extends the lease of a place, if that owner has it.
    pub(super) async fn renew_place(
        &self,
        key: &str,
        id: &str,
        owner: u64,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let update = Update::new()
            .set_path("#h.#id.#l = :until")
            .add("v", number(1))
            .set("ttl", expiry(until, KEPT))
            .when("#h.#id.#o = :owner")
            .name_of("id", id)
            .name("h")
            .name("l")
            .name("o")
            .value("until", time(until))
            .value("owner", number(owner));
        let doing = || format!("extend a place in {key:?} in table {}", self.table());
        if let Written::Refused(_) = self.update_at(&limit_key(key), update, doing).await? {
            // It has no place where only a rate limits it; or another job has it, since this one was silent for longer than
            // its lease, and has just renewed it.
            tracing::debug!(key, id, "no place in the limit to extend");
        }
        Ok(())
    }

    /// Frees a place, if that owner has it, and returns the jobs to be woken. If that takes too long, the place ends with its
    /// lease: writes that are done already are not delayed by it.
    pub(super) async fn free_place(&self, key: &str, id: &str, owner: u64) -> Option<Woken> {
        match tokio::time::timeout(RELEASE_LIMIT, self.free(key, id, owner)).await {
            Ok(Ok(woken)) => woken,
            Ok(Err(error)) => {
                tracing::warn!(key, id, %error, "its place in the limit stays taken until its lease ends");
                None
            }
            Err(_) => {
                tracing::warn!(
                    key,
                    id,
                    "its place in the limit stays taken until its lease ends: the table did not answer"
                );
                None
            }
        }
    }

    async fn free(&self, key: &str, id: &str, owner: u64) -> Result<Option<Woken>, StoreError> {
        let update = Update::new()
            .remove_path("#h.#id")
            .add("v", number(1))
            .when("#h.#id.#o = :owner")
            .name_of("id", id)
            .name("h")
            .name("o")
            .value("owner", number(owner));
        let doing = || format!("free a place in {key:?} in table {}", self.table());
        match self.update_at(&limit_key(key), update, doing).await? {
            Written::Applied(_) => self.wake_first(key).await,
            Written::Refused(_) => Ok(None),
        }
    }

    /// Wakes one more job, if a limit has another free place.
    async fn wake_another(&self, limit: &LimitRequest) -> Option<Woken> {
        let at_once = usize::try_from(limit.at_once?).unwrap_or(usize::MAX);
        let woken = async {
            let now = self.env().now();
            let Known { state, .. } = self.read_limit(&limit.key).await?;
            match state.holders.values().filter(|holder| holder.until > now).count() < at_once {
                true => self.wake_first(&limit.key).await,
                false => Ok(None),
            }
        };
        match tokio::time::timeout(RELEASE_LIMIT, woken).await {
            Ok(Ok(woken)) => woken,
            // The next one that ends wakes it.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Keeps a free place for the first in the line, and returns its message.
    async fn wake_first(&self, key: &str) -> Result<Option<Woken>, StoreError> {
        let doing = || format!("read the line of {key:?} in table {}", self.table());
        for _ in 0..TURNS {
            let (line, _) = self.read_page_at(&limit_key(key), (LINE, None), FIRST, doing).await?;
            if line.is_empty() {
                return Ok(None);
            }
            let now = self.env().now();
            let Known { mut state, at_once, version } = self.read_limit(key).await?;
            state.holders.retain(|_, holder| holder.until > now);
            // Another job has come between, and its end wakes the next. One place too many that is kept would block the others:
            // each of the two would see the place of the other one.
            if at_once.is_some_and(|places| state.holders.len() >= usize::try_from(places).unwrap_or(usize::MAX)) {
                return Ok(None);
            }
            let first = line.iter().find(|waits| !state.holders.contains_key(waits.text("id").unwrap_or_default()));
            let Some(first) = first else { return Ok(None) };
            let (id, place) = (first.text("id").unwrap_or_default(), first.text("sk").unwrap_or_default());
            state.keep(id, now);
            if !self.write_limit(key, &state, at_once, version).await? {
                // Another job has come first: the end of that one wakes the next.
                self.pause().await;
                continue;
            }
            if let Err(error) = self.delete_place(key, place).await {
                tracing::debug!(key, id, %error, "its place in the line stays");
            }
            return Ok(Some(Woken {
                id: id.to_owned(),
                queue: first.queue().to_owned(),
                handle: first.text("rh").unwrap_or_default().to_owned(),
            }));
        }
        Ok(None)
    }
}
