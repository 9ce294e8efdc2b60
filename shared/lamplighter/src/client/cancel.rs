//! Cancelling jobs: one, or all that match a query.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use futures_util::{StreamExt, stream};

use super::Client;
use crate::{
    id::JobId,
    ports::{ListQuery, StoreError},
    record::JobState,
};

/// Why a job is cancelled, and by whom. Both are for people: they are in the job's record, and in the error of an attempt
/// that was running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cancellation {
    reason: Option<String>,
    by: Option<String>,
}

impl Cancellation {
    /// The longest reason, and the longest name, in characters: the rest is cut.
    pub const MAX_CHARS: usize = 500;

    /// Without a reason.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a reason, such as `the customer has withdrawn the order`.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = bounded(reason.into());
        self
    }

    /// With the name of the person or the program that cancels it.
    #[must_use]
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = bounded(who.into());
        self
    }

    /// The text for the record, if anything was said: `the customer has withdrawn the order (by ada)`.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match (&self.reason, &self.by) {
            (Some(reason), Some(by)) => Some(format!("{reason} (by {by})")),
            (Some(reason), None) => Some(reason.clone()),
            (None, Some(by)) => Some(format!("by {by}")),
            (None, None) => None,
        }
    }
}

/// A text without what is around it, and not too long; `None` for nothing.
fn bounded(text: String) -> Option<String> {
    let text: String = text.trim().chars().take(Cancellation::MAX_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

/// A job about to be cancelled: await it. The answer is the state that the job is in now, or `None` when there is no such
/// job; a job that had ended stays as it was.
#[must_use = "a job is cancelled when this is awaited"]
pub struct Cancel<'a> {
    client: &'a Client,
    id: &'a JobId,
    cancellation: Cancellation,
}

impl Cancel<'_> {
    /// As [`Cancellation::reason`].
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { cancellation: self.cancellation.reason(reason), ..self }
    }

    /// With all of this.
    pub fn with(self, cancellation: Cancellation) -> Self {
        Self { cancellation, ..self }
    }

    /// As [`Cancellation::by`]. The client of a handler says by which job, if nothing else is said.
    pub fn by(self, who: impl Into<String>) -> Self {
        Self { cancellation: self.cancellation.by(who), ..self }
    }
}

impl<'a> IntoFuture for Cancel<'a> {
    type Output = Result<Option<JobState>, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, id, cancellation } = self;
            if let Some(limits) = &client.limits {
                limits.check_manages(id, "cancelled")?;
            }
            let cancellation = match (&cancellation.by, &client.origin.parent) {
                (None, Some(parent)) => cancellation.by(format!("job {parent}")),
                _ => cancellation,
            };
            client.store()?.cancel(id, &cancellation).await
        })
    }
}

impl fmt::Debug for Cancel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("id", self.id).finish_non_exhaustive()
    }
}

/// What became of the jobs that [`Client::cancel_all`] found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CancelledJobs {
    /// The number of jobs that are cancelled now.
    pub cancelled: u64,
    /// The number of jobs that had ended otherwise before their turn came.
    pub ended: u64,
    /// The jobs that could not be cancelled, and why.
    pub failed: Vec<(JobId, StoreError)>,
}

/// Jobs that are cancelled concurrently.
const AT_ONCE: usize = 16;
/// Records per page.
const PAGE: usize = 500;

impl Client {
    /// Cancels a job that has not ended. Await it directly, or say why first:
    /// `client.cancel(&id).reason("the order was withdrawn").by("ada").await?`.
    ///
    /// A job that waits never starts. A running one gets an attempt that is marked as cancelled, and its handler learns of it
    /// within [seconds](crate::Context::cancelled).
    ///
    /// # Errors
    /// When the store cannot be reached, the backend keeps no records, or this is a handler's client and its function
    /// does not [declare it](crate::Function::manages_jobs).
    pub fn cancel<'a>(&'a self, id: &'a JobId) -> Cancel<'a> {
        Cancel { client: self, id, cancellation: Cancellation::new() }
    }

    /// Cancels all jobs that match and have not ended, without those that are enqueued after the call. `progress` is told
    /// how many have had their turn, and of how many. Their ids are held in memory.
    ///
    /// # Errors
    /// When the records cannot be listed, or as for [`cancel`](Self::cancel) where it depends on no job. Jobs that cannot be
    /// cancelled are in the answer.
    pub async fn cancel_all(
        &self,
        query: &ListQuery,
        cancellation: &Cancellation,
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<CancelledJobs, StoreError> {
        // Complete before the first is cancelled: a job that changes while pages are read may be on two of them, or on none.
        let ids = self.open_jobs(query).await?;
        if let (Some(limits), Some(id)) = (&self.limits, ids.first()) {
            limits.check_manages(id, "cancelled")?;
        }
        let all = ids.len() as u64;
        let cancel = async |id: JobId| {
            let answer = self.cancel(&id).with(cancellation.clone()).await;
            (id, answer)
        };
        let asking: Vec<_> = ids.into_iter().map(cancel).collect();
        let mut answers = stream::iter(asking).buffer_unordered(AT_ONCE);
        let (mut total, mut done) = (CancelledJobs::default(), 0);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(Some(JobState::Cancelled)) => total.cancelled += 1,
                Ok(_) => total.ended += 1,
                Err(error) => total.failed.push((id, error)),
            }
            done += 1;
            progress(done, all);
        }
        Ok(total)
    }

    async fn open_jobs(&self, query: &ListQuery) -> Result<Vec<JobId>, StoreError> {
        let now = self.env().now();
        // With those of this very moment.
        let before = query.before.unwrap_or_else(|| now.saturating_add(Duration::from_nanos(1)).unwrap_or(now));
        let mut ids = Vec::new();
        for state in JobState::ALL.into_iter().filter(|state| !state.is_final() && query.takes_state(*state)) {
            let mut query =
                ListQuery { states: vec![state], before: Some(before), cursor: None, limit: PAGE, ..query.clone() };
            loop {
                let page = self.list(&query).await?;
                ids.extend(page.records.into_iter().map(|record| record.id));
                match page.next {
                    Some(next) => query.cursor = Some(next),
                    None => break,
                }
            }
        }
        // One that changed meanwhile was found in two states.
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_why_and_by_whom() {
        let none = Cancellation::new();
        assert_eq!(none.text(), None);
        assert_eq!(none.clone().reason("  ").by("").text(), None);
        assert_eq!(none.clone().reason(" a duplicate ").text().as_deref(), Some("a duplicate"));
        assert_eq!(none.clone().by("ada").text().as_deref(), Some("by ada"));
        assert_eq!(none.clone().by("ada").reason("a duplicate").text().as_deref(), Some("a duplicate (by ada)"));
        let long = none.reason("ä".repeat(1000)).text().unwrap();
        assert_eq!(long.chars().count(), Cancellation::MAX_CHARS);
    }
}
