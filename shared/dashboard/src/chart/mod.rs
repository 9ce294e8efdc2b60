//! Charts, drawn on the server as SVG. Pure functions of numbers and texts: no clock, no styles, classes for colours.
//!
//! A flat chart is stretched to the width of its place, so it holds no text: labels and the table behind it are HTML.

mod bars;
mod relations;
mod strip;
mod text;
mod trend;

pub use self::text::escape;
pub use self::{
    bars::{Bar, Mark, bars},
    relations::{Node, Relations, relations},
    strip::{Part, Span, attempt, percentiles, progress},
    trend::trend,
};

/// The part of `length` that `value` has of `most`. Never more than `length`, never less than `least` unless it is nothing.
fn part(value: u64, most: u64, length: f64, least: f64) -> f64 {
    match (value, most) {
        (0, _) | (_, 0) => 0.0,
        _ => (value as f64 / most as f64 * length).clamp(least.min(length), length),
    }
}

/// The next round number that is not less, by which a chart is divided well.
#[must_use]
pub fn round_up(value: u64) -> u64 {
    if value <= 10 {
        return value.max(1);
    }
    let mut power = 1_u64;
    loop {
        for step in [10, 12, 16, 20, 24, 30, 40, 50, 60, 80] {
            match power.checked_mul(step) {
                Some(round) if round >= value => return round,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_visible_and_never_more_than_all() {
        assert_eq!(part(0, 10, 100.0, 2.0), 0.0);
        assert_eq!(part(5, 0, 100.0, 2.0), 0.0);
        assert_eq!(part(1, u64::MAX, 100.0, 2.0), 2.0);
        assert_eq!(part(u64::MAX, 1, 100.0, 2.0), 100.0);
        assert_eq!(part(5, 10, 100.0, 2.0), 50.0);
    }

    #[test]
    fn a_round_number_is_not_less() {
        assert_eq!([0, 1, 3, 9, 11, 45, 205, 1204].map(round_up), [1, 1, 3, 9, 12, 50, 240, 1600]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
