//! Converts values to JSON.

use std::io::Write;

use jiff::civil::Date;
use lamplighter_jobs::imports::ColumnType;

use crate::problem::Problem;

/// Writes a value as JSON.
///
/// # Errors
/// The problem, when the value does not fit the type.
pub(crate) fn write(out: &mut Vec<u8>, value: &[u8], column_type: ColumnType, required: bool) -> Result<(), Problem> {
    let text = std::str::from_utf8(value).map_err(|_| Problem::Utf8)?;
    // Spaces around a number or a date mean nothing.
    let trimmed = text.trim_matches(' ');
    if trimmed.is_empty() && required {
        return Err(Problem::Empty);
    }
    match column_type {
        ColumnType::Text => write_text(out, text),
        _ if trimmed.is_empty() => out.extend_from_slice(b"null"),
        ColumnType::Integer => {
            let number: i64 = trimmed.parse().map_err(|_| Problem::Integer)?;
            // Writing into memory does not fail.
            let _ = write!(out, "{number}");
        }
        ColumnType::Number => write_number(out, trimmed)?,
        ColumnType::Boolean => {
            let is = |word: &&str| trimmed.eq_ignore_ascii_case(word);
            let yes = ["true", "yes", "1"].iter().any(is);
            if !yes && !["false", "no", "0"].iter().any(is) {
                return Err(Problem::Boolean);
            }
            out.extend_from_slice(if yes { b"true" } else { b"false" });
        }
        ColumnType::Date => {
            // Ten characters: no other form of a date that the parser knows.
            if trimmed.len() != 10 || trimmed.parse::<Date>().is_err() {
                return Err(Problem::Date);
            }
            write_text(out, trimmed);
        }
    }
    Ok(())
}

/// Writes a text as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    // Any text is a JSON string, and writing into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// Writes a number with the digits that it has, where JSON has that form: 19.90 stays 19.90.
fn write_number(out: &mut Vec<u8>, text: &str) -> Result<(), Problem> {
    if serde_json::from_str::<f64>(text).is_ok() {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse().ok().filter(|_| is_decimal).and_then(serde_json::Number::from_f64);
    let _ = write!(out, "{}", number.ok_or(Problem::Number)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(column_type: ColumnType, value: &str) -> Result<String, Problem> {
        let mut out = Vec::new();
        write(&mut out, value.as_bytes(), column_type, false)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_of_each_type_are_converted() {
        for (column_type, value, wanted) in [
            (ColumnType::Text, "", r#""""#),
            (ColumnType::Text, " a\"b\0\n", r#"" a\"b\u0000\n""#),
            (ColumnType::Integer, "", "null"),
            (ColumnType::Integer, " 42 ", "42"),
            (ColumnType::Integer, "+007", "7"),
            (ColumnType::Integer, "-9223372036854775808", "-9223372036854775808"),
            (ColumnType::Number, "19.90", "19.90"),
            (ColumnType::Number, "-1e-7", "-1e-7"),
            (ColumnType::Number, "12345678901234567890.125", "12345678901234567890.125"),
            (ColumnType::Number, "+.5", "0.5"),
            (ColumnType::Number, "007", "7.0"),
            (ColumnType::Boolean, "YES", "true"),
            (ColumnType::Boolean, "0", "false"),
            (ColumnType::Date, "2024-02-29", "\"2024-02-29\""),
        ] {
            assert_eq!(json(column_type, value).as_deref(), Ok(wanted), "{column_type:?} {value:?}");
        }
    }

    #[test]
    fn values_of_other_types_are_problems() {
        for (column_type, values, problem) in [
            (ColumnType::Integer, ["1.0", "9223372036854775808", "x", "1 2", "٣", "0x1"], Problem::Integer),
            (ColumnType::Number, ["NaN", "inf", "1,5", "1e400", "--1", "e"], Problem::Number),
            (ColumnType::Boolean, ["t", "2", "true false", "ja", "-", "10"], Problem::Boolean),
            (
                ColumnType::Date,
                ["2026-02-29", "23.11.2026", "20261123", "2026-11-23T00", "2026-W01-1", "x"],
                Problem::Date,
            ),
        ] {
            for value in values {
                assert_eq!(json(column_type, value), Err(problem), "{column_type:?} {value:?}");
            }
        }
        let mut out = Vec::new();
        assert_eq!(write(&mut out, b" ", ColumnType::Text, true), Err(Problem::Empty));
        assert_eq!(write(&mut out, b"", ColumnType::Date, true), Err(Problem::Empty));
        assert_eq!(write(&mut out, &[0xff], ColumnType::Text, false), Err(Problem::Utf8));
    }
}
