//! The messages that are read ahead, by tenant: the next one is of the tenant that has the fewest jobs running.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::operations::receive::Received;

/// The messages that are read ahead.
pub(super) struct Lanes {
    /// The first is that of messages without a tenant.
    lanes: Vec<Lane>,
    waiting: usize,
    /// The tenants of the messages that were taken out, by their rows.
    running: HashMap<i64, Arc<str>>,
}

#[derive(Default)]
struct Lane {
    tenant: Option<Arc<str>>,
    waiting: VecDeque<Received>,
    running: usize,
    /// How often it had its turn.
    turns: u64,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { lanes: vec![Lane::default()], waiting: 0, running: HashMap::new() }
    }

    /// The number of messages that wait.
    pub(super) const fn len(&self) -> usize {
        self.waiting
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Adds messages, those of a tenant in their order.
    pub(super) fn add(&mut self, messages: Vec<Received>) {
        self.waiting += messages.len();
        for message in messages {
            let lane = self.lane(message.tenant.as_ref());
            self.lanes[lane].waiting.push_back(message);
        }
    }

    fn lane(&mut self, tenant: Option<&Arc<str>>) -> usize {
        if let Some(lane) = self.lanes.iter().position(|lane| lane.tenant.as_ref() == tenant) {
            return lane;
        }
        // It begins where the others are: it has not earned the turns of the time before it came.
        let turns = self.lanes.iter().filter(|lane| !lane.waiting.is_empty()).map(|lane| lane.turns).min().unwrap_or(0);
        self.lanes.push(Lane { tenant: tenant.cloned(), turns, ..Lane::default() });
        self.lanes.len() - 1
    }

    /// Takes out the next message, which runs from now on.
    pub(super) fn next(&mut self) -> Option<Received> {
        let lanes = self.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty());
        let lane = lanes.min_by_key(|lane| (lane.running, lane.turns))?;
        let message = lane.waiting.pop_front()?;
        (lane.running, lane.turns) = (lane.running + 1, lane.turns + 1);
        self.waiting -= 1;
        if let Some(tenant) = &message.tenant {
            self.running.insert(message.receipt.seq, tenant.clone());
        }
        Some(message)
    }

    /// Notes that a message that was taken out runs no more.
    pub(super) fn has_ended(&mut self, seq: i64) {
        let tenant = self.running.remove(&seq);
        let lane = self.lanes.iter().position(|lane| lane.tenant == tenant);
        let Some(lane) = lane else { return };
        let ended = &mut self.lanes[lane];
        ended.running = ended.running.saturating_sub(1);
        if lane > 0 && ended.running == 0 && ended.waiting.is_empty() {
            self.lanes.swap_remove(lane);
        }
    }

    /// Takes out all messages that wait, which do not run, and returns their rows.
    pub(super) fn clear(&mut self) -> Vec<i64> {
        self.waiting = 0;
        let waiting = self.lanes.iter_mut().flat_map(|lane| lane.waiting.drain(..));
        waiting.map(|message| message.receipt.seq).collect()
    }

    /// The number of messages of each tenant that wait.
    pub(super) fn held(&self) -> HashMap<Arc<str>, usize> {
        self.lanes.iter().filter_map(|lane| Some((lane.tenant.clone()?, lane.waiting.len()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::receipt::Receipt;

    fn message(seq: i64, tenant: Option<&str>) -> Received {
        Received {
            receipt: Receipt { seq, kind: 1 },
            owner: 0,
            id: seq.to_string(),
            body: String::new(),
            receives: 0,
            group: None,
            tenant: tenant.map(Arc::from),
            untracked: false,
        }
    }

    fn taken(lanes: &mut Lanes, count: usize) -> Vec<i64> {
        std::iter::from_fn(|| lanes.next()).take(count).map(|message| message.receipt.seq).collect()
    }

    #[test]
    fn tenants_have_their_turns() {
        let mut lanes = Lanes::new();
        lanes.add((0..6).map(|seq| message(seq, Some("noisy"))).collect());
        assert_eq!(taken(&mut lanes, 3), [0, 1, 2]);
        lanes.add(vec![message(10, Some("quiet")), message(11, Some("quiet")), message(20, None)]);
        assert_eq!(lanes.held().len(), 2);
        // Three of the noisy one run.
        assert_eq!(taken(&mut lanes, 4), [20, 10, 11, 3]);
        for ended in [0, 1, 2, 3, 10, 11, 20] {
            lanes.has_ended(ended);
        }
        assert_eq!((lanes.len(), taken(&mut lanes, 9)), (2, vec![4, 5]));
        [4, 5].into_iter().for_each(|ended| lanes.has_ended(ended));
        assert!(lanes.is_empty() && lanes.lanes.len() == 1 && lanes.running.is_empty());
    }

    #[test]
    fn tenants_whose_jobs_end_at_once_have_equal_turns() {
        let mut lanes = Lanes::new();
        let of = |tenant: &'static str, first: i64| (first..first + 5).map(move |seq| message(seq, Some(tenant)));
        lanes.add(of("a", 0).chain(of("b", 10)).collect());
        let mut order = Vec::new();
        while let Some(message) = lanes.next() {
            lanes.has_ended(message.receipt.seq);
            order.push(message.receipt.seq);
        }
        assert_eq!(order, [0, 10, 1, 11, 2, 12, 3, 13, 4, 14]);
    }

    #[test]
    fn what_is_cleared_does_not_run() {
        let mut lanes = Lanes::new();
        lanes.add(vec![message(1, None), message(2, Some("a")), message(3, Some("a"))]);
        assert_eq!(taken(&mut lanes, 1), [1]);
        assert_eq!(lanes.clear(), [2, 3]);
        assert_eq!((lanes.len(), lanes.next().is_none()), (0, true));
    }
}
