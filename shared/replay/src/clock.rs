//! Virtual time: milliseconds since the replay began, on a Monday at 00:00 UTC.

use std::time::Duration;

/// A moment.
pub type Moment = u64;

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const WEEK: u64 = 7 * DAY;

/// Converts a duration of the model to virtual time.
pub(crate) const fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

pub(crate) const fn range((from, to): (Duration, Duration)) -> (u64, u64) {
    (ms(from), ms(to))
}

/// Returns the day of the week; 0 is Monday.
pub(crate) const fn weekday(moment: Moment) -> u64 {
    moment / DAY % 7
}

pub(crate) const fn is_weekend(moment: Moment) -> bool {
    weekday(moment) >= 5
}

/// Returns the first moment at or after `moment` that is a multiple of `step` after `from`.
pub(crate) const fn next_step(from: Moment, step: u64, moment: Moment) -> Moment {
    if moment <= from { from } else { from + (moment - from).div_ceil(step) * step }
}

/// Formats a moment: `Sat 02:00`.
pub(crate) fn label(moment: Moment) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    format!("{} {:02}:{:02}", DAYS[weekday(moment) as usize], moment % DAY / HOUR, moment % HOUR / MINUTE)
}

/// Formats a length of time in a suitable unit: `20 s`, `4.5 min`, `3.2 h`, `2.6 d`.
#[must_use]
pub fn span(length: u64) -> String {
    let (unit, name) = match length {
        ..MINUTE => return format!("{} s", length / 1000),
        MINUTE..HOUR => (MINUTE, "min"),
        HOUR..DAY => (HOUR, "h"),
        _ => (DAY, "d"),
    };
    format!("{:.1} {name}", length as f64 / unit as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_from_their_beginning() {
        assert_eq!(next_step(7, 15, 0), 7);
        assert_eq!(next_step(7, 15, 7), 7);
        assert_eq!(next_step(7, 15, 8), 22);
        assert_eq!(next_step(7, 15, 22), 22);
    }

    #[test]
    fn moments_and_lengths_are_readable() {
        assert_eq!(label(5 * DAY + 2 * HOUR + 5 * MINUTE), "Sat 02:05");
        assert_eq!(
            [span(59_999), span(90_000), span(5 * HOUR / 2), span(DAY)],
            ["59 s", "1.5 min", "2.5 h", "1.0 d"].map(str::to_owned)
        );
    }
}
