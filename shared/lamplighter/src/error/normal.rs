//! An error's text without what differs from one failure to the next.
//!
//! The text is read once, from the left. What may vary becomes a placeholder:
//!
//! | in the text | becomes |
//! | --- | --- |
//! | a number, with its unit of time or size: `42`, `1,234.5`, `30s`, `1h30m`, `4KiB` | `<n>` |
//! | a moment: `2026-12-24T18:00:00Z`, `2026-12-24 18:00:00.5`, `18:00:00` | `<time>` |
//! | a UUID; hexadecimal digits from eight on, or after `0x`; letters and digits mixed like an id's | `<id>` |
//! | what stands in quotes: `"x"`, `'x'`, `“x”`, `‘x’`, `«x»` | `<value>` |
//! | an e-mail address | `<email>` |
//! | an IPv6 or a MAC address | `<address>` |
//!
//! Digits within a word are a number of their own: `order-42` becomes `order-<n>`. A path, a URL, and an id of ours
//! such as `nightly@2026-12-24T18:00:00Z`, is normalized segment by segment, so what does not vary in it stays. What
//! stands in backticks stays too: Rust's errors quote names by them. A list of placeholders of one kind becomes one of
//! them. Blanks and control characters become one space.
//!
//! Only ASCII has classes here: those of Unicode change with its versions, and a fingerprint must not.

/// A number.
const NUMBER: &str = "<n>";
/// A moment, or the time of a day.
const TIME: &str = "<time>";
/// An identifier.
const ID: &str = "<id>";
/// Something in quotes.
const VALUE: &str = "<value>";
/// An e-mail address.
const EMAIL: &str = "<email>";
/// An IPv6 or a MAC address.
const ADDRESS: &str = "<address>";

/// The length of the shortest identifier.
const SHORTEST: usize = 8;
/// Changes between letters and digits from which a word is an identifier, rather than a name such as `Utf8Error`.
const CHANGES: usize = 3;
/// The length of the shortest part by which a token is known.
const OPAQUE: usize = 16;

/// The longest text between two placeholders that become one, which is taken back then.
const JOIN: usize = 2;

/// Units that a number is written with, in lower case.
const UNITS: &[&str] = &[
    "ns", "us", "µs", "μs", "ms", "s", "sec", "secs", "m", "min", "mins", "h", "d", "b", "kb", "mb", "gb", "tb", "kib",
    "mib", "gib", "tib",
];

/// Returns the normal form of the first `read` bytes of a text, cut after `most` bytes. The work is linear in what is
/// read.
pub(super) fn normalize(text: &str, read: usize, most: usize) -> String {
    let mut rest = &text[..boundary(text, read)];
    let mut normal = Normal::default();
    let mut quotes = Quotes { is_cut: rest.len() < text.len(), ..Quotes::default() };
    let mut before = None;
    while let Some(c) = rest.chars().next().filter(|_| normal.0.len() < most.saturating_add(JOIN)) {
        let length = if is_blank(c) {
            normal.space();
            c.len_utf8()
        } else if let Some(length) = quotes.quoted(rest, c, before) {
            normal.placeholder(VALUE);
            length
        } else if is_of_word(c) {
            let word = word_at(rest);
            self::word(word, &mut normal);
            word.len()
        } else {
            normal.0.push(c);
            c.len_utf8()
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    let mut normal = normal.0;
    normal.truncate(boundary(&normal, most));
    normal.truncate(normal.trim_end().len());
    normal
}

/// The largest boundary of a character that is at most `most`.
pub(super) fn boundary(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// The normal form that was made so far.
#[derive(Default)]
struct Normal(String);

impl Normal {
    fn space(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(' ') {
            self.0.push(' ');
        }
    }

    /// Adds a placeholder, unless it goes on with a number, a moment or a list of the same kind.
    fn placeholder(&mut self, placeholder: &str) {
        let joins: &[&str] = match placeholder {
            NUMBER => &[", ", ",", "."],
            TIME => &[", ", ",", " "],
            _ => &[", ", ","],
        };
        for join in joins {
            let known = self.0.strip_suffix(join).filter(|before| before.ends_with(placeholder));
            if let Some(length) = known.map(str::len) {
                return self.0.truncate(length);
            }
        }
        self.0.push_str(placeholder);
    }
}

/// Finds what stands in quotes. A search for a closing quote that finds none says that none comes later either, so each
/// kind is searched in vain once.
#[derive(Default)]
struct Quotes {
    without_end: Vec<&'static str>,
    /// Whether more of the text follows, which may hold the closing quote.
    is_cut: bool,
}

impl Quotes {
    /// The length of the quotation at the beginning of `rest`, if there is one, quotes included.
    fn quoted(&mut self, rest: &str, c: char, before: Option<char>) -> Option<usize> {
        let close = match c {
            // Escaped, in a text that was quoted itself.
            '"' if before == Some('\\') => "\\\"",
            '"' => "\"",
            // Else it is an apostrophe.
            '\'' if before.is_none_or(|before| !before.is_ascii_alphanumeric()) => "'",
            '“' | '„' => "”",
            '‘' => "’",
            '«' => "»",
            _ => return None,
        };
        if self.without_end.contains(&close) {
            return None;
        }
        let from = c.len_utf8();
        let end = match close {
            "\"" => closing(&rest[from..]),
            "'" => apostrophe(&rest[from..]),
            close => rest[from..].find(close),
        };
        match end {
            Some(end) => Some(from + end + close.len()),
            None if self.is_cut => Some(rest.len()),
            None => {
                self.without_end.push(close);
                None
            }
        }
    }
}

/// Where the next quote is that has no backslash before it.
fn closing(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// Where the next single quote is that is no apostrophe within a word.
fn apostrophe(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .find(|at| bytes[*at] == b'\'' && bytes.get(at + 1).is_none_or(|next| !next.is_ascii_alphanumeric()))
}

/// White space, control characters, and marks that are not seen.
fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace()
        || c.is_control()
        || matches!(c, '\u{a0}' | '\u{1680}' | '\u{3000}' | '\u{feff}')
        || matches!(c, '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}')
}

/// A letter or a digit; beyond ASCII, all but blanks and the usual punctuation count as letters.
fn is_of_word(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || c == '_',
        false => !is_blank(c) && !matches!(c, '«' | '»' | '\u{2010}'..='\u{205e}' | '\u{3001}'..='\u{3003}'),
    }
}

/// What joins the parts of a word.
const fn joins(c: char) -> bool {
    matches!(c, '-' | '.' | ':' | '+' | '@')
}

/// The word at the beginning of a text, without the punctuation behind it.
fn word_at(text: &str) -> &str {
    let end = text.find(|c| !is_of_word(c) && !joins(c)).unwrap_or(text.len());
    text[..end].trim_end_matches(joins)
}

fn word(word: &str, normal: &mut Normal) {
    if is_email(word) {
        return normal.placeholder(EMAIL);
    }
    if !has_digit(word) {
        return normal.0.push_str(word);
    }
    if is_clock(word) {
        return normal.placeholder(TIME);
    }
    if is_address(word) {
        return normal.placeholder(ADDRESS);
    }
    if is_token(word) {
        return normal.placeholder(ID);
    }
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let length = if joins(c) || c == '_' {
            normal.0.push(c);
            c.len_utf8()
        } else if let Some(length) = uuid(rest) {
            normal.placeholder(ID);
            length
        } else if let Some(length) = moment(rest) {
            normal.placeholder(TIME);
            length
        } else {
            let end = rest.find(|c| joins(c) || c == '_').unwrap_or(rest.len());
            part(&rest[..end], normal);
            end
        };
        rest = &rest[length..];
    }
}

/// A part of a word: letters and digits.
fn part(part: &str, normal: &mut Normal) {
    if !has_digit(part) {
        normal.0.push_str(part);
    } else if is_quantity(part) {
        normal.placeholder(NUMBER);
    } else if is_id(part) {
        normal.placeholder(ID);
    } else {
        let mut rest = part;
        while let Some(letters) = rest.find(is_digit) {
            normal.0.push_str(&rest[..letters]);
            normal.placeholder(NUMBER);
            rest = rest[letters..].trim_start_matches(is_digit);
        }
        normal.0.push_str(rest);
    }
}

const fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Digits alone, or each number with a unit.
fn is_quantity(part: &str) -> bool {
    let mut rest = part;
    while !rest.is_empty() {
        let digits = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        let letters = rest[digits..].find(is_digit).map_or(rest.len(), |length| digits + length);
        let unit = &rest[digits..letters];
        // The longest unit has four letters; no other text is copied.
        if digits == 0 || !(unit.is_empty() || (unit.len() <= 4 && UNITS.contains(&unit.to_ascii_lowercase().as_str())))
        {
            return false;
        }
        rest = &rest[letters..];
    }
    true
}

/// A part with a digit that names one thing among many.
fn is_id(part: &str) -> bool {
    let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
    if hex.is_some_and(|hex| !hex.is_empty() && is_hex(hex)) {
        return true;
    }
    let changes =
        part.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    part.is_ascii() && part.len() >= SHORTEST && (is_hex(part) || changes >= CHANGES)
}

/// Random text of several parts, such as a signed token or a receipt handle: one part of it mixes small letters,
/// capitals and digits.
fn is_token(word: &str) -> bool {
    let is_mixed = |part: &str| {
        let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
        part.len() >= OPAQUE && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
    };
    word.len() >= 2 * OPAQUE && word.split(joins).any(is_mixed)
}

/// The length of the UUID at the beginning of a text: 8-4-4-4-12 hexadecimal digits.
fn uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..36)?;
    let fits = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let ends = text.as_bytes().get(36).is_none_or(|next| !next.is_ascii_alphanumeric());
    (fits && ends).then_some(36)
}

/// The length of the moment at the beginning of a text: a date, and what may follow in RFC 3339.
fn moment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    let end = bytes[10..].iter().position(|byte| !(byte.is_ascii_digit() || b"TtZz:.+-".contains(byte)));
    Some(end.map_or(bytes.len(), |length| 10 + length))
}

/// The time of a day, with seconds.
fn is_clock(word: &str) -> bool {
    let parts: Vec<&str> = word.splitn(4, ':').collect();
    let [hour, minute, second] = parts[..] else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let second = second.trim_end_matches(['Z', 'z']);
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    hour.len() <= 2
        && minute.len() == 2
        && second.len() == 2
        && [hour, minute, second, fraction].into_iter().all(is_number)
}

/// At least two colons, and between them at most four hexadecimal digits.
fn is_address(word: &str) -> bool {
    word.bytes().filter(|byte| *byte == b':').count() >= 2
        && word.split(':').all(|part| part.len() <= 4 && is_hex(part))
}

/// Something, an `@`, and a domain whose last part has letters alone.
fn is_email(word: &str) -> bool {
    let Some((name, domain)) = word.split_once('@') else { return false };
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    !name.is_empty() && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic()) && !domain.contains('@')
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> String {
        normalize(text, usize::MAX, usize::MAX)
    }

    #[test]
    fn what_varies_becomes_a_placeholder() {
        for (text, expected) in [
            ("connection refused", "connection refused"),
            ("order 42 not found", "order <n> not found"),
            ("order-42 not found", "order-<n> not found"),
            ("3 of 1,234.5 rows", "<n> of <n> rows"),
            ("rows 3, 17 and 40", "rows <n> and <n>"),
            ("timed out after 30s", "timed out after <n>"),
            ("timed out after 1h30m", "timed out after <n>"),
            ("timed out after 1.5ms, or 17µs", "timed out after <n>, or <n>"),
            ("needs 4KiB, has 17b", "needs <n>, has <n>"),
            ("status 503", "status <n>"),
            ("Utf8Error in column 3", "Utf<n>Error in column <n>"),
            ("at 2026-12-24T18:00:00.123+01:00", "at <time>"),
            ("at 2026-12-24 18:00:00, again", "at <time>, again"),
            ("at 18:00:00.5 today", "at <time> today"),
            ("job 01890a5d-ac96-774b-bcce-b302099a8057 is gone", "job <id> is gone"),
            ("job 01890A5D-AC96-774B-BCCE-B302099A8057: no", "job <id>: no"),
            ("job nightly@2026-12-24T18:00:00Z", "job nightly@<time>"),
            ("commit 0a1b2c3d4e", "commit <id>"),
            ("at 0x7ffe", "at <id>"),
            ("i-0abcd1234ef567890 stopped", "i-<id> stopped"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "<id>"),
            ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "token <id>"),
            ("no such file \"/tmp/a b\"", "no such file <value>"),
            ("no such key 'a', 'b'", "no such key <value>"),
            ("no such key “a” or ‘b’ or «c»", "no such key <value> or <value> or <value>"),
            (r#"invalid: "a \" b" here"#, "invalid: <value> here"),
            (r#"said {\"id\":\"x\"} to us"#, r"said {\<value>:\<value>} to us"),
            ("it can't be the jobs' turn", "it can't be the jobs' turn"),
            ("it can't read 'it's'.", "it can't read <value>."),
            ("missing field `name`", "missing field `name`"),
            ("open /var/lib/shop/17/0a1b2c3d4e/rows.csv: no", "open /var/lib/shop/<n>/<id>/rows.csv: no"),
            ("GET https://shop.example/v1/orders/42?page=3", "GET https://shop.example/v<n>/orders/<n>?page=<n>"),
            ("mail to ada.l+42@example.com bounced", "mail to <email> bounced"),
            ("10.0.0.17:5432 refused", "<n>:<n> refused"),
            ("[fe80::1ff:fe23:4567:890a]:80", "[<address>]:<n>"),
            ("00:1b:44:11:3a:b7 is down", "<address> is down"),
            ("src/main.rs:12:5", "src/main.rs:<n>:<n>"),
            ("customer [redacted] not found", "customer [redacted] not found"),
            ("  two\n\tlines\r\n\0\u{1b}[31mred\u{202e} ", "two lines [<n>mred"),
            ("失敗しました42件", "失敗しました<n>件"),
            ("cut here 0a1b2c3d… (70000 bytes in all)", "cut here <id>… (<n> bytes in all)"),
            ("no \"end", "no \"end"),
            ("", ""),
        ] {
            assert_eq!(of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_normal_form_is_cut_at_a_character() {
        let cut = |text, most| normalize(text, usize::MAX, most);
        assert_eq!(cut("üüü", 3), "ü");
        assert_eq!(cut("a 1 b", 2), "a");
        assert_eq!(cut("anything", 0), "");
    }

    #[test]
    fn a_quotation_that_goes_on_beyond_what_is_read_is_one() {
        let read = |text, read| normalize(text, read, usize::MAX);
        assert_eq!(read("üüü", 3), "ü");
        assert_eq!(read("no row \"abc\" here", 10), "no row <value>");
        assert_eq!(read("no row \"abc\" here", 14), "no row <value> h");
        assert_eq!(read("no row \"abc", 100), "no row \"abc");
    }

    /// A quadratic one would take hours.
    #[test]
    fn the_work_is_linear_also_for_hostile_texts() {
        let length = 1 << 18;
        for unit in [
            "1",
            "a",
            "\"",
            "'",
            "\\\"",
            "'a",
            " '",
            "1,",
            "1.",
            ":",
            "a:",
            "1:",
            "-",
            "@",
            "a@",
            "@.a",
            "0x",
            "“",
            "‘",
            "«",
            "<n>,",
            "2026-12-24",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "ü",
            "\0",
            "`",
            "a1",
            "1h",
            "\u{202e}",
            "_",
            "1_",
        ] {
            let text = unit.repeat(length / unit.len());
            let begun = Instant::now();
            let normal = of(&text);
            assert!(begun.elapsed().as_secs() < 30, "{unit:?} took {:?}", begun.elapsed());
            assert!(normal.len() <= 4 * text.len(), "{unit:?}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_one_bounded_line(text in any::<String>(), most in 0..300_usize) {
            let normal = normalize(&text, usize::MAX, most);
            prop_assert!(normal.len() <= most);
            prop_assert!(!normal.chars().any(|c| c.is_control()), "{normal:?}");
            prop_assert_eq!(normal.trim(), &normal);
            prop_assert!(!normal.contains("  "), "{normal:?}");
        }

        #[test]
        fn hostile_texts_have_a_normal_form(text in "[0-9a-f'\"“”«»:.@,+\\\\ \n_-]{0,400}", most in 0..500_usize) {
            let whole = of(&text);
            prop_assert!(!whole.chars().any(|c| c.is_control()), "{whole:?}");
            let cut = normalize(&text, usize::MAX, most);
            prop_assert_eq!(cut, whole[..boundary(&whole, most)].trim_end());
        }

        #[test]
        fn failures_that_differ_in_what_varies_have_one_normal_form(
            a in 0..u64::MAX, b in 0..u64::MAX,
            ids in any::<[u128; 2]>(),
            quoted in "[a-z ]{0,20}", other in "[a-z ]{0,20}",
            seconds in 0..4_000_000_000_i64,
        ) {
            let text = |number: u64, id: u128, quoted: &str, seconds: i64| {
                let id = uuid::Uuid::from_u128(id);
                let at = jiff::Timestamp::from_second(seconds).unwrap();
                let path = format!("/data/{number}/{id}.csv");
                of(&format!("row {number} of \"{quoted}\" at {at}: part {id} of {path} took {number}ms"))
            };
            prop_assert_eq!(text(a, ids[0], &quoted, seconds), text(b, ids[1], &other, 0));
        }
    }
}
