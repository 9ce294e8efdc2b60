//! The rules of a deployed folder: its `host.json`, and the `function.json` of each function.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde::Deserialize;

use super::error::{Error, Result, io};

/// The parts of `host.json` that the host needs here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Host {
    #[serde(deserialize_with = "time")]
    pub(super) function_timeout: Duration,
    pub(super) extensions: Extensions,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Extensions {
    pub(super) queues: Queues,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queues {
    pub(super) batch_size: usize,
    pub(super) new_batch_threshold: usize,
    pub(super) max_dequeue_count: u32,
    #[serde(deserialize_with = "time")]
    pub(super) visibility_timeout: Duration,
}

/// A trigger, as a `function.json` binds it.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Trigger {
    #[serde(rename = "queueTrigger", rename_all = "camelCase")]
    Queue { name: String, queue_name: String },
    #[serde(rename = "timerTrigger")]
    Timer { name: String },
}

#[derive(Deserialize)]
struct Function {
    bindings: Vec<Trigger>,
}

/// Reads a folder's rules.
pub(super) fn read(folder: &Path) -> Result<(Host, BTreeMap<String, Trigger>)> {
    let host = parse(&folder.join("host.json"))?;
    let mut triggers = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io("reading", folder))? {
        let entry = entry.map_err(io("reading", folder))?;
        let file = entry.path().join("function.json");
        if file.is_file() {
            let Function { bindings } = parse(&file)?;
            let [trigger] = <[Trigger; 1]>::try_from(bindings)
                .map_err(|_| Error::Host(format!("{} has not one binding", file.display())))?;
            triggers.insert(entry.file_name().to_string_lossy().into_owned(), trigger);
        }
    }
    Ok((host, triggers))
}

fn parse<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<T> {
    let text = fs::read_to_string(file).map_err(io("reading", file))?;
    serde_json::from_str(&text).map_err(|error| Error::Host(format!("{}: {error}", file.display())))
}

/// Parses `hh:mm:ss`.
fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split(':').map(str::parse::<u64>);
    let seconds = parts.collect::<Result<Vec<_>, _>>().ok().filter(|parts| parts.len() == 3);
    let seconds = seconds.map(|parts| parts.iter().fold(0, |all, part| all * 60 + part));
    seconds.map(Duration::from_secs).ok_or_else(|| serde::de::Error::custom("not hh:mm:ss"))
}
