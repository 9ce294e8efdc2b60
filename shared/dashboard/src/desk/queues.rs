//! Queues.

use std::collections::HashMap;

use lamplighter::backend::QueueStatus;

use super::Desk;
use crate::{
    problem::Problem,
    view::{Coverage, List, Part, QueueDetail, QueueView, StateCount},
};

impl Desk {
    /// All queues, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn queues(&self) -> Result<List<QueueView>, Problem> {
        let items = self.seen_queues().await?;
        let coverage = match items.iter().all(|queue| queue.is_exact) {
            true => Coverage::Exact,
            false => Coverage::Approximate,
        };
        Ok(List { items, coverage, as_of: self.now() })
    }

    pub(super) async fn seen_queues(&self) -> Result<Vec<QueueView>, Problem> {
        let (queues, flows) = tokio::join!(self.shared.queues(), self.shared.flow());
        let (queues, flows, now) = (queues?, flows.unwrap_or_default(), self.now());
        let flows: HashMap<_, _> = flows.iter().map(|flow| (&*flow.queue, flow)).collect();
        let view = |status: &QueueStatus| {
            let view = QueueView::from(status.clone());
            match flows.get(&*status.queue) {
                Some(flow) => view.with_flow(status, flow),
                None => view,
            }
            .at(now)
        };
        Ok(queues.iter().filter(|status| self.sees(&status.queue)).map(view).collect())
    }

    /// One queue.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn queue(&self, name: &str) -> Result<QueueDetail, Problem> {
        let queues = self.seen_queues();
        let (queues, states, activity) = tokio::join!(queues, self.states_of(name), self.activity_in_hour(Some(name)));
        let queue = queues?.into_iter().find(|queue| queue.queue == name);
        let queue = queue.ok_or_else(|| Problem::not_found("queue", name))?;
        let defined = self.site().definitions.iter().filter(|definition| definition.queue.name() == name);
        Ok(QueueDetail {
            queue,
            states: Part::from(states),
            activity: Part::from(activity),
            jobs: defined.map(|definition| definition.name.to_owned()).collect(),
            as_of: self.now(),
        })
    }

    /// The jobs in each state, on the queues that the viewer sees, or on one of them. States without jobs are left out.
    ///
    /// # Errors
    /// When the counts cannot be read.
    pub async fn counts(&self, queue: Option<&str>) -> Result<Vec<StateCount>, Problem> {
        let counts = self.shared.counts().await?;
        let seen = counts.iter().filter(|count| self.sees(&count.queue) && queue.is_none_or(|one| one == count.queue));
        let mut states: Vec<StateCount> = Vec::new();
        for count in seen {
            let count = StateCount::from(count);
            match states.iter_mut().find(|sum| sum.state == count.state) {
                Some(sum) => {
                    sum.jobs += count.jobs;
                    sum.is_exact &= count.is_exact;
                    sum.as_of = sum.as_of.min(count.as_of);
                }
                None => states.push(count),
            }
        }
        Ok(states)
    }

    async fn states_of(&self, queue: &str) -> Result<Vec<StateCount>, Problem> {
        let counts = self.shared.counts().await?;
        Ok(counts.iter().filter(|count| count.queue == queue).map(StateCount::from).collect())
    }
}
