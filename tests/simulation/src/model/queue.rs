//! A model of SQS: at least once, in any order, hidden while in flight; FIFO groups in order.

use std::sync::Arc;

use lamplighter::JobId;

use crate::{dice::Dice, faults::Faults};

/// A message on a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: Arc<str>,
    pub(crate) group: Option<Arc<str>>,
    /// The job that it is for, or that it settles, as far as the body tells.
    pub(crate) job: Option<JobId>,
    /// Hidden until then.
    visible_at: u64,
    pub(crate) receives: u32,
}

/// A received message.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) message: Message,
    /// Names the message and the receive.
    pub(crate) receipt: String,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct QueueModel {
    pub(crate) name: &'static str,
    fifo: bool,
    /// In the order in which they were sent.
    messages: Vec<Message>,
    sent: u32,
}

/// How long a received message is hidden: six times the function's timeout, as the template says.
pub(crate) const VISIBILITY: u64 = 72_000;
/// The most messages of one receive.
const MOST: usize = 3;

impl QueueModel {
    pub(crate) fn new(name: &'static str, fifo: bool) -> Self {
        Self { name, fifo, messages: Vec::new(), sent: 0 }
    }

    /// Puts a message on the queue, visible from `visible_at` on.
    pub(crate) fn send(&mut self, body: Arc<str>, group: Option<Arc<str>>, job: Option<JobId>, visible_at: u64) {
        self.sent += 1;
        let id = format!("{}-m{}", self.name, self.sent);
        // Without a group, the messages of a FIFO queue form one; on a standard queue a group orders nothing.
        let group = self.fifo.then(|| group.unwrap_or_else(|| "none".into()));
        self.messages.push(Message { id, body, group, job, visible_at, receives: 0 });
    }

    /// Receives messages, and hides them.
    pub(crate) fn receive(&mut self, now: u64, faults: &mut Faults, hold_groups: bool) -> Vec<Received> {
        let mut found = if self.fifo { self.in_order(now, hold_groups) } else { self.in_any_order(now, faults) };
        let count = usize::try_from(faults.dice.between(1, MOST as u64 + 1)).unwrap_or(1);
        found.truncate(count);
        let mut received = Vec::with_capacity(found.len());
        for index in found {
            let message = &mut self.messages[index];
            message.receives += 1;
            message.visible_at = now + VISIBILITY;
            received.push(Received { receipt: receipt(message), message: message.clone() });
            if !self.fifo && faults.duplicates(now) {
                // Another server has it still.
                self.messages[index].visible_at = now + faults.dice.between(0, 2_000);
            }
        }
        received
    }

    fn in_any_order(&self, now: u64, faults: &mut Faults) -> Vec<usize> {
        let mut found: Vec<usize> =
            (0..self.messages.len()).filter(|index| self.messages[*index].visible_at <= now).collect();
        if faults.reorders() {
            let dice: &mut Dice = &mut faults.dice;
            dice.shuffle(&mut found);
        }
        found
    }

    /// The first messages of a group that has none in flight.
    fn in_order(&self, now: u64, hold_groups: bool) -> Vec<usize> {
        let is_visible = |index: &usize| self.messages[*index].visible_at <= now;
        let heads = (0..self.messages.len()).filter(is_visible);
        for head in heads {
            let group = &self.messages[head].group;
            let of_group = || (0..self.messages.len()).filter(|index| self.messages[*index].group == *group);
            if !hold_groups || of_group().all(|index| is_visible(&index)) {
                return of_group().filter(|index| is_visible(index)).collect();
            }
        }
        Vec::new()
    }

    /// Deletes a message, under the receipt of its last receive. An old one counts on a standard queue, sometimes.
    pub(crate) fn delete(&mut self, receipt_text: &str, old_counts: bool) -> Option<Message> {
        let index = self.position(receipt_text)?;
        let is_current = receipt(&self.messages[index]) == receipt_text;
        (is_current || (old_counts && !self.fifo)).then(|| self.messages.remove(index))
    }

    /// Hides a message until then. An old receipt counts on a standard queue, sometimes.
    pub(crate) fn hide(&mut self, receipt_text: &str, until: u64, old_counts: bool) {
        if let Some(index) = self.position(receipt_text) {
            let is_current = receipt(&self.messages[index]) == receipt_text;
            if is_current || (old_counts && !self.fifo) {
                self.messages[index].visible_at = until;
            }
        }
    }

    fn position(&self, receipt_text: &str) -> Option<usize> {
        let (id, _) = receipt_text.rsplit_once('#')?;
        self.messages.iter().position(|message| message.id == id)
    }

    /// When the next message can be received, at the earliest.
    pub(crate) fn next_visible(&self) -> Option<u64> {
        self.messages.iter().map(|message| message.visible_at).min()
    }

    /// Whether a message for that job is here, in flight or not.
    pub(crate) fn has(&self, job: &JobId) -> bool {
        self.messages.iter().any(|message| message.job.as_ref() == Some(job))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

fn receipt(message: &Message) -> String {
    format!("{}#{}", message.id, message.receives)
}
