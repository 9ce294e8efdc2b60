//! The split and the conversion together, compared with one pass of the crate `csv`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use lamplighter_jobs::{ImportCsv, imports::RowRange};
use lamplighter_objects::{Key, Objects};
use proptest::prelude::*;

use crate::{
    Limits,
    convert::Converter,
    problem::{BadRow, Problem},
    results::RangeResult,
    source::{Head, Source},
    splitter::{Sizes, Splitter},
};

/// The CSV's rows as NDJSON, and the lines and problems of its bad rows.
#[derive(Debug, Default, PartialEq)]
struct Rows {
    json: String,
    bad: Vec<(u64, Problem)>,
    good: u64,
}

/// How a CSV is cut up.
#[derive(Debug, Clone)]
struct Cuts {
    /// The sizes of ranges, of the pieces in which bytes come, and of windows.
    range: u64,
    piece: usize,
    window: u64,
}

fn limits(row_bytes: usize, columns: usize, window: u64) -> Limits {
    Limits { row_bytes, columns, window, bad_rows_of_range: usize::MAX, ..Limits::default() }
}

/// The line of a place, counted in a way of its own.
fn line_at(text: &[u8], place: usize) -> u64 {
    let text = String::from_utf8_lossy(&text[..place]).replace("\r\n", "\n").replace('\r', "\n");
    1 + text.matches('\n').count() as u64
}

fn records(text: &[u8]) -> Vec<csv::ByteRecord> {
    let reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text);
    reader.into_byte_records().map(Result::unwrap).collect()
}

/// One pass of the crate `csv`, and rules on rows in words of their own.
fn expected(text: &[u8], header: bool, limits: Limits) -> Result<Rows, ()> {
    let all = records(text);
    // What follows the CSV is a row of its own, unless a quotation mark is open.
    let unclosed = records(&[text, b"\nend"].concat()).len() == all.len() && !all.is_empty();
    let mut rows = Rows::default();
    let mut names: Option<Vec<String>> = None;
    for (number, record) in all.iter().enumerate() {
        let from = record.position().unwrap().byte() as usize;
        let to = all.get(number + 1).map_or(text.len(), |next| next.position().unwrap().byte() as usize);
        let mark = if from == 0 && text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let from = from + mark;
        let from = from + text[from..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let open = unclosed && number + 1 == all.len();
        let blank =
            if open { 0 } else { text[from..to].iter().rev().take_while(|byte| b"\r\n".contains(byte)).count() };
        let problem = match () {
            () if open => Some(Problem::Unclosed),
            () if to - blank - from > limits.row_bytes => Some(Problem::TooLarge),
            () if record.len() > limits.columns => Some(Problem::TooManyColumns),
            () => None,
        };
        let Some(names) = &names else {
            // The first row.
            if problem.is_some() {
                return Err(());
            }
            let name = |(number, name): (usize, &[u8])| match name {
                name if header && !name.is_empty() => String::from_utf8(name.to_vec()).map_err(|_| ()),
                _ => Ok(format!("column_{}", number + 1)),
            };
            let found = record.iter().enumerate().map(name).collect::<Result<Vec<_>, ()>>()?;
            let mut different = found.clone();
            different.sort_unstable();
            different.dedup();
            if different.len() != found.len() {
                return Err(());
            }
            names = Some(found);
            if !header {
                rows.add(record, names.as_deref().unwrap(), line_at(text, from), None);
            }
            continue;
        };
        rows.add(record, names, line_at(text, from), problem);
    }
    Ok(rows)
}

impl Rows {
    fn add(&mut self, record: &csv::ByteRecord, names: &[String], line: u64, problem: Option<Problem>) {
        let texts: Option<Vec<_>> = record.iter().map(|value| std::str::from_utf8(value).ok()).collect();
        let problem = problem
            .or((record.len() != names.len()).then_some(Problem::ColumnCount))
            .or(texts.is_none().then_some(Problem::Utf8));
        if let Some(problem) = problem {
            return self.bad.push((line, problem));
        }
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let texts = texts.unwrap();
        let members = names.iter().zip(texts).map(|(name, text)| format!("{}:{}", quoted(name), quoted(text)));
        self.json += &format!("{{{}}}\n", members.collect::<Vec<_>>().join(","));
        self.good += 1;
    }
}

/// The rows of one range after the other. Each is converted by itself, from its own bytes.
fn converted(text: &[u8], head: &Head, delimiter: u8, ranges: &[RowRange], cuts: &Cuts, limits: Limits) -> Rows {
    let mut rows = Rows::default();
    for range in ranges {
        let mut converter = Converter::new(head.table.clone(), delimiter, limits, range);
        for piece in text[range.start as usize..range.end as usize].chunks(cuts.piece) {
            let mut used = 0;
            while used < piece.len() {
                used += converter.feed(&piece[used..]);
            }
        }
        converter.end();
        rows.json += &String::from_utf8(converter.out).unwrap();
        let RangeResult { good, bad, bad_rows, .. } = converter.result;
        assert_eq!(bad, bad_rows.len() as u64);
        rows.good += good;
        rows.bad.extend(bad_rows.into_iter().map(|BadRow { line, reason, .. }| (line, reason)));
    }
    rows
}

/// Ranges, with the splitter on its way through JSON after each piece, as through checkpoints.
fn ranges(text: &[u8], head: &Head, delimiter: u8, cuts: &Cuts, limits: Limits) -> Vec<RowRange> {
    let sizes = Sizes { range: cuts.range, row: limits.row_bytes as u64 };
    let mut splitter = Splitter::new(delimiter, sizes, head.start, head.line);
    for piece in text[head.start as usize..].chunks(cuts.piece) {
        splitter.feed(piece);
        let kept = serde_json::to_string(&splitter).unwrap();
        splitter = serde_json::from_str(&kept).unwrap();
    }
    splitter.end();
    assert_eq!(splitter.number(), splitter.ranges().len() as u64);
    splitter.take(usize::MAX)
}

async fn head(text: &[u8], header: bool, limits: Limits) -> Result<(Source, Head), crate::error::Error> {
    let objects = Objects::from_url("memory:///").unwrap();
    objects.put(&Key::new("a.csv").unwrap(), text.to_vec(), "text/csv").await.unwrap();
    let job = ImportCsv { header, ..ImportCsv::of("a.csv") };
    let source = Source::find(&job, &objects, limits).await.unwrap();
    let head = source.head().await?;
    Ok((source, head))
}

async fn check(text: &[u8], header: bool, cuts: &Cuts, limits: Limits) -> Result<(), TestCaseError> {
    let expected = expected(text, header, limits);
    let (source, head) = match head(text, header, limits).await {
        Ok(found) => found,
        Err(error) => {
            prop_assert_eq!(expected, Err(()), "{}", error);
            return Ok(());
        }
    };
    let ranges = ranges(text, &head, source.delimiter, cuts, limits);
    let found = converted(text, &head, source.delimiter, &ranges, cuts, limits);
    prop_assert_eq!(Ok(&found), expected.as_ref(), "{:?}", ranges);

    // Ranges are in order, each as large as wanted and little larger, and only rows that are too large are between them.
    let breaks = text.iter().filter(|byte| b"\r\n".contains(byte)).count() as u64;
    for (number, range) in (0..).zip(&ranges) {
        prop_assert!(range.number == number && range.start <= range.end);
        prop_assert_eq!(range.line, line_at(text, range.start as usize));
        prop_assert!(range.end - range.start <= cuts.range + limits.row_bytes as u64 + breaks, "{:?}", range);
    }
    for pair in ranges.windows(2) {
        prop_assert!(pair[0].end <= pair[1].start);
        prop_assert!(pair[0].end == pair[1].start || pair[1].skipped.is_some(), "{:?}", pair);
        let is_full = pair[0].end - pair[0].start >= cuts.range;
        prop_assert!(is_full || pair[1].skipped.is_some(), "{:?}", pair);
    }
    Ok(())
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Texts that are mostly made of what means something in CSV.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => Just(b",".to_vec()),
        6 => Just(b"\"".to_vec()),
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        6 => prop::sample::select(&b"ab;0 \0"[..]).prop_map(|byte| vec![byte]),
        1 => Just("\u{feff}".as_bytes().to_vec()),
        1 => Just("é".as_bytes().to_vec()),
        1 => Just(vec![0xff]),
        // As programs write it.
        4 => Just(b"\"a,\"\"b\"\"\nc\"".to_vec()),
        4 => Just(b"a,b\n".to_vec()),
        1 => Just(vec![b'x'; 40]),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn cuts() -> impl Strategy<Value = Cuts> {
    (0u64..60, 1usize..20, 1u64..20).prop_map(|(range, piece, window)| Cuts { range, piece, window })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_split_gives_the_rows_of_one_pass(
        text in texts(),
        cuts in cuts(),
        header in any::<bool>(),
        row_bytes in prop_oneof![Just(1 << 20), 1usize..40],
        columns in prop_oneof![Just(2000), 1usize..6],
    ) {
        on_a_runtime(check(&text, header, &cuts, limits(row_bytes, columns, cuts.window)))?;
    }

    /// With the same number of columns in each row, most of them are good.
    #[test]
    fn any_split_of_a_good_csv_gives_all_of_its_values(
        rows in prop::collection::vec(prop::array::uniform3("[ab,\"\r\n é;]{0,8}"), 0..30),
        crlf in any::<bool>(),
        marked in any::<bool>(),
        cuts in cuts(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(["one", "two", "three"]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let mut text = writer.into_inner().unwrap();
        if marked {
            text.splice(0..0, "\u{feff}".bytes());
        }
        let limits = limits(1 << 20, 2000, cuts.window);
        let found = on_a_runtime(async {
            let (source, head) = head(&text, true, limits).await.unwrap();
            let ranges = ranges(&text, &head, source.delimiter, &cuts, limits);
            converted(&text, &head, source.delimiter, &ranges, &cuts, limits)
        });
        prop_assert_eq!((found.good, found.bad.len()), (rows.len() as u64, 0));
        for (line, row) in found.json.lines().zip(&rows) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!([&value["one"], &value["two"], &value["three"]], [&row[0], &row[1], &row[2]]);
        }
    }
}

#[tokio::test]
async fn what_people_store_is_read() {
    let rows = |text: &str| (text.to_owned(), limits(100, 5, 7));
    let cuts = Cuts { range: 4, piece: 3, window: 7 };
    for (text, limits) in [
        "",
        "\u{feff}",
        "\n\r\n\r",
        "a,b",
        "a,b\r\n",
        "\u{feff}a,b\r\n1,2\r\n",
        "a,b\n1,2",
        "a,b\r1,2\r3,4",
        "a,b\n\n\n1,\"2\n3\"\n\n4,5\n",
        "a,b\n\"1\"\"\",\"2\"x\n",
        "a,b\n1,2\n3,\"4\n5,6\n",
        "a,b\n\u{feff}1,2\n",
        "a,b\n1\n1,2,3\n1,2,3,4,5,6\n",
        "a,b\n1,2\"3\n",
    ]
    .map(rows)
    {
        for header in [true, false] {
            check(text.as_bytes(), header, &cuts, limits).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_row_larger_than_a_range_and_one_larger_than_the_limit_do_not_stop_the_others() {
    let (large, larger) = ("x".repeat(90), "y".repeat(101));
    let text = format!("a,b\n1,{large}\n2,{larger}\n3,{larger}\n\"4,{larger}\n5,\"\n6,7\n8,\"{larger}\n9,9\n");
    let limits = limits(100, 5, 16);
    let cuts = Cuts { range: 10, piece: 16, window: 16 };
    check(text.as_bytes(), true, &cuts, limits).await.unwrap();
    let (source, head) = head(text.as_bytes(), true, limits).await.unwrap();
    let ranges = ranges(text.as_bytes(), &head, source.delimiter, &cuts, limits);
    let found = converted(text.as_bytes(), &head, source.delimiter, &ranges, &cuts, limits);
    let bad = [(3, Problem::TooLarge), (4, Problem::TooLarge), (5, Problem::TooLarge), (8, Problem::Unclosed)];
    assert_eq!((found.good, &found.bad[..]), (2, &bad[..]));
    assert!(ranges.iter().all(|range| range.end - range.start <= 110), "{ranges:?}");
}

#[tokio::test]
async fn a_first_row_that_never_ends_is_not_kept_in_memory() {
    let limits = limits(1000, 5, 10_000);
    for text in ["\"".to_owned() + &"x".repeat(50_000), "\n".repeat((1 << 20) + 1000) + "a", "x".repeat(1001) + "\n1\n"]
    {
        let error = head(text.as_bytes(), true, limits).await.unwrap_err();
        assert!(error.to_string().contains("has no first row that can be read"), "{error}");
    }
    let error = head(b"\xff\xfea\0,\0b\0", true, limits).await.unwrap_err();
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[tokio::test]
async fn a_million_columns_take_no_more_memory_than_the_limit() {
    let text = format!("a,b\n1,2\n{}\n3,4\n", ",".repeat(1_000_000));
    let limits = limits(2 << 20, 1000, 1 << 16);
    let cuts = Cuts { range: 1 << 20, piece: 1 << 16, window: 1 << 16 };
    check(text.as_bytes(), true, &cuts, limits).await.unwrap();
}
