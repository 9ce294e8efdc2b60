//! Parsing of moments: all of RFC 3339, within the range of a [`Timestamp`], and of lengths of time as people type them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp, civil::DateTime, tz::Offset};

/// Why a text is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MomentError {
    /// It is not in the format of RFC 3339.
    #[error("not a moment; write it as RFC 3339 with Z or an offset, like 2026-12-24T18:00:00+01:00")]
    Form,
    /// The last hours of the year 9999, which a [`Timestamp`] does not reach in every offset.
    #[error("too late; the last supported moment is 9999-12-30T22:00:00Z")]
    TooLate,
}

/// Parses a moment: RFC 3339 with `Z` or an offset, and unambiguous forms of ISO 8601 (`2026-12-24T17:00Z`). Digits of
/// a second's fraction after the ninth are cut off, and a leap second (`:60`) becomes the second before it.
///
/// ```
/// use lamplighter::moment;
///
/// let moment = moment::parse("2026-12-24T18:00:00.123456789012+01:00")?;
/// assert_eq!(moment.to_string(), "2026-12-24T17:00:00.123456789Z");
/// # Ok::<(), moment::MomentError>(())
/// ```
///
/// # Errors
/// When the text has another format, or names a date that does not exist or a moment after 9999-12-30T22:00:00Z.
pub fn parse(text: &str) -> Result<Timestamp, MomentError> {
    text.parse().or_else(|_| whole(text))
}

/// Parses what `jiff` does not: a longer fraction, and moments that are too late.
fn whole(text: &str) -> Result<Timestamp, MomentError> {
    let bytes = text.as_bytes();
    // `1996-12-19T16:39:57-08:00`: the part before the fraction always has this length.
    let (Some(head), Some(rest)) = (text.get(..SECONDS_END), text.get(SECONDS_END..)) else {
        return Err(MomentError::Form);
    };
    let shape = "dddd-dd-ddTdd:dd:dd";
    let fits = shape.bytes().zip(head.bytes()).all(|(shape, byte)| match shape {
        b'd' => byte.is_ascii_digit(),
        // "T" may be in lower case, and many write a space instead (RFC 3339, section 5.6).
        b'T' => matches!(byte, b'T' | b't' | b' '),
        _ => byte == shape,
    });
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
    };
    if !fits || (fraction.is_empty() && bytes.get(SECONDS_END) == Some(&b'.')) {
        return Err(MomentError::Form);
    }
    let local = match fraction.get(..fraction.len().min(NANOSECOND_DIGITS)) {
        None | Some("") => head.to_owned(),
        Some(fraction) => format!("{head}.{fraction}"),
    };
    // `t` and a space parse too.
    let local: DateTime = local.parse().map_err(|_| MomentError::Form)?;
    let offset = offset(zone).ok_or(MomentError::Form)?;
    // No year is below 0, so there is no moment before the first one.
    offset.to_timestamp(local).map_err(|_| MomentError::TooLate)
}

/// [`parse`], with moments that are too late clamped to [`Timestamp::MAX`]: for an expiry, for instance.
///
/// # Errors
/// When the text has another format, or names a date that does not exist.
pub fn parse_clamped(text: &str) -> Result<Timestamp, MomentError> {
    match parse(text) {
        Err(MomentError::TooLate) => Ok(Timestamp::MAX),
        other => other,
    }
}

/// The end of the seconds in the text.
const SECONDS_END: usize = 19;
const NANOSECOND_DIGITS: usize = 9;

/// `Z`, `+01:00`, or `-00:00`.
fn offset(text: &str) -> Option<Offset> {
    if text.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let (sign, [h1, h0, b':', m1, m0]) = (text.as_bytes().first()?, text.as_bytes().get(1..)?) else { return None };
    let number = |tens: &u8, ones: &u8| {
        let both = tens.is_ascii_digit() && ones.is_ascii_digit();
        both.then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h0)?, number(m1, m0)?);
    let seconds = (hours * 60 + minutes) * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Offset::from_seconds(seconds).ok(),
        b'-' => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

/// Why a text is not a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LengthError {
    /// It is in no form that is understood.
    #[error("not a length of time; write it like 90s, 2h, 1h30m or 3 days")]
    Form,
    /// It is in months or years.
    #[error("months and years have no fixed length; write it like 90s, 2h, 1h30m or 3 days")]
    Calendar,
    /// It is below zero.
    #[error("a delay cannot be negative; write it like 90s, 2h, 1h30m or 3 days")]
    Negative,
}

/// Parses a length of time: `90s`, `2h`, `1h 30m`, `3 days`, `2 weeks`, or ISO 8601 (`PT2H`). A day has 24 hours.
///
/// # Errors
/// When the text has another format, has months or years, or is negative.
pub fn parse_length(text: &str) -> Result<Duration, LengthError> {
    let span: Span = text.parse().map_err(|_| LengthError::Form)?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| LengthError::Calendar)?;
    Duration::try_from(time).map_err(|_| LengthError::Negative)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_rfc_3339_parses() {
        for (text, same) in [
            // The examples of RFC 3339, section 5.8.
            ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"),
            ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"),
            ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59Z"),
            ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59Z"),
            ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.87Z"),
            ("2026-11-23t12:00:00z", "2026-11-23T12:00:00Z"),
            ("2026-11-23 12:00:00Z", "2026-11-23T12:00:00Z"),
            ("2026-11-23T12:00:00-00:00", "2026-11-23T12:00:00Z"),
            ("2026-11-23T12:00:00+23:59", "2026-11-22T12:01:00Z"),
            ("2026-11-23T12:00:00.123456789012345678901234567890Z", "2026-11-23T12:00:00.123456789Z"),
            ("2026-11-23T12:00:00.9999999999+00:00", "2026-11-23T12:00:00.999999999Z"),
            ("2026-11-23T12:00:60.5Z", "2026-11-23T12:00:59.5Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(parse(text), Ok(same.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn moments_that_are_too_late_fail_or_clamp() {
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:60.999999999999Z",
            "9999-12-30T22:00:01-00:00",
            "9999-12-30T22:00:00-00:01",
        ] {
            assert_eq!(parse(text), Err(MomentError::TooLate), "{text}");
            assert_eq!(parse_clamped(text), Ok(Timestamp::MAX), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23T12:00:00",
            "2026-11-23T24:00:00Z",
            "2026-11-23T12:00:61Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-11-23T12:00:00.Z",
            "2026-11-23T12:00:00+1:00",
            "2026-11-23T12:00:00+01:60",
            "2026-11-23T12:00:00.1234567890+24:00",
            "2026-11-23T12:00:00.1234567890+01:60",
            "2026-11-23T12:00:00.1234567890",
            "2026-11-23T12:00:00 Z",
            "12026-11-23T12:00:00Z",
            "2026-11-23T12:00:0é",
            "２026-11-23T12:00:00Z",
        ] {
            assert_eq!(parse_clamped(text), Err(MomentError::Form), "{text}");
        }
    }

    proptest! {
        #[test]
        fn timestamps_round_trip(second in -62_167_219_200i64..253_402_207_200, nano in 0..1_000_000_000i32) {
            let moment = Timestamp::new(second, nano).unwrap();
            prop_assert_eq!(parse(&moment.to_string()), Ok(moment));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}", tail in "[0-9TtZz:.+ -]{0,40}") {
            let _ = (parse(&text), parse(&tail), parse(&format!("2026-11-23T12:00:00{tail}")));
        }
    }
}
