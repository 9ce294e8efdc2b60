//! Imports of CSV.

use lamplighter::{Job, Options, Queue, Retry, mins, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::queues;

/// Imports a CSV object of any size: it is split into ranges at row borders, and a job for each of them converts its rows to
/// NDJSON. The jobs are a batch, and a report follows when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportCsv {
    /// The CSV's key in the object store, for example `uploads/customers.csv`.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// The folder for results in the object store. They are in a folder within it that is named after the import's id.
    #[serde(default = "ImportCsv::default_folder")]
    #[schemars(length(min = 1, max = 256))]
    pub folder: String,
    /// The delimiter of columns: a tab, or an ASCII character that can be printed, but no quotation mark.
    #[serde(default = "ImportCsv::default_delimiter")]
    #[schemars(extend("pattern" = "^[\\t -!#-~]$"))]
    pub delimiter: char,
    /// Whether the first row has the names of the columns.
    #[serde(default = "ImportCsv::default_header")]
    pub header: bool,
    /// The types of columns, in any order; those that are not named here are text. Without a header, all columns in their
    /// order, or none: then they are named `column_1` and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub columns: Vec<CsvColumn>,
    /// The size of a range in bytes; the rows at its borders are whole. The ranges of a very large object are larger.
    #[serde(default = "ImportCsv::default_range_bytes")]
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub range_bytes: u64,
}

/// A column of a CSV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvColumn {
    /// Its name, as in the header.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The type of its values.
    #[serde(default, rename = "type")]
    pub column_type: ColumnType,
    /// Whether each row must have a value. Otherwise an empty one is `null`, or for a text the empty text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// The type of a column's values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Any text.
    #[default]
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A decimal number, with or without an exponent. It keeps its digits.
    Number,
    /// `true` or `false`, `yes` or `no`, `1` or `0`, in capitals or not.
    Boolean,
    /// A date as in `2026-11-23`.
    Date,
}

impl ImportCsv {
    /// The most columns whose types an import may name.
    pub const MAX_COLUMNS: usize = 256;
    /// The longest name of a column whose type an import names, in characters.
    pub const MAX_NAME: usize = 128;
    /// The smallest and the largest size of a range in bytes.
    pub const RANGE_BYTES: std::ops::RangeInclusive<u64> = 1024..=1 << 30;

    /// Imports `source` with a header, commas between its columns, and all of them as text.
    #[must_use]
    pub fn of(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            folder: Self::default_folder(),
            delimiter: Self::default_delimiter(),
            header: Self::default_header(),
            columns: Vec::new(),
            range_bytes: Self::default_range_bytes(),
        }
    }

    /// Adds a column's type.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, column_type: ColumnType) -> Self {
        self.columns.push(CsvColumn { name: name.into(), column_type, required: false });
        self
    }

    /// Adds a column's type; each row must have a value in it.
    #[must_use]
    pub fn required(mut self, name: impl Into<String>, column_type: ColumnType) -> Self {
        self.columns.push(CsvColumn { name: name.into(), column_type, required: true });
        self
    }

    /// Sets the size of a range in bytes.
    #[must_use]
    pub fn range_bytes(mut self, bytes: u64) -> Self {
        self.range_bytes = bytes;
        self
    }

    fn default_folder() -> String {
        "imports".into()
    }

    fn default_delimiter() -> char {
        ','
    }

    fn default_header() -> bool {
        true
    }

    fn default_range_bytes() -> u64 {
        16 << 20
    }
}

impl Job for ImportCsv {
    const NAME: &'static str = "csv.import";
    const QUEUE: Queue = queues::IMPORTS;

    /// Reads the header and creates the batch.
    fn options() -> Options {
        options().timeout(mins(2))
    }
}

/// The version of a CSV that an import reads, and how. It is in the messages of the import's jobs, so none of them can read
/// another version than the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSource {
    /// The CSV's key in the object store.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The store's tag for its version.
    pub tag: String,
    /// The delimiter of columns.
    pub delimiter: char,
    /// Whether the first row has the names of the columns.
    pub header: bool,
    /// The types of columns that the import names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<CsvColumn>,
}

/// Splits a CSV into ranges at row borders, and adds jobs for them to the batch that it is a job of: the batch cannot end
/// before all of them are added. `csv.import` enqueues it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitCsv {
    /// The CSV.
    pub source: CsvSource,
    /// The folder of the import's results.
    pub folder: String,
    /// The size of a range in bytes.
    pub range_bytes: u64,
    /// Where its rows begin: after the header.
    pub start: u64,
    /// The line there, from 1.
    pub line: u64,
}

impl Job for SplitCsv {
    const NAME: &'static str = "csv.split";
    const QUEUE: Queue = queues::IMPORTS;

    /// Goes on in a fresh invocation before this time is over.
    fn options() -> Options {
        options()
    }
}

/// Converts the rows of one range of a CSV to NDJSON. `csv.split` enqueues it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvertRows {
    /// The CSV.
    pub source: CsvSource,
    /// The folder of the import's results.
    pub folder: String,
    /// The range.
    pub range: RowRange,
}

/// Whole rows of a CSV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowRange {
    /// Its number, from 0.
    pub number: u64,
    /// The first byte of its first row.
    pub start: u64,
    /// The byte after its last row.
    pub end: u64,
    /// The line of its first row, from 1.
    pub line: u64,
    /// A row before it that is in no range, since it is too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkippedRow>,
}

/// A row that is too large to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkippedRow {
    /// Its line, from 1.
    pub line: u64,
    /// Whether it has a quotation mark that is never closed, so that it is the rest of the CSV.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unclosed: bool,
}

impl Job for ConvertRows {
    const NAME: &'static str = "csv.rows";
    const QUEUE: Queue = queues::IMPORTS;

    fn options() -> Options {
        options()
    }
}

/// Writes the report of an import, whose batch has ended. `csv.import` enqueues it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportImport {
    /// The id of the import's batch.
    pub batch: String,
    /// The CSV's key in the object store.
    pub source: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The folder of the import's results.
    pub folder: String,
}

impl Job for ReportImport {
    const NAME: &'static str = "csv.report";
    const QUEUE: Queue = queues::IMPORTS;

    fn options() -> Options {
        options()
    }
}

/// Only failures of the object store and of the records are transient, and both are back in seconds or minutes.
fn options() -> Options {
    Options::new()
        .timeout(mins(5))
        .retry(Retry::exponential(secs(2)).cap(mins(5)).attempts(8))
        .retention(crate::retention())
}

#[cfg(test)]
mod tests {
    use lamplighter::Definition;

    use super::*;

    #[test]
    fn a_source_is_enough() {
        let job: ImportCsv = serde_json::from_str(r#"{"source":"a.csv"}"#).unwrap();
        assert_eq!(job, ImportCsv::of("a.csv"));
    }

    #[test]
    fn columns_have_types_in_lower_case() {
        let text = r#"{"source":"a","columns":[{"name":"n","type":"integer","required":true},{"name":"t"}]}"#;
        let job: ImportCsv = serde_json::from_str(text).unwrap();
        assert_eq!(job, ImportCsv::of("a").required("n", ColumnType::Integer).column("t", ColumnType::Text));
        for bad in [r#"{"source":"a","columns":[{"name":"n","type":"float"}]}"#, r#"{"source":"a","delimiter":",,"}"#] {
            assert!(serde_json::from_str::<ImportCsv>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn schema_states_the_limits() {
        let schema = Definition::of::<ImportCsv>().schema().to_value();
        let properties = &schema["properties"];
        assert_eq!(properties["columns"]["maxItems"], ImportCsv::MAX_COLUMNS);
        assert_eq!(properties["range_bytes"]["minimum"], *ImportCsv::RANGE_BYTES.start());
        assert_eq!(properties["range_bytes"]["maximum"], *ImportCsv::RANGE_BYTES.end());
        assert_eq!(properties["delimiter"]["pattern"], "^[\\t -!#-~]$");
        assert_eq!(schema["$defs"]["CsvColumn"]["properties"]["name"]["maxLength"], ImportCsv::MAX_NAME);
        assert_eq!(schema["required"], serde_json::json!(["source"]));
    }
}
