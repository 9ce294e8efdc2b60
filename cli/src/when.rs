//! Times as people type them.

use std::time::Duration;

use jiff::Timestamp;
use lamplighter::moment;

/// Reads a delay, as [`moment::parse_length`].
pub(crate) fn delay(text: &str) -> Result<Duration, String> {
    moment::parse_length(text).map_err(|error| error.to_string())
}

/// Reads a moment: RFC 3339, such as `2026-12-24T18:00:00+01:00` or `2026-12-24T17:00:00Z`.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    moment::parse(text).map_err(|error| error.to_string())
}

/// Reads a moment in the past: as [`moment()`], or how long ago it was, as [`delay`].
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    since_at(text, Timestamp::now())
}

/// Reads a moment as [`since`], from the present moment `now`.
pub(crate) fn since_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(moment) = moment::parse_clamped(text) {
        return Ok(moment);
    }
    let Ok(ago) = delay(text) else {
        return Err(
            "neither a length of time nor a moment; write it like 90s, 2h or 3 days, or as RFC 3339 with Z or an \
                    offset, like 2026-12-24T18:00:00+01:00"
                .to_owned(),
        );
    };
    Ok(now.saturating_sub(ago).unwrap_or(Timestamp::MIN))
}

/// Formats a length of time for people: two units at most, below a second in milliseconds.
pub(crate) fn short(time: Duration) -> String {
    let (secs, millis) = (time.as_secs(), time.subsec_millis());
    let two = |large: u64, unit: &str, small: u64, fraction: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {fraction}"),
    };
    match secs {
        0 if millis == 0 && !time.is_zero() => "<1 ms".into(),
        0 => format!("{millis} ms"),
        1..10 if millis >= 100 => format!("{}.{} s", secs, millis / 100),
        1..60 => format!("{secs} s"),
        60..3600 => two(secs / 60, "min", secs % 60, "s"),
        3600..86_400 => two(secs / 3600, "h", secs % 3600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3600, "h"),
    }
}

/// Returns the length of time between two moments, for people; zero when the second comes first.
pub(crate) fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

/// Formats a moment relative to now: `12 s ago`, `in 2 h 00 min`.
pub(crate) fn relative(moment: Timestamp, now: Timestamp) -> String {
    // What has passed is cut; what is to come is rounded, or a delay of two hours would begin as one.
    let coarse = |time: Duration, half: u64| match time.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s if (s + 30 * half) / 60 < 60 => format!("{} min", (s + 30 * half) / 60),
        s if (s + 1800 * half) / 3600 < 48 => format!("{} h", (s + 1800 * half) / 3600),
        s => format!("{} d", (s + 43_200 * half) / 86_400),
    };
    if moment > now {
        format!("in {}", coarse(between(now, moment), 1))
    } else {
        format!("{} ago", coarse(between(moment, now), 0))
    }
}

/// Formats a moment in full, to the millisecond, in UTC.
pub(crate) fn full(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_rounded_and_what_has_passed_is_cut() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (hour, day) = (3600, 86_400);
        for (secs, to_come, passed) in [
            (59, "in 59 s", "59 s ago"),
            (119, "in 2 min", "1 min ago"),
            (hour - 1, "in 1 h", "59 min ago"),
            (2 * hour - 1, "in 2 h", "1 h ago"),
            (2 * day - 1, "in 2 d", "47 h ago"),
            (3 * day, "in 3 d", "3 d ago"),
        ] {
            let time = Duration::from_secs(secs);
            assert_eq!(
                (relative(now + time, now), relative(now, now + time)),
                (to_come.into(), passed.into()),
                "{secs}"
            );
        }
    }

    #[test]
    fn delays_are_read_the_way_people_write_them() {
        let hour = 3600;
        for (text, secs) in [
            ("90s", 90),
            ("2h", 2 * hour),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("3 days", 72 * hour),
            ("2 weeks", 14 * 24 * hour),
            ("PT2H", 2 * hour),
            ("15 minutes", 900),
        ] {
            assert_eq!(delay(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for text in ["", "2", "soon", "-2h", "2 fortnights", "1 month", "1h-", "99999999999999999999h"] {
            let problem = delay(text).unwrap_err();
            assert!(problem.contains("write it like"), "{text}: {problem}");
        }
    }

    #[test]
    fn moments_need_an_offset() {
        assert_eq!(moment("2026-12-24T18:00:00+01:00"), moment("2026-12-24T17:00:00Z"));
        assert!(moment("2026-12-24T18:00:00Z").is_ok());
        for text in ["2026-12-24", "2026-12-24T18:00:00", "tomorrow", "18:00"] {
            assert!(moment(text).unwrap_err().contains("RFC 3339"), "{text}");
        }
    }

    #[test]
    fn moments_are_accepted_up_to_the_last_one_and_an_error_names_it() {
        assert_eq!(moment("2026-12-24T18:00:00.123456789012Z"), moment("2026-12-24T18:00:00.123456789Z"));
        assert!(moment("9999-12-30T22:00:00Z").is_ok());
        assert!(moment("9999-12-31T23:59:59Z").unwrap_err().contains("9999-12-30T22:00:00Z"));
        assert_eq!(since("9999-12-31T23:59:59Z"), Ok(Timestamp::MAX));
    }

    #[test]
    fn since_is_a_moment_or_how_long_ago_it_was() {
        assert_eq!(since("2026-12-24T18:00:00Z"), moment("2026-12-24T18:00:00Z"));
        let (before, hours_ago, after) = (Timestamp::now(), since("2h").unwrap(), Timestamp::now());
        let two_hours = Duration::from_secs(7200);
        assert!((before - two_hours..=after - two_hours).contains(&hours_ago));
        assert!(since("99999 weeks").is_ok_and(|long_ago| long_ago < moment("1970-01-01T00:00:00Z").unwrap()));
        for text in ["", "yesterday", "2026-12-24", "-2h"] {
            assert!(since(text).unwrap_err().contains("write it like"), "{text}");
        }
    }

    #[test]
    fn durations_are_formatted_briefly() {
        let shown = |millis| short(Duration::from_millis(millis));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(short(Duration::from_micros(20)), "<1 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1_240), "1.2 s");
        assert_eq!(shown(59_000), "59 s");
        assert_eq!(shown(2_000), "2 s");
        assert_eq!(shown(61_000), "1 min 1 s");
        assert_eq!(shown(300_000), "5 min");
        assert_eq!(shown(7_260_000), "2 h 1 min");
        assert_eq!(shown(90_000_000), "1 d 1 h");
    }
}
