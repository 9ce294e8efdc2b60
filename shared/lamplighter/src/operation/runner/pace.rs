//! The rate of an operation.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use super::Runner;

/// The longest page, where there is a rate.
const PAGE: u32 = 2;

/// How many jobs make a page.
pub(super) fn page(per_second: Option<NonZeroU32>) -> usize {
    per_second.map_or(Runner::PAGE, |rate| {
        usize::try_from(rate.get().saturating_mul(PAGE)).unwrap_or(usize::MAX).clamp(1, Runner::PAGE)
    })
}

/// When each of so many may have its turn; `next` is when the first one may, and is moved on.
pub(super) fn turns(per_second: Option<NonZeroU32>, next: &mut Option<Instant>, count: usize) -> Vec<Option<Instant>> {
    let Some(rate) = per_second else { return vec![None; count] };
    let step = Duration::from_secs(1) / rate.get();
    let mut at = next.unwrap_or_else(Instant::now).max(Instant::now());
    let turns = (0..count).map(|_| {
        let turn = at;
        at += step;
        Some(turn)
    });
    let turns = turns.collect();
    *next = Some(at);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_keep_the_rate_over_pages() {
        let rate = NonZeroU32::new(4);
        let (began, mut next) = (Instant::now(), None);
        let mut all = turns(rate, &mut next, 3);
        all.extend(turns(rate, &mut next, 2));
        let millis: Vec<_> = all.iter().flatten().map(|turn| (*turn - began).as_millis()).collect();
        assert_eq!(millis, [0, 250, 500, 750, 1000]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(turns(rate, &mut next, 1), [Some(Instant::now())], "what was not used is not made up for");
        assert_eq!(turns(None, &mut None, 2), [None, None]);
    }

    #[test]
    fn a_page_takes_two_seconds_at_most() {
        let of = |rate| page(NonZeroU32::new(rate));
        assert_eq!((page(None), of(1), of(20), of(1000)), (100, 2, 40, 100));
    }
}
