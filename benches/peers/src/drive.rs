//! Runs a driver: a process for each run, with an empty file or database.

use std::{
    fs,
    io::Read,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    error::{Error, Result, at},
    place,
    runs::{About, Figure},
};

/// What a driver may take beyond the times that it is given: to start, to make tables, to fill in what is not timed.
const SLACK: Duration = Duration::from_secs(120);

/// A run of a driver.
#[derive(Debug)]
pub(crate) struct Drive {
    /// The program and its first arguments.
    pub(crate) command: Vec<PathBuf>,
    /// The driver's own arguments, in pairs of name and value.
    pub(crate) arguments: Vec<(&'static str, String)>,
    /// The server's socket; none for a fresh file.
    pub(crate) place: Option<String>,
    /// The sum of the times that it is given.
    pub(crate) time: Duration,
    /// The name of the log.
    pub(crate) log: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    About(About),
    Bulk(Counted),
    Drain(Counted),
    Single(Counted),
}

#[derive(Debug, Deserialize)]
struct Counted {
    jobs: usize,
    seconds: f64,
    #[serde(default = "yes")]
    whole: bool,
}

const fn yes() -> bool {
    true
}

impl Counted {
    fn figure(self, measure: &str) -> Figure {
        Figure { measure: measure.to_owned(), jobs: self.jobs, seconds: self.seconds, whole: self.whole }
    }
}

impl Drive {
    /// Runs it to its end.
    pub(crate) fn run(&self) -> Result<(About, Vec<Figure>)> {
        let (program, first) =
            self.command.split_first().ok_or_else(|| Error::Tool("a driver has no command".into()))?;
        // On the same disk as everything else: a file system in memory would not wait for a disk.
        let folder = TempDir::new_in(place::target("data")?)
            .map_err(|source| Error::Io { what: "making a folder for a file".into(), source })?;
        let place = self.place.clone().unwrap_or_else(|| folder.path().join("jobs.db").display().to_string());
        let log = place::target("logs")?.join(format!("{}.log", self.log));
        let mut command = Command::new(program);
        command.args(first);
        for (name, value) in &self.arguments {
            command.arg(format!("--{name}")).arg(value);
        }
        command.args(["--place", &place]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(&log).map_err(at("making", &log))?);
        // Its own group, so that what it starts can be ended with it.
        let mut process = command.process_group(0).spawn().map_err(at("starting", program))?;
        let mut out = process.stdout.take().ok_or_else(|| Error::Tool("a driver has no output".into()))?;
        let reader = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let began = Instant::now();
        let ended = loop {
            match process.try_wait().map_err(at("waiting for", program))? {
                Some(status) => break Some(status),
                None if began.elapsed() > self.time + SLACK => break None,
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        if ended.is_none() {
            let group = Pid::from_raw(i32::try_from(process.id()).unwrap_or_default());
            if group.as_raw() > 1 {
                // With what it started. It may have ended just now.
                let _ = killpg(group, Signal::SIGKILL);
            }
            let _ = process.wait();
        }
        let text = reader.join().ok().and_then(std::result::Result::ok).unwrap_or_default();
        let said = || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            last.chars().take(200).collect::<String>()
        };
        match ended {
            Some(status) if status.success() => read(&text),
            Some(status) => Err(Error::Tool(format!("the driver ended with {status}: {}", said()))),
            None => Err(Error::Tool(format!("the driver did not end within {:?}", self.time + SLACK))),
        }
    }
}

fn read(text: &str) -> Result<(About, Vec<Figure>)> {
    let (mut about, mut figures) = (About::default(), Vec::new());
    for line in text.lines() {
        let event =
            serde_json::from_str(line).map_err(|source| Error::Json { what: "a line of a driver".into(), source })?;
        match event {
            Event::About(told) => about = told,
            Event::Bulk(counted) => figures.push(counted.figure("bulk")),
            Event::Drain(counted) => figures.push(counted.figure("drain")),
            Event::Single(counted) => figures.push(counted.figure("single")),
        }
    }
    if figures.is_empty() {
        return Err(Error::Tool("the driver told no figure".into()));
    }
    Ok((about, figures))
}
