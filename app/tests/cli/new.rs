//! `lamp new`: the names and files that it refuses, without writing anything. Another test, beside the end-to-end
//! tests, compiles, tests and deploys its output.

use std::{fs, path::Path, process::Command};

use crate::support::{Done, Place};

/// This repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A copy of the files of this repository that `lamp new` reads, in a folder of their own.
struct Copy(Place);

impl Copy {
    fn new() -> Self {
        let place = Place::new();
        let files = Command::new("git").args(["ls-files", "-z"]).current_dir(ROOT).output().unwrap();
        assert!(files.status.success(), "{files:?}; the files of the repository are what git says");
        for name in String::from_utf8(files.stdout).unwrap().split_terminator('\0') {
            let needed = [".rs", ".toml", "Cargo.lock"].iter().any(|end| name.ends_with(end));
            let from = Path::new(ROOT).join(name);
            if needed && from.exists() {
                let to = place.path().join(name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        Self(place)
    }

    fn lamp(&self, args: &[&str]) -> Done {
        self.0.lamp(&[&["new"], args].concat())
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn change(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{from:?} is not in {path}");
        self.0.write(path, &text.replace(from, to));
    }

    /// Returns all files and their contents.
    fn snapshot(&self) -> Vec<(String, String)> {
        fn walk(folder: &Path, all: &mut Vec<(String, String)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, all),
                    false => all.push((path.display().to_string(), fs::read_to_string(&path).unwrap())),
                }
            }
        }
        let mut all = Vec::new();
        walk(self.0.path(), &mut all);
        all.sort();
        all
    }
}

#[test]
fn a_wrong_name_is_refused_and_nothing_is_written() {
    let copy = Copy::new();
    let before = copy.snapshot();
    let function = |name: &str, more: &[&str], says: &[&str]| {
        copy.lamp(&[&["function", name], more].concat()).fails(2, says);
    };
    function("Invoices", &[], &["\"Invoices\"", "small letters"]);
    function("reports", &[], &["a function reports already", "lamp new job"]);
    function("type", &[], &["word of the Rust language"]);
    function("tokio", &[], &["crate or a program that is used here"]);
    function("lamp", &[], &["crate or a program that is used here"]);
    function("stateless", &[], &["crate or a program that is used here"]);
    function(&"x".repeat(34), &[], &["has 34 characters", "room for 33"]);
    function(
        "web-hooks",
        &["--job", "webhook.deliver"],
        &["a job webhook.deliver already", "shared/jobs/src/webhooks.rs"],
    );
    function("sweeps", &["--job", "maintenance.sweep"], &["maintenance.sweep would be one of Lamplighter's own jobs"]);
    function("sums", &["--job", "daily-report"], &["the type DailyReport, which report.daily is already"]);
    function("sums", &["--job", "error.job"], &["the type JobError", "something else is called that"]);
    function("quills", &["--job", "quills.move"], &["move is a word of the Rust language"]);
    function("quills", &["--job", "quills.main"], &["functions/quills/src/main.rs exists already"]);

    let job = |name: &str, more: &[&str], says: &[&str]| copy.lamp(&[&["job", name], more].concat()).fails(2, says);
    job("quills.send", &[], &["no function \"quills\"", "--function (", "webhooks", "lamp new function quills"]);
    job("web.hook", &["--function", "webhook"], &["did you mean \"webhooks\"?"]);
    job("reports.quills", &["--queue", "images"], &["queue images is consumed by function images"]);
    job("reports.quills", &["--queue", "undelivered-events"], &["a queue undelivered-events already"]);
    job("reports.quills", &["--queue", "Quills"], &["\"Quills\" cannot name a new queue"]);
    job("reports.dust", &["--function", "maintenance"], &["functions/maintenance has no src/lib.rs"]);
    job("reports.page", &[], &["functions/reports/src/page.rs exists already"]);
    job("report.daily", &["--function", "reports"], &["a job report.daily already"]);
    assert_eq!(copy.lamp(&["function", "quills", "--memory", "64"]).code, 2);
    assert_eq!(copy.snapshot(), before);
}

#[test]
fn a_wrong_schedule_is_refused_and_nothing_is_written() {
    let copy = Copy::new();
    let before = copy.snapshot();
    let schedule = |name: &str, more: &[&str]| copy.lamp(&[&["schedule", name], more].concat());
    let daily = ["--job", "report.daily"];
    let wrong = |name: &str, more: &[&str], says: &[&str]| schedule(name, &[&daily, more].concat()).fails(2, says);
    wrong("report-daily", &["--cron", "@daily"], &["a schedule report-daily already"]);
    wrong("report.daily", &["--cron", "@daily"], &["in punctuation only"]);
    wrong("maintenance", &["--cron", "@daily"], &["a schedule maintenance already"]);
    wrong("no name", &["--cron", "@daily"], &["no name", "1-64"]);
    wrong(&"x".repeat(41), &["--cron", "@daily"], &["has 41 characters", "room for 40"]);
    wrong("often", &["--cron", "61 * * * *"], &["often", "minutes"]);
    wrong("often", &["--cron", "rate(5 minutes)"], &["often", "rate(5"]);
    wrong("often", &["--cron", "0 0 13 * 5"], &["often"]);
    wrong("often", &["--rate", "1 minutes"], &["often", "singular"]);
    wrong("often", &["--rate", "30 seconds"], &["often", "once a minute"]);
    wrong("often", &["--at", "2020-01-01T00:00:00Z"], &["often", "have passed"]);
    wrong("often", &["--cron", "@daily", "--zone", "Mars/Olympus"], &["Mars/Olympus", "IANA"]);
    wrong("often", &["--cron", "@daily", "--args", r#"{"dya":1}"#], &["report.daily", "dya", "day"]);
    wrong("often", &["--cron", "@daily", "--args", r#"{"day":"soon"}"#], &["report.daily", "day"]);
    wrong("often", &["--cron", "@daily", "--description", &"x".repeat(513)], &["513 characters"]);
    let of = |job: &str| schedule("often", &["--cron", "@daily", "--job", job]);
    of("report.dayly").fails(2, &["no job \"report.dayly\"", "\"report.daily\""]);
    of("lamp.ping").fails(2, &["lamp.ping is not deployed"]);
    of("maintenance.sweep").fails(2, &["no job \"maintenance.sweep\""]);
    for usage in [
        &["--cron", "@daily"][..],
        &["--job", "report.daily"],
        &["--job", "report.daily", "--rate", "5 minutes", "--cron", "@daily"],
    ] {
        assert_eq!(schedule("often", usage).code, 2, "{usage:?}");
    }
    assert_eq!(copy.snapshot(), before);
}

#[test]
fn it_works_from_any_folder_of_a_repository_only() {
    let place = Place::new();
    place.lamp(&["new", "function", "quills"]).fails(2, &["is not in the workspace of a Lamplighter app"]);
    let copy = Copy::new();
    let mut command = copy.0.command(&["new", "function", "quills", "--dry-run"]);
    command.current_dir(copy.0.path().join("functions/reports/src"));
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("functions/quills/src/run.rs  would be created"));
}

#[test]
fn a_dry_run_shows_what_would_be_written() {
    let copy = Copy::new();
    let before = copy.snapshot();
    let shown = copy.lamp(&["function", "quills", "--memory", "256", "--dry-run"]).ok();
    for line in ["  + memory = 256", "  + pub mod quills_run;", "  + quills.workspace = true", "  + name = \"quills\""]
    {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} is missing in {shown}");
    }
    assert_eq!(copy.snapshot(), before);
}

#[test]
fn a_source_that_cannot_be_edited_is_named_and_nothing_is_written() {
    for (path, from, to, says) in [
        (
            "shared/jobs/src/lib.rs",
            "pub fn definitions()",
            "pub fn all()",
            "`Definition::of::<RunQuills>()` to shared/jobs/src/lib.rs: there is no `vec![…]` in `fn definitions`",
        ),
        ("app/src/lib.rs", "App::new(", "App::new((", "to app/src/lib.rs: line"),
        ("app/src/lib.rs", "App::new(", "App::of(", "`.function(quills::function)` to app/src/lib.rs"),
        ("app/Cargo.toml", "[dependencies]", "[other]", "`quills.workspace = true` to app/Cargo.toml"),
        ("Cargo.toml", "[workspace.dependencies]", "[workspace.deps]", "there is no `[workspace.dependencies]`"),
        ("shared/jobs/Cargo.toml", "name = ", "nome = ", "cannot read shared/jobs/Cargo.toml: there is no `name`"),
        // Cargo runs after everything is written.
        (
            "functions/reports/Cargo.toml",
            "[dependencies]\n",
            "[dependencies]\nnowhere.workspace = true\n",
            "cannot update Cargo.lock: cargo says: failed to load manifest",
        ),
        ("functions/reports/src/day.rs", "fn day", "fn fn day", "cannot read functions/reports/src/day.rs: line"),
    ] {
        let copy = Copy::new();
        copy.change(path, from, to);
        let before = copy.snapshot();
        let done = copy.lamp(&["function", "quills"]);
        assert_eq!((done.code, &*done.out), (1, ""), "{path}: {done:?}");
        assert!(done.err.contains(says) && done.err.trim_end().lines().count() == 1, "{path}: {done:?}");
        assert_eq!(copy.snapshot(), before, "{path}");
    }
}

#[test]
fn a_failed_write_restores_the_other_files() {
    let copy = Copy::new();
    copy.0.write("functions/quills", "a file where a folder should be");
    let before = copy.snapshot();
    copy.lamp(&["function", "quills"])
        .fails(1, &["cannot write functions/quills/Cargo.toml", "all files are restored"]);
    assert_eq!(copy.snapshot(), before);
}

/// The lock file is as cargo writes it.
#[test]
fn the_lock_file_has_the_new_crate() {
    let copy = Copy::new();
    let said = copy.lamp(&["function", "quills"]).ok();
    assert!(said.contains("changed  Cargo.lock"), "{said}");
    let lock = copy.read("Cargo.lock");
    let crate_of = "name = \"quills\"\nversion = \"0.1.0\"\ndependencies = [\n \"lamplighter\",\n \"lamplighter-aws\",";
    assert!(lock.contains(crate_of), "{lock}");
    let before = copy.snapshot();
    let output = Command::new(env!("CARGO"))
        .args(["update", "--workspace", "--locked", "--offline"])
        .current_dir(copy.0.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(copy.snapshot(), before);
}

#[test]
fn jobs_are_added_to_functions_of_any_shape() {
    let copy = Copy::new();
    copy.lamp(&["function", "quills", "--stateless", "--job", "quills.book"]).ok();
    let said = copy.lamp(&["job", "quills.send-all"]).ok();
    assert!(said.contains("created  functions/quills/src/send_all.rs") && !said.contains("lamp demo"), "{said}");
    let chain = ".stateless().job(book::book).job(send_all::send_all)";
    assert!(copy.read("functions/quills/src/lib.rs").replace(['\n', ' '], "").contains(chain));
    let definition = copy.read("shared/jobs/src/quills_send_all.rs");
    assert!(definition.contains("pub struct SendAllQuills {") && definition.contains(".untracked()"));

    copy.lamp(&["job", "image.crop", "--function", "images", "--queue", "crops"]).ok();
    assert!(copy.read("functions/images/src/lib.rs").contains("\n        .job(crop::crop)\n"));
    assert!(copy.read("shared/jobs/src/queues.rs").ends_with("pub const CROPS: Queue = Queue::standard(\"crops\");\n"));
    copy.lamp(&["job", "image.turn", "--function", "images"])
        .fails(2, &["several queues (images, ", "crops", "--queue"]);
    copy.lamp(&["job", "image.turn", "--function", "images", "--queue", "crops"]).ok();
    copy.lamp(&["job", "hook.test", "--function", "webhooks", "--queue", "crops"]).fails(2, &["by function images"]);

    let definitions = copy.read("shared/jobs/src/lib.rs");
    let places =
        ["CropImage", "MakeThumbnails", "TurnImage", "BookQuills", "SendAllQuills", "DailyReport", "DeliverWebhook"]
            .map(|name| definitions.find(&format!("Definition::of::<{name}>()")).unwrap());
    assert!(places.is_sorted(), "{definitions}");
}

#[test]
fn schedules_are_written_as_people_would() {
    let copy = Copy::new();
    let add =
        |name: &str, more: &[&str]| copy.lamp(&[&["schedule", name, "--job", "report.daily"], more].concat()).ok();
    let shown = add("quills-hourly", &["--cron", "0 * * * *"]);
    assert_eq!(shown.lines().rev().take(3).filter(|line| line.contains(":00:00Z  in ")).count(), 3, "{shown}");
    add("quills-berlin", &["--cron", "0 3 * * 1-5", "--zone", "Europe/Berlin", "--description", "What \"happened\""]);
    add("quills-again", &["--rate", "12 hours", "--args", r#"{"day": "2026-11-23"}"#]);
    add("quills-once", &["--at", "2199-12-24T18:00:00+01:00"]);
    let text = copy.read("shared/jobs/src/lib.rs");
    let wanted = [
        r##"        Schedule::parse("quills-again", "rate(12 hours)")?.starts_with::<DailyReport>(r#"{"day": "2026-11-23"}"#)?,
"##,
        r##"        Schedule::cron("quills-berlin", "0 3 * * 1-5")?
            .zone("Europe/Berlin")
            .description("What \"happened\"")
            .starts(&DailyReport::default())?,
"##,
        r##"        Schedule::cron("quills-hourly", "0 * * * *")?.starts(&DailyReport::default())?,
"##,
        r##"        Schedule::parse("quills-once", "at(2199-12-24T17:00:00Z)")?.starts(&DailyReport::default())?,
"##,
        r##"        Schedule::cron("report-daily", "##,
    ];
    let places = wanted.map(|lines| text.find(lines).unwrap_or_else(|| panic!("{lines} is missing in {text}")));
    assert!(places.is_sorted(), "{text}");
    copy.lamp(&["schedule", "quills-once", "--job", "report.daily", "--cron", "@daily"])
        .fails(2, &["a schedule quills-once already"]);
}

/// Without a formatter, the output of the templates is formatted already.
#[test]
fn it_is_formatted_with_and_without_a_formatter() {
    let texts = [None, Some("/nowhere/rustfmt")].map(|formatter| {
        let copy = Copy::new();
        for args in [
            &["new", "function", "quills"][..],
            &["new", "job", "quills.send"],
            &["new", "job", "quills.send-again"],
            &["new", "job", "image.crop", "--function", "images", "--queue", "crops"],
            &["new", "job", "image.turn", "--function", "images", "--queue", "crops"],
            &["new", "schedule", "quills-hourly", "--job", "report.daily", "--cron", "0 * * * *"],
        ] {
            let mut command = copy.0.command(args);
            command.envs(formatter.map(|formatter| ("RUSTFMT", formatter)));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        copy.snapshot().into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    });
    for (with, without) in texts[0].iter().zip(&texts[1]) {
        assert_eq!(with, without);
    }
    assert_eq!(texts[0].len(), texts[1].len());
}
