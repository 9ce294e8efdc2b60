//! Dead letters.

use lamplighter::{
    backend::{DeadLetterFilter, DeadLetterQuery},
    host::Stop,
};

use super::{Desk, in_time, items};
use crate::{
    problem::Problem,
    view::{Coverage, DeadLetterCountsView, DeadLetterView, Page},
};

impl Desk {
    /// Dead letters of a queue.
    ///
    /// # Errors
    /// When there is no such queue, when it has no dead-letter queue, or when that cannot be read.
    pub async fn dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<DeadLetterView>, Problem> {
        self.known_queue(queue).await?;
        let mut query = DeadLetterQuery::new(items(limit)).with_filter(filter.clone());
        query.cursor = cursor.map(str::to_owned);
        let stop = Stop::new();
        let page = in_time("the dead-letter queue", self.site().operator.dead_letters(queue, &query, &stop)).await?;
        let coverage = if page.sample { Coverage::Sample } else { Coverage::Exact };
        let redactions = &self.site().redactions;
        let items = page.dead_letters.into_iter().map(|mut letter| {
            letter.error = redactions.error(&letter.body, &letter.error).into_owned();
            letter.body = redactions.body(&letter.body).into_owned();
            let letter = DeadLetterView::from(letter);
            if filter.key.is_some() { letter } else { letter.listed() }
        });
        Ok(Page { items: items.collect(), next: page.next, coverage, as_of: self.now() })
    }

    /// Dead letters of a queue, counted by job and reason.
    ///
    /// # Errors
    /// As for [`dead_letters`](Self::dead_letters).
    pub async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
    ) -> Result<DeadLetterCountsView, Problem> {
        self.known_queue(queue).await?;
        let stop = Stop::new();
        let counting = self.site().operator.count_dead_letters(queue, filter, &stop);
        let counts = in_time("the dead-letter queue", counting).await?;
        Ok(DeadLetterCountsView::of(queue, counts, self.now()))
    }

    /// Fails unless there is such a queue, and the viewer sees it.
    pub(super) async fn known_queue(&self, queue: &str) -> Result<(), Problem> {
        let unknown = || Problem::not_found("queue", queue);
        if !self.sees(queue) {
            return Err(unknown());
        }
        let known = in_time("the queues", self.site().operator.known_names()).await?;
        known.has_queue(queue).then_some(()).ok_or_else(unknown)
    }
}
