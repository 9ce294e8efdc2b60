//! The file of runs: one line of JSON each, so that an interrupted measurement goes on where it was.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, at},
    machine::Machine,
    place,
};

/// The name of ours among the subjects.
pub(crate) const OURS: &str = "lamplighter";

/// What a run is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The peer that it belongs to; ours is measured beside each.
    pub(crate) peer: String,
    /// The peer, or [`OURS`].
    pub(crate) subject: String,
    /// The settings.
    pub(crate) variant: String,
    /// Counted from 1.
    pub(crate) round: usize,
    /// The number of jobs that wait, for a cycle; else none.
    pub(crate) size: Option<usize>,
    /// The number of callers, for single jobs; else none.
    pub(crate) callers: Option<usize>,
}

/// A figure of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// `bulk`, `drain` or `single`.
    pub(crate) measure: String,
    pub(crate) jobs: usize,
    pub(crate) seconds: f64,
    /// Whether all jobs were meant and done, rather than those of the first seconds.
    pub(crate) whole: bool,
}

impl Figure {
    pub(crate) fn per_second(&self) -> f64 {
        self.jobs as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// What a driver told about itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) version: String,
    /// `power`, `process`, `fragile` or `snapshot`.
    pub(crate) survives: String,
    /// Settings that decide that, as read back.
    pub(crate) in_force: BTreeMap<String, String>,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Line {
    /// The machine, at the beginning of each measurement.
    Machine(Machine),
    /// A run with its figures.
    Run {
        #[serde(flatten)]
        key: Key,
        about: About,
        figures: Vec<Figure>,
        /// The machine's load average of the last minute when it began.
        load: f64,
        at: jiff::Timestamp,
    },
    /// A run that could not be made.
    Skipped {
        #[serde(flatten)]
        key: Key,
        reason: String,
    },
}

/// The lines of the file, and the file.
#[derive(Debug)]
pub(crate) struct Runs {
    file: PathBuf,
    pub(crate) lines: Vec<Line>,
}

impl Runs {
    /// Reads the file; it need not be there.
    pub(crate) fn open() -> Result<Self> {
        let file = place::runs()?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at("reading", &file)(error)),
        };
        // A line without its end was being written when the process died.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| {
            serde_json::from_str(line).map_err(|source| Error::Json { what: format!("in {}", file.display()), source })
        };
        let lines = whole.lines().map(read).collect::<Result<Vec<Line>>>()?;
        if whole.len() + 1 < text.len() {
            fs::write(&file, format!("{whole}\n")).map_err(at("writing", &file))?;
        }
        Ok(Self { file, lines })
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.lines.clear();
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at("removing", &self.file)(error)),
            _ => Ok(()),
        }
    }

    /// Whether this run is there.
    pub(crate) fn has(&self, wanted: &Key) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Run { key, .. } if key == wanted))
    }

    /// Appends a line.
    pub(crate) fn add(&mut self, line: Line) -> Result<()> {
        let json = serde_json::to_string(&line).map_err(|source| Error::Json { what: "a run".into(), source })?;
        let mut file =
            OpenOptions::new().append(true).create(true).open(&self.file).map_err(at("opening", &self.file))?;
        file.write_all(format!("{json}\n").as_bytes()).map_err(at("writing", &self.file))?;
        self.lines.push(line);
        Ok(())
    }
}
