//! The queue of future events.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::clock::Moment;

/// Events in the order of their moments, and of their insertion at the same moment.
#[derive(Debug)]
pub(crate) struct Events<E> {
    heap: BinaryHeap<Reverse<(Moment, u64, Ordered<E>)>>,
    announced: u64,
}

/// The number before it decides the order: no two are the same.
#[derive(Debug, Clone, Copy)]
struct Ordered<E>(E);

impl<E> PartialEq for Ordered<E> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<E> Eq for Ordered<E> {}

impl<E> PartialOrd for Ordered<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Ordered<E> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<E> Events<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), announced: 0 }
    }

    pub(crate) fn at(&mut self, moment: Moment, event: E) {
        self.heap.push(Reverse((moment, self.announced, Ordered(event))));
        self.announced += 1;
    }

    /// Returns the next event, if it is not after this moment.
    pub(crate) fn next_until(&mut self, moment: Moment) -> Option<(Moment, E)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at > moment {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, Ordered(event)))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_ordered_by_time_and_then_by_insertion() {
        let mut events = Events::new();
        for (moment, event) in [(20, 'c'), (10, 'a'), (20, 'd'), (10, 'b')] {
            events.at(moment, event);
        }
        assert!(events.next_until(9).is_none());
        let order: String = std::iter::from_fn(|| events.next_until(20)).map(|(_, event)| event).collect();
        assert_eq!(order, "abcd");
    }
}
