//! `csv.rows`: converts the rows of a range to NDJSON.

use lamplighter::Context;
use lamplighter_jobs::imports::{ConvertRows, RowRange};
use serde::Serialize;

use crate::{
    Limits, Settings,
    error::Error,
    on_a_thread,
    parser::{Found, Parser},
    problem::{BadRow, Problem},
    results::{Folder, RangeResult},
    source::Source,
    table::Table,
};

/// How many bytes of JSON are made before they are written. A few more may be: those of the last row.
const OUTPUT: usize = 1 << 20;

/// The output of `csv.rows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Converted {
    /// The number of the range, from 0.
    pub range: u64,
    /// Rows that were converted.
    pub good: u64,
    /// Rows that were not.
    pub bad: u64,
    /// The key of the rows as NDJSON.
    pub output: String,
}

pub(crate) async fn run(job: ConvertRows, ctx: &Context, settings: &Settings) -> Result<Converted, Error> {
    let folder = Folder::new(&job.folder, &settings.objects)?;
    let source = Source::of(job.source, &settings.objects, settings.limits)?;
    let RowRange { number, start, end, .. } = job.range;
    let total = end.saturating_sub(start);
    ctx.progress(0, total);
    let table = source.head().await?.table;
    let mut converter = Converter::new(table, source.delimiter, settings.limits, &job.range);
    let key = folder.rows(number)?;
    let mut writer = folder.rows_writer(&key);
    let (mut windows, mut done) = (source.windows(start, end), 0);
    while let Some(window) = windows.next().await? {
        let mut used = 0;
        while used < window.len() {
            let rest = window.slice(used..);
            let now;
            (converter, now) = on_a_thread(move || {
                let now = converter.feed(&rest);
                (converter, now)
            })
            .await?;
            used += now;
            writer.write(&converter.out).await?;
            converter.out.clear();
        }
        done += window.len() as u64;
        ctx.progress(done, total);
    }
    converter.end();
    writer.write(&converter.out).await?;
    let output_bytes = writer.finish().await?;
    let result = RangeResult { output: key.to_string(), output_bytes, ..converter.result };
    // The last of the objects: where it is, the rows are.
    folder.put_range(number, &result).await?;
    let RangeResult { good, bad, output, .. } = result;
    tracing::debug!(number, good, bad, "range converted");
    Ok(Converted { range: number, good, bad, output })
}

/// Converts rows, and counts.
pub(crate) struct Converter {
    table: Table,
    parser: Parser,
    most_bad_rows: usize,
    pub(crate) result: RangeResult,
    /// Rows as NDJSON.
    pub(crate) out: Vec<u8>,
}

impl Converter {
    pub(crate) fn new(table: Table, delimiter: u8, limits: Limits, range: &RowRange) -> Self {
        let mut converter = Self {
            table,
            parser: Parser::new(delimiter, limits.rows(), range.line),
            most_bad_rows: limits.bad_rows_of_range,
            result: RangeResult::default(),
            out: Vec::new(),
        };
        if let Some(skipped) = range.skipped {
            let reason = if skipped.unclosed { Problem::Unclosed } else { Problem::TooLarge };
            converter.result.add_bad(whole(skipped.line, reason), converter.most_bad_rows);
        }
        converter
    }

    /// Goes over the next bytes, up to a point at which there is enough output. Returns how many were used.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.out.len() < OUTPUT {
            let (now, found) = self.parser.feed(&bytes[used..]);
            used += now;
            self.result.add(found, &self.table, &mut self.out, self.most_bad_rows);
        }
        used
    }

    /// Ends at the end of the range.
    pub(crate) fn end(&mut self) {
        let found = self.parser.end();
        self.result.add(found, &self.table, &mut self.out, self.most_bad_rows);
    }
}

const fn whole(line: u64, reason: Problem) -> BadRow {
    BadRow { line, column: None, reason, columns: None }
}

impl RangeResult {
    fn add(&mut self, found: Found<'_>, table: &Table, out: &mut Vec<u8>, most_bad_rows: usize) {
        match found {
            Found::Nothing => {}
            Found::Bad(line, reason) => self.add_bad(whole(line, reason), most_bad_rows),
            Found::Row(row) => {
                let before = out.len();
                let problem = |column: &str, problem| {
                    let problems = match self.columns.get_mut(column) {
                        Some(problems) => problems,
                        None => self.columns.entry(column.to_owned()).or_default(),
                    };
                    *problems.entry(problem).or_default() += 1;
                };
                match table.write(out, &row, problem) {
                    Ok(()) => self.good += 1,
                    Err(bad) => {
                        out.truncate(before);
                        self.add_bad(bad, most_bad_rows);
                    }
                }
            }
        }
    }

    fn add_bad(&mut self, bad: BadRow, most: usize) {
        self.bad += 1;
        if self.bad_rows.len() < most {
            self.bad_rows.push(bad);
        }
    }
}
