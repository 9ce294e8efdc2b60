//! The page docs/performance.md, and its pictures.

use std::{collections::BTreeSet, fmt::Write, fs};

use crate::{
    chart,
    error::{Result, at},
    figures::{self, Measure, Pair},
    lamplighter::FULL,
    machine::Machine,
    place,
    runs::{About, Line, OURS, Runs},
    startup,
    subjects::{PEERS, Peer, Variant},
};

/// The backlog of the first table and the pictures, if it was measured.
const USUAL: usize = 100_000;
/// The length of a line of prose.
const COLUMNS: usize = 120;
/// The load average for each processor above which the machine was busy with something else.
const BUSY: f64 = 2.0;
/// A peer is called faster below this ratio: what is above is within the noise of a machine.
pub(crate) const FASTER: f64 = 0.95;

/// Writes the page and the pictures into the documentation.
pub(crate) fn write(runs: &Runs) -> Result<()> {
    let docs = place::docs();
    let save = |name: &str, text: &str| {
        let file = docs.join(name);
        fs::write(&file, text).map_err(at("writing", &file))
    };
    let mut page = Page { runs, text: String::new() };
    let sizes = figures::sizes(runs);
    let usual = sizes.iter().copied().find(|size| *size == USUAL).or(sizes.last().copied());
    page.head();
    let Some(usual) = usual else {
        page.line("Nothing is measured yet.");
        return save("performance.md", &page.text);
    };
    page.summary(usual);
    page.faster(&sizes);
    for (name, title, measure) in [
        ("drain", format!("Drain, {} jobs waiting", grouped(usual as f64)), Measure::Drain(usual)),
        ("bulk", format!("Bulk enqueue, {} jobs", grouped(usual as f64)), Measure::Bulk(usual)),
        ("single", "Single enqueue, 64 callers".to_owned(), Measure::Single(64)),
    ] {
        if let Some(svg) = chart::draw(runs, &format!("{title}: jobs per second"), measure) {
            save(&format!("performance-{name}.svg"), &svg)?;
            page.line(&format!("![{title}: jobs per second of Lamplighter and each peer](performance-{name}.svg)\n"));
        }
    }
    page.durability();
    page.table("Drain", "From the start of the worker over a backlog.", sizes.iter().map(|size| Measure::Drain(*size)));
    page.table("Bulk enqueue", "Bulk calls of 10,000 jobs.", sizes.iter().map(|size| Measure::Bulk(*size)));
    page.table(
        "Single enqueue",
        "One call for each job, one after the other for each caller.",
        [1, 64].into_iter().map(Measure::Single),
    );
    page.settings();
    page.missing();
    page.lambda()?;
    page.again();
    save("performance.md", &format!("{}\n", page.text.trim_end()))
}

struct Page<'a> {
    runs: &'a Runs,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Writes a paragraph in lines of at most [`COLUMNS`].
    fn prose(&mut self, text: &str) {
        let mut length = 0;
        for word in text.split_whitespace() {
            let width = word.chars().count();
            if length > 0 && length + 1 + width > COLUMNS {
                self.text.push('\n');
                length = 0;
            } else if length > 0 {
                self.text.push(' ');
                length += 1;
            }
            self.text.push_str(word);
            length += width;
        }
        self.text.push_str("\n\n");
    }

    fn head(&mut self) {
        self.line("<!-- Written by `cargo run --release --manifest-path benches/peers/Cargo.toml -- page`. -->\n");
        self.line("# Performance beside peers\n");
        self.prose(
            "The embedded engine beside other job queues, on one machine, in turns: ours, the peer with its defaults, \
             the peer with the settings that its documentation names for speed, and again. Ours has its defaults, but \
             for one thing: where a peer's commits wait for the disk, ours do too in the runs beside it \
             (`Durability::Full`). What each survives is [below](#durability). Jobs do nothing, so what is measured is \
             the queue. A job counts when its completion is committed.",
        );
        if let Some(machine) = self.machine() {
            let Machine { processor, processors, memory_gib, system, rustc, commit, disk_wait_ms, at } = machine;
            let date = at.to_string();
            let date = date.split('T').next().unwrap_or_default();
            let text = format!(
                "Measured on {date} at commit `{commit}`: {processors} processors ({processor}), {memory_gib:.0} GiB, \
                 {system}, {rustc}; a small write waits {disk_wait_ms:.1} ms for the disk. The machine's load average \
                 when runs began was {} in the median, at most {}; a run itself is part of it.",
                self.load(0.5).map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1}")),
                self.load(1.0).map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1}")),
            );
            self.prose(&text);
            if self.load(0.5).is_some_and(|load| load > BUSY * processors as f64) {
                self.prose(
                    "**The machine was busy with other work meanwhile**: the ratios are rough, those of commits that \
                     wait for the disk most of all.",
                );
            }
        }
    }

    fn machine(&self) -> Option<Machine> {
        self.runs.lines.iter().rev().find_map(|line| match line {
            Line::Machine(machine) => Some(machine.clone()),
            _ => None,
        })
    }

    /// The load that so many of the runs began with at most.
    fn load(&self, share: f64) -> Option<f64> {
        let load = |line: &Line| match line {
            Line::Run { load, .. } => Some(*load),
            _ => None,
        };
        let mut loads: Vec<f64> = self.runs.lines.iter().filter_map(load).collect();
        loads.sort_by(f64::total_cmp);
        let at = ((loads.len().max(1) - 1) as f64 * share).round() as usize;
        loads.get(at).copied()
    }

    fn summary(&mut self, size: usize) {
        self.line("## In short\n");
        self.prose(&format!(
            "Ours relative to the peer: 2 means twice as many jobs per second, and in **bold** the peer is faster. \
             Medians of the rounds, with the lowest and the highest in brackets; {} jobs.",
            grouped(size as f64)
        ));
        self.line("| peer | settings | drain | bulk enqueue | single enqueue, 1 caller | 64 callers |");
        self.line("| --- | --- | --- | --- | --- | --- |");
        let measures = [Measure::Drain(size), Measure::Bulk(size), Measure::Single(1), Measure::Single(64)];
        for (peer, variant) in variants() {
            let cells: Vec<Option<Pair>> =
                measures.iter().map(|measure| figures::pair(self.runs, peer, variant, *measure)).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = cells.iter().map(|cell| cell.as_ref().map_or_else(String::new, spread)).collect();
            self.line(&format!("| {} ({}) | {} | {} |", peer.name, peer.kind, variant.name, cells.join(" | ")));
        }
        self.line("");
    }

    fn faster(&mut self, sizes: &[usize]) {
        let mut found = Vec::new();
        for (peer, variant) in variants() {
            let measures = sizes.iter().flat_map(|size| [Measure::Drain(*size), Measure::Bulk(*size)]);
            for measure in measures.chain([Measure::Single(1), Measure::Single(64)]) {
                let Some(pair) = figures::pair(self.runs, peer, variant, measure) else { continue };
                if pair.ratio.median < FASTER {
                    let times = ratio(1.0 / pair.ratio.median);
                    let about = figures::about(self.runs, Some(peer), peer.name, variant.name);
                    let less = about.is_some_and(|about| ["fragile", "snapshot"].contains(&&*about.survives));
                    let less = if less { ", with less durability" } else { "" };
                    let (peer, settings) = (peer.name, variant.name);
                    found.push(format!("- {peer}, {settings}: {}, {times} times ours{less}", words(measure)));
                }
            }
        }
        match found.is_empty() {
            true => self.line("No peer is faster in a measure here.\n"),
            false => self.line(&format!("Where a peer is faster:\n\n{}\n", found.join("\n"))),
        }
    }

    fn durability(&mut self) {
        self.line("## Durability\n");
        self.prose(
            "What an acknowledged job survives, by the settings that each process read back from its own store.",
        );
        self.line("| queue | settings | version | an acknowledged job survives | in force |");
        self.line("| --- | --- | --- | --- | --- |");
        let row = |name: &str, settings: &str, about: &About| {
            let in_force: Vec<String> = about
                .in_force
                .iter()
                .filter(|(name, _)| DECISIVE.iter().any(|wanted| name.starts_with(wanted)))
                .map(|(name, value)| format!("`{name}={}`", if value.is_empty() { "\"\"" } else { value }))
                .collect();
            let survives = survives(&about.survives);
            format!("| {name} | {settings} | {} | {survives} | {} |", about.version, in_force.join(", "))
        };
        for (variant, settings) in [("default", "default"), (FULL, "`Durability::Full`")] {
            if let Some(about) = figures::about(self.runs, None, OURS, variant) {
                self.line(&row("Lamplighter", settings, about));
            }
        }
        for (peer, variant) in variants() {
            if let Some(about) = figures::about(self.runs, Some(peer), peer.name, variant.name) {
                self.line(&row(peer.name, variant.name, about));
            }
        }
        self.line("");
    }

    fn table(&mut self, title: &str, what: &str, measures: impl Iterator<Item = Measure>) {
        self.line(&format!("## {title}\n"));
        self.prose(&format!("{what} Jobs per second, medians; the ratio's lowest and highest in brackets."));
        let is_single = title.starts_with("Single");
        let column = if is_single { "callers" } else { "jobs" };
        self.line(&format!("| {column} | peer | settings | ours ÷ peer | ours | peer | rounds |"));
        self.line("| --- | --- | --- | --- | --- | --- | --- |");
        let mut partial = false;
        for measure in measures {
            for (peer, variant) in variants() {
                let Some(pair) = figures::pair(self.runs, peer, variant, measure) else { continue };
                partial |= !pair.whole || !pair.ours_whole;
                let mark = |whole: bool| if whole { "" } else { " †" };
                let number = match measure {
                    Measure::Drain(number) | Measure::Bulk(number) | Measure::Single(number) => grouped(number as f64),
                };
                let (ours, theirs) = (rate(pair.ours.median), rate(pair.theirs.median));
                let text = format!(
                    "| {number} | {} | {} | {} | {ours}{} | {theirs}{} | {} |",
                    peer.name,
                    variant.name,
                    spread(&pair),
                    mark(pair.ours_whole),
                    mark(pair.whole),
                    pair.rounds
                );
                self.line(&text);
            }
        }
        if partial {
            self.line(
                "\n† Not measured to the end: the rate of the first seconds, with so many jobs waiting at the start.",
            );
        }
        self.line("");
    }

    fn settings(&mut self) {
        self.line("## Settings and notes\n");
        self.line("| peer | settings | what is set |");
        self.line("| --- | --- | --- |");
        for (peer, variant) in variants() {
            self.line(&format!("| {} | {} | {} |", peer.name, variant.name, variant.settings));
        }
        self.line("");
        for peer in PEERS {
            self.prose(&format!("**{}**: {}", peer.name, peer.note));
        }
        self.prose(
            "PostgreSQL and Redis run on the same machine, on a Unix socket, with their defaults unless the table \
             says otherwise.",
        );
    }

    fn missing(&mut self) {
        let reasons: Vec<String> = variants()
            .filter_map(|(peer, variant)| {
                let reason = figures::skipped(self.runs, peer, variant)?;
                Some(format!("- {}, {}: {reason}", peer.name, variant.name))
            })
            .collect();
        let reasons: BTreeSet<String> = reasons.into_iter().collect();
        if !reasons.is_empty() {
            self.line("## Not measured\n");
            let all: Vec<String> = reasons.into_iter().collect();
            self.line(&format!("{}\n", all.join("\n")));
        }
    }

    fn lambda(&mut self) -> Result<()> {
        let Some(report) = startup::read()? else { return Ok(()) };
        self.line("## Lambda bootstraps\n");
        self.prose(&format!(
            "The smallest functions without and with records beside a bare `lambda_runtime` hello world, in turns, \
             from exec to the first call of `/next`: {} processors, medians of {} turns.",
            report.cpus, report.turns
        ));
        self.line(
            "| bootstrap | wall ÷ hello | CPU ÷ hello | wall | hello | CPU | hello | peak | hello | bytes | hello |",
        );
        self.line("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for one in report.bootstraps.iter().filter(|one| ["stateless", "tracked"].contains(&&*one.name)) {
            let mebibytes = |kib: u64| kib as f64 / 1024.0;
            let text = format!(
                "| {} | {:.2} | {:.2} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} MiB | {:.1} MiB | {} | {} |",
                if one.name == "tracked" { "with records" } else { &one.name },
                one.wall_ratio,
                one.cpu_ratio,
                one.own.wall_ms,
                one.hello.wall_ms,
                one.own.cpu_ms,
                one.hello.cpu_ms,
                mebibytes(one.own.peak_kib),
                mebibytes(one.hello.peak_kib),
                grouped(one.own.bytes as f64),
                grouped(one.hello.bytes as f64),
            );
            self.line(&text);
        }
        self.line("");
        Ok(())
    }

    fn again(&mut self) {
        self.line("## Measure it yourself\n");
        self.line(
            "```sh\n\
             sudo apt-get install postgresql redis-server python3-venv     # or any on the PATH\n\
             cargo run --release --manifest-path benches/peers/Cargo.toml -- all --sizes 10k,100k,1M\n\
             ```\n",
        );
        self.prose(
            "It fetches the peers into `benches/peers/target`, starts the servers on sockets of their own, ends them, \
             and writes this page and `benches/peers/target/runs/runs.jsonl`, a line for each run. Interrupted, the \
             same command goes on where it was; `--fresh` begins anew, `--only huey,bullmq` measures some peers. What \
             cannot be fetched or run is skipped, and named on the page.",
        );
        self.prose(&format!(
            "A section on Lambda bootstraps is written too if there are figures of theirs: `cargo lamp-bench startup \
             --json > benches/peers/target/runs/{}`.",
            startup::FILE
        ));
    }
}

/// Settings in force that decide what a job survives.
const DECISIVE: [&str; 8] =
    ["journal_mode", "synchronous", "fsync", "appendonly", "appendfsync", "save", "server_version", "redis_version"];

fn survives(class: &str) -> &'static str {
    match class {
        "power" => "a loss of power: commits wait for the disk",
        "process" => "the death of the process",
        "fragile" => "the death of the process; a loss of power can damage the file",
        "snapshot" => "neither: what came since the last snapshot is lost",
        _ => "unknown",
    }
}

fn variants() -> impl Iterator<Item = (&'static Peer, &'static Variant)> {
    PEERS.iter().flat_map(|peer| peer.variants.iter().map(move |variant| (peer, variant)))
}

fn words(measure: Measure) -> String {
    match measure {
        Measure::Drain(jobs) => format!("drain of {}", grouped(jobs as f64)),
        Measure::Bulk(jobs) => format!("bulk enqueue of {}", grouped(jobs as f64)),
        Measure::Single(1) => "single enqueue, one caller".to_owned(),
        Measure::Single(callers) => format!("single enqueue, {callers} callers"),
    }
}

fn spread(pair: &Pair) -> String {
    let (median, lowest, highest) = (ratio(pair.ratio.median), ratio(pair.ratio.lowest), ratio(pair.ratio.highest));
    let median = if pair.ratio.median < FASTER { format!("**{median}**") } else { median };
    match pair.rounds {
        1 => median,
        _ => format!("{median} ({lowest}–{highest})"),
    }
}

/// A ratio with two significant digits, or more before the point.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        _ if value < 0.995 => format!("{value:.2}"),
        _ if value < 9.95 => format!("{value:.1}"),
        _ => grouped(significant(value, 2)),
    }
}

/// A rate with three significant digits.
pub(crate) fn rate(value: f64) -> String {
    match value {
        _ if value < 9.95 => format!("{value:.1}"),
        _ => grouped(significant(value, 3)),
    }
}

fn significant(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi((value.log10().floor() as i32 + 1 - digits).max(0));
    (value / unit).round() * unit
}

/// A whole number with commas between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        // Writing into a String does not fail.
        let _ = write!(text, "{digit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (ratio(0.614), ratio(1.0), ratio(3.149), ratio(14.2)),
            ("0.61".into(), "1.0".into(), "3.1".into(), "14".into())
        );
        assert_eq!((ratio(123_456.0), rate(123_456.0)), ("120,000".into(), "123,000".into()));
        assert_eq!((rate(0.5), rate(999.4), rate(1_000_000.0)), ("0.5".into(), "999".into(), "1,000,000".into()));
    }
}
