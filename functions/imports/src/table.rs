//! The columns of a CSV.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter_jobs::imports::{ColumnType, CsvColumn};

use crate::{
    parser::{Found, Parser, Row, RowLimits},
    problem::{BadRow, Problem},
    value,
};

/// The longest name of a column in bytes.
const MAX_NAME: usize = 256;

/// The columns of a CSV, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    /// What is before its value in a JSON object: `{"name":` or `,"name":`.
    key: Vec<u8>,
    column_type: ColumnType,
    required: bool,
}

/// Why a CSV has no columns that can be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TableError {
    #[error("its first row cannot be read: {0}")]
    Row(&'static str),
    #[error("the name of column {0} in the header is not UTF-8")]
    Utf8(usize),
    #[error("the name of column {0} in the header has more than {MAX_NAME} bytes")]
    Name(usize),
    #[error("columns {0} and {1} have the same name in the header")]
    Duplicate(usize, usize),
    #[error("number {0} of \"columns\" names no column of the header")]
    Missing(usize),
    #[error(
        "\"columns\" names {named} columns, and the first row has {found}; without a header, all of them are named"
    )]
    Count { named: usize, found: usize },
}

impl Table {
    /// The columns of a CSV with this first row.
    pub(crate) fn of_first_row(
        bytes: &[u8],
        delimiter: u8,
        limits: RowLimits,
        header: bool,
        named: &[CsvColumn],
    ) -> Result<Self, TableError> {
        let mut parser = Parser::new(delimiter, limits, 1);
        let (used, found) = parser.feed(bytes);
        match found {
            Found::Nothing => {}
            found => return Self::of_found(found, header, named),
        }
        debug_assert_eq!(used, bytes.len(), "only the end of a row leaves bytes over");
        Self::of_found(parser.end(), header, named)
    }

    fn of_found(found: Found<'_>, header: bool, named: &[CsvColumn]) -> Result<Self, TableError> {
        match found {
            Found::Nothing => Ok(Self::default()),
            Found::Bad(_, problem) => Err(TableError::Row(problem.text())),
            Found::Row(row) if header => Self::of_header(&row, named),
            Found::Row(row) => Self::without_header(row.len(), named),
        }
    }

    fn of_header(row: &Row<'_>, named: &[CsvColumn]) -> Result<Self, TableError> {
        let mut columns: Vec<Column> = Vec::with_capacity(row.len());
        let mut numbers = BTreeMap::new();
        for (number, name) in (1..).zip(row.fields()) {
            let name = std::str::from_utf8(name).map_err(|_| TableError::Utf8(number))?;
            if name.len() > MAX_NAME {
                return Err(TableError::Name(number));
            }
            // Spreadsheets like to write columns that have no name.
            let name = if name.is_empty() { unnamed(number) } else { name.to_owned() };
            if let Some(other) = numbers.insert(name.clone(), number) {
                return Err(TableError::Duplicate(other, number));
            }
            columns.push(Column::new(name, number));
        }
        for (number, column) in (1..).zip(named) {
            let found = numbers.get(&column.name).and_then(|number| columns.get_mut(number - 1));
            found.ok_or(TableError::Missing(number))?.declare(column);
        }
        Ok(Self { columns })
    }

    fn without_header(found: usize, named: &[CsvColumn]) -> Result<Self, TableError> {
        if !named.is_empty() && named.len() != found {
            return Err(TableError::Count { named: named.len(), found });
        }
        let column = |number: usize| match named.get(number - 1) {
            Some(column) => {
                let mut known = Column::new(column.name.clone(), number);
                known.declare(column);
                known
            }
            None => Column::new(unnamed(number), number),
        };
        Ok(Self { columns: (1..=found).map(column).collect() })
    }

    /// Writes a row as a JSON object, and a line feed.
    ///
    /// # Errors
    /// The first problem; all of them are passed to `each`, with their columns. What was written must be cut off then.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        mut each: impl FnMut(&str, Problem),
    ) -> Result<(), BadRow> {
        if row.len() != self.columns.len() {
            let (line, reason) = (row.line, Problem::ColumnCount);
            return Err(BadRow { line, column: None, reason, columns: Some(row.len()) });
        }
        let mut bad = None;
        for (column, field) in self.columns.iter().zip(row.fields()) {
            out.extend_from_slice(&column.key);
            if let Err(reason) = value::write(out, field, column.column_type, column.required) {
                each(&column.name, reason);
                bad.get_or_insert_with(|| BadRow {
                    line: row.line,
                    column: Some(column.name.clone()),
                    reason,
                    columns: None,
                });
            }
        }
        out.extend_from_slice(b"}\n");
        bad.map_or(Ok(()), Err)
    }
}

impl Column {
    fn new(name: String, number: usize) -> Self {
        let mut key = vec![if number == 1 { b'{' } else { b',' }];
        value::write_text(&mut key, &name);
        key.push(b':');
        Self { name, key, column_type: ColumnType::Text, required: false }
    }

    fn declare(&mut self, column: &CsvColumn) {
        self.column_type = column.column_type;
        self.required = column.required;
    }
}

/// The name of a column that has none.
fn unnamed(number: usize) -> String {
    format!("column_{number}")
}

/// Whether two of these have the same name.
pub(crate) fn is_named_twice(columns: &[CsvColumn]) -> bool {
    let names: BTreeSet<_> = columns.iter().map(|column| &column.name).collect();
    names.len() != columns.len()
}

#[cfg(test)]
mod tests {
    use lamplighter_jobs::ImportCsv;

    use super::*;

    const LIMITS: RowLimits = RowLimits { bytes: 1000, columns: 5 };

    fn of(row: &str, header: bool, named: &ImportCsv) -> Result<Table, TableError> {
        Table::of_first_row(row.as_bytes(), b',', LIMITS, header, &named.columns)
    }

    fn names(table: &Table) -> Vec<&str> {
        table.columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn columns_have_the_names_of_the_header() {
        let named = ImportCsv::of("a").required("n", ColumnType::Integer);
        let table = of("t,\"a \"\"b\"\"\",,n\r\n", true, &named).unwrap();
        assert_eq!(names(&table), ["t", "a \"b\"", "column_3", "n"]);
        assert_eq!((table.columns[3].column_type, table.columns[3].required), (ColumnType::Integer, true));
        assert_eq!(table.columns[1].key, br#","a \"b\"":"#);
        assert_eq!(of("", true, &ImportCsv::of("a")).unwrap(), Table::default());
    }

    #[test]
    fn columns_without_a_header_are_numbered_or_named_by_the_import() {
        assert_eq!(names(&of("1,2", false, &ImportCsv::of("a")).unwrap()), ["column_1", "column_2"]);
        let named = ImportCsv::of("a").column("x", ColumnType::Date).column("y", ColumnType::Text);
        assert_eq!(names(&of("1,2", false, &named).unwrap()), ["x", "y"]);
        assert_eq!(of("1,2,3", false, &named), Err(TableError::Count { named: 2, found: 3 }));
    }

    #[test]
    fn headers_that_cannot_be_used_are_refused_without_quoting_them() {
        let named = ImportCsv::of("a").column("b", ColumnType::Text).column("secret", ColumnType::Text);
        let long = "x".repeat(300);
        for (row, error) in [
            ("b,secret,b", "columns 1 and 3 have the same name in the header"),
            ("b,,column_2", "columns 2 and 3 have the same name in the header"),
            ("b,c", "number 2 of \"columns\" names no column of the header"),
            (&*format!("b,{long}"), "the name of column 2 in the header has more than 256 bytes"),
            ("b,\"secret\nand so on", "its first row cannot be read: a quotation mark is never closed"),
            ("a,b,c,d,e,f", "its first row cannot be read: the row has too many columns"),
            (&*"b".repeat(2000), "its first row cannot be read: the row is too large"),
        ] {
            assert_eq!(of(row, true, &named).unwrap_err().to_string(), error);
        }
        let bad = Table::of_first_row(b"a,\xff\n", b',', LIMITS, true, &[]);
        assert_eq!(bad, Err(TableError::Utf8(2)));
    }
}
