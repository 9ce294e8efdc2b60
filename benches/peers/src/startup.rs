//! The figures of `cargo lamp-bench startup`, if they are there.

use std::fs;

use serde::Deserialize;

use crate::{
    error::{Error, Result, at},
    place,
};

/// The file that `cargo lamp-bench startup --json` is to be written to.
pub(crate) const FILE: &str = "startup.json";

/// What is read of the report.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) cpus: usize,
    pub(crate) turns: usize,
    pub(crate) bootstraps: Vec<Compared>,
}

/// A bootstrap beside the hello world that ran in turns with it.
#[derive(Debug, Deserialize)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) own: Figures,
    pub(crate) hello: Figures,
    pub(crate) wall_ratio: f64,
    pub(crate) cpu_ratio: f64,
}

/// The figures of one of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub(crate) bytes: u64,
    pub(crate) wall_ms: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) peak_kib: u64,
}

/// Reads the report; none if it is not there.
pub(crate) fn read() -> Result<Option<Report>> {
    let file = place::target("runs")?.join(FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at("reading", &file)(error)),
    };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|source| Error::Json { what: format!("in {}", file.display()), source })
}
