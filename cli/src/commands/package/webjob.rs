//! `lamp package webjob`.

use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::PathBuf,
};

use clap::Args;
use lamplighter::schedule::Schedule;
use serde_json::json;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{plain, this_program};
use crate::{catalog::Catalog, error::Error, output};

/// Write the zip file of a WebJob of Azure App Service
///
/// Deploy it as the app's content, or copy its folder into the app's own content. WebJobs need Always On.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp package webjob --continuous -- --db /home/data/jobs.db
  lamp package webjob --triggered '0 3 * * *' -- --db /home/data/jobs.db")]
#[group(id = "kind", required = true, args = ["continuous", "triggered"])]
pub(super) struct WebJob {
    /// A job that runs all the time; Kudu announces its end with a file, which this program watches
    #[arg(long)]
    continuous: bool,
    /// A job that runs at these times, cron or rate, in UTC unless the app sets WEBSITE_TIME_ZONE; it ends when no jobs
    /// are left
    #[arg(long, value_name = "SCHEDULE")]
    triggered: Option<String>,
    /// The job's name
    #[arg(long, value_name = "NAME", default_value = "lamplighter")]
    name: String,
    /// The program to pack, built for the app's system; this one by default
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "webjob.zip")]
    output: PathBuf,
    /// The arguments of `lamp work`
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// The time that Kudu waits for a continuous job to stop: `stopping_wait_time`, 5 seconds by default.
const STOPPING_WAIT_SECS: u32 = 60;
/// The idle time after which a triggered job ends.
const IDLE_END: &str = "30s";

/// The operating system of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    Windows,
}

impl WebJob {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let named = self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) && !self.name.is_empty();
        if !named {
            return Err(Error::Usage(format!("{:?} cannot name a WebJob: letters, digits, - and _", self.name)));
        }
        let schedule = self.triggered.as_deref().map(ncrontab).transpose()?;
        let program = match &self.program {
            Some(program) => program.clone(),
            None => this_program()?,
        };
        let unreadable =
            |error: std::io::Error| Error::failed(format_args!("cannot read {}: {error}", program.display()));
        let mut source = File::open(&program).map_err(unreadable)?;
        let mut magic = [0; 4];
        source.read_exact(&mut magic).and_then(|()| source.rewind()).map_err(unreadable)?;
        let system = match &magic {
            b"\x7fELF" => System::Linux,
            [b'M', b'Z', ..] => System::Windows,
            _ => {
                let text = format!("{} is a program of neither Linux nor Windows", program.display());
                return Err(Error::Usage(text));
            }
        };
        let arguments = self.work()?;
        let unwritable = |error: String| Error::failed(format_args!("cannot write {}: {error}", self.output.display()));
        let target = File::create(&self.output).map_err(|error| unwritable(error.to_string()))?;
        self.pack(target, &mut source, system, (schedule.as_deref(), &arguments)).map_err(|error| {
            // A truncated zip file could be mistaken for a complete one.
            let _ = fs::remove_file(&self.output);
            unwritable(error.to_string())
        })?;
        let kind = if self.continuous { "continuous" } else { "triggered" };
        output::hint(&format!(
            "{} holds the {kind} WebJob {} of {}",
            self.output.display(),
            self.name,
            catalog.app().name
        ));
        Ok(())
    }

    /// Returns the arguments of the program.
    fn work(&self) -> Result<String, Error> {
        let mut all = vec!["work".to_owned()];
        all.extend(plain(&self.arguments)?.iter().cloned());
        let says =
            |option: &str| self.arguments.iter().any(|one| one == option || one.starts_with(&format!("{option}=")));
        if self.continuous && !says("--killed-after") {
            all.extend(["--killed-after".to_owned(), format!("{STOPPING_WAIT_SECS}s")]);
        }
        if !self.continuous && !says("--idle-end") {
            all.extend(["--idle-end".to_owned(), IDLE_END.to_owned()]);
        }
        Ok(all.join(" "))
    }

    fn pack(
        &self,
        target: File,
        source: &mut File,
        system: System,
        (schedule, arguments): (Option<&str>, &str),
    ) -> Result<(), Box<dyn std::error::Error>> {
        let folder = match self.continuous {
            true => format!("App_Data/jobs/continuous/{}", self.name),
            false => format!("App_Data/jobs/triggered/{}", self.name),
        };
        let settings = match schedule {
            Some(schedule) => json!({ "schedule": schedule }),
            // A file has one engine; a worker on queues may run everywhere.
            None => json!({ "is_singleton": true, "stopping_wait_time": STOPPING_WAIT_SECS }),
        };
        // The program replaces the script's process where it can, so that signals to the script reach it.
        let (script, text, program) = match system {
            System::Linux => ("run.sh", format!("#!/bin/sh\nexec \"$(dirname \"$0\")/lamp\" {arguments}\n"), "lamp"),
            System::Windows => ("run.cmd", format!("@\"%~dp0lamp.exe\" {arguments}\r\n"), "lamp.exe"),
        };
        let executable =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
        let plain = executable.unix_permissions(0o644);
        let mut zip = ZipWriter::new(target);
        zip.start_file(format!("{folder}/settings.job"), plain)?;
        zip.write_all(serde_json::to_string_pretty(&settings)?.as_bytes())?;
        zip.start_file(format!("{folder}/{script}"), executable)?;
        zip.write_all(text.as_bytes())?;
        zip.start_file(format!("{folder}/{program}"), executable.large_file(true))?;
        std::io::copy(source, &mut zip)?;
        zip.finish()?;
        Ok(())
    }
}

/// Returns the notation of `settings.job` (Kudu, "WebJobs", section "Scheduling a triggered WebJob").
fn ncrontab(schedule: &str) -> Result<String, Error> {
    let schedule = Schedule::parse("webjob", schedule).and_then(|schedule| schedule.ncrontab());
    schedule.map_err(|error| Error::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_translated_or_refused() {
        for (schedule, translated) in [("0 3 * * *", "0 0 3 * * *"), ("rate(5 minutes)", "0 */5 * * * *")] {
            assert_eq!(ncrontab(schedule).unwrap(), translated);
        }
        for (schedule, says) in
            [("0 0 3 * * *", "seconds"), ("0 3 L * ? *", "the last day"), ("rate(7 minutes)", "divides"), ("", "")]
        {
            let refused = ncrontab(schedule).unwrap_err().to_string();
            assert!(refused.contains(says), "{schedule}: {refused}");
        }
    }
}
