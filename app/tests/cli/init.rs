//! `lamp init`: the names and folders that it refuses, without writing anything. Another test, beside the end-to-end
//! tests, builds, tests and deploys a new workspace.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::Place;

/// This repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Returns all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, from: &Path, all: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, from, all),
                false => _ = all.insert(path.strip_prefix(from).unwrap().display().to_string()),
            }
        }
    }
    let mut all = BTreeSet::new();
    walk(folder, folder, &mut all);
    all
}

#[test]
fn a_wrong_command_writes_nothing() {
    let place = Place::new();
    place.write("file", "");
    fs::create_dir_all(place.path().join("full/inner")).unwrap();
    fs::create_dir(place.path().join("no-checkout")).unwrap();
    let refused = |args: &[&str], says: &[&str]| place.lamp(&[&["init"], args].concat()).fails(2, says);
    let named = |folder: &str, says: &[&str]| refused(&[folder, "--path", ROOT], says);
    named("Shop", &["\"Shop\" cannot name an app", "small letters", "--name"]);
    named("my shop", &["\"my shop\" cannot name an app"]);
    named("..", &["is not empty"]);
    named("fn", &["word of the Rust language", "--name"]);
    named("tokio", &["a crate or a program that is used here", "--name"]);
    named("lamplighter-shop", &["Lamplighter's own", "--name"]);
    named("a-shop-with-a-long-name-x", &["has 25 characters", "room for 23"]);
    named("full", &["full is not empty: it has inner"]);
    named("file", &["file is not a folder"]);
    named("file/shop", &["file/shop is not a folder"]);
    refused(&["shop", "--path", ROOT, "--name", "../up"], &["\"../up\" cannot name an app"]);
    refused(&["shop", "--path", ROOT, "--function", "Orders"], &["\"Orders\" cannot name a function"]);
    refused(&["shop", "--path", ROOT, "--function", "shop"], &["two crates"]);
    refused(&["shop", "--path", ROOT, "--function", "maintenance"], &["maintenance is the name of a crate"]);
    refused(&["shop", "--path", ROOT, "--job", "Orders.Send"], &["cannot name a new job"]);
    refused(&["shop", "--path", ROOT, "--job", "queues"], &["shared/jobs/src/queues.rs exists already"]);
    refused(&["shop"], &["--path", "--git", "--version"]);
    refused(&["shop", "--path", "nowhere"], &["cannot read nowhere"]);
    refused(
        &["shop", "--path", "no-checkout"],
        &["no-checkout is not a checkout of Lamplighter", "shared/lamplighter"],
    );
    refused(&["shop", "--git", "https://x/\n[patch]"], &["--git", "characters other"]);
    refused(&[&format!("{ROOT}/target/shop"), "--path", ROOT], &["inside Lamplighter's own repository"]);
    for usage in [&["shop", "--rev", "abc"][..], &["shop", "--path", ROOT, "--version", "1"], &[]] {
        assert_eq!(place.lamp(&[&["init"], usage].concat()).code, 2, "{usage:?}");
    }
    assert_eq!(files(place.path()), ["file".to_owned()].into());
}

#[test]
fn a_dry_run_lists_the_files_that_are_written_without_it() {
    let place = Place::new();
    let listed = place.lamp(&["init", "shop", "--path", ROOT, "--dry-run"]).ok();
    assert_eq!(files(place.path()), BTreeSet::new());
    let listed: BTreeSet<_> =
        listed.lines().map(|line| line.split_once("  would be created").unwrap().0.to_owned()).collect();
    let written = place.lamp(&["init", "shop", "--path", ROOT]).ok();
    let shop = place.path().join("shop");
    assert_eq!(files(&shop), listed);
    assert!(written.contains("cd shop") && written.contains("cargo lamp demo"), "{written}");
    let read = |path: &str| fs::read_to_string(shop.join(path)).unwrap();
    assert!(read(".cargo/config.toml").contains("--package shop --bin lamp"));
    assert!(read("infra/samconfig.toml").contains("stack_name = \"shop\""));
    assert!(read("infra/template.yaml").contains("GreetingsQueue:"));
    // The checkout's lock file, without the checkout's own crates.
    let lock = read("Cargo.lock");
    assert!(lock.contains("name = \"shop-jobs\"") && lock.contains("name = \"lamplighter-aws\""));
    assert!(!lock.contains("name = \"webhooks\"") && !lock.contains("name = \"lamplighter-tests\""));
}

#[test]
fn names_and_the_source_can_be_chosen() {
    let place = Place::new();
    let choice = ["--name", "my-shop", "--function", "bulk-orders", "--job", "order.confirm"];
    fs::create_dir_all(place.path().join("Some Folder/.git")).unwrap();
    place
        .lamp(
            &[&["init", "Some Folder", "--git", "https://example.com/lamplighter.git", "--rev", "abc"], &choice[..]]
                .concat(),
        )
        .ok();
    let read = |path: &str| fs::read_to_string(place.path().join("Some Folder").join(path)).unwrap();
    let manifest = read("Cargo.toml");
    for name in ["lamplighter", "lamplighter-aws", "lamplighter-cli"] {
        let line = format!("\n{name} = {{ git = \"https://example.com/lamplighter.git\", rev = \"abc\" }}\n");
        assert!(manifest.contains(&line), "{manifest}");
    }
    assert!(manifest.contains("\nbulk-orders = { path = \"functions/bulk-orders\" }\n"), "{manifest}");
    assert!(read("app/src/lib.rs").contains("    App::new(\"my-shop\")\n        .function(bulk_orders::function)\n"));
    assert!(read("app/src/main.rs").contains("lamplighter_cli::run(my_shop::app())"));
    assert!(read("shared/jobs/src/order_confirm.rs").contains("pub struct ConfirmOrder {"));
    let template = read("infra/template.yaml");
    for part in
        ["BulkOrdersQueue:", "BulkOrdersFunction:", "MaintenanceFunction:", "BulkOrdersDailyRule:", "order.confirm"]
    {
        assert!(template.contains(part), "{part} is missing in {template}");
    }
    assert!(!template.contains("Greetings"), "{template}");
    // The first build creates it.
    assert!(!place.path().join("Some Folder/Cargo.lock").exists());

    place.lamp(&["init", "versioned", "--version", "0.1"]).ok();
    let manifest = fs::read_to_string(place.path().join("versioned/Cargo.toml")).unwrap();
    assert!(manifest.contains("\nlamplighter-cli = \"0.1\"\n"), "{manifest}");
}

/// `lamp new` works without the first function and its job.
#[test]
fn the_first_function_can_be_removed() {
    let place = Place::new();
    place.lamp(&["init", "shop", "--path", ROOT]).ok();
    let shop = place.path().join("shop");
    let change = |path: &str, lines: &[(&str, &str)]| {
        let mut text = fs::read_to_string(shop.join(path)).unwrap();
        for (from, to) in lines {
            assert!(text.contains(from), "{from:?} is not in {path}: {text}");
            text = text.replace(from, to);
        }
        fs::write(shop.join(path), text).unwrap();
    };
    fs::remove_dir_all(shop.join("functions/greetings")).unwrap();
    fs::remove_file(shop.join("shared/jobs/src/greetings_send.rs")).unwrap();
    change("Cargo.toml", &[("greetings = { path = \"functions/greetings\" }\n", "")]);
    change("app/Cargo.toml", &[("greetings.workspace = true\n", "")]);
    change(
        "app/src/lib.rs",
        &[
            ("use shop_jobs::SendGreetings;\n", ""),
            ("\n        .function(greetings::function)", ""),
            ("\n        .example(SendGreetings { subject: Some(\"42\".into()) })", ""),
        ],
    );
    let daily = r#"Schedule::cron("greetings-daily", "0 6 * * *")?.starts(&SendGreetings::default())?"#;
    change(
        "shared/jobs/src/lib.rs",
        &[
            ("pub mod greetings_send;\n", ""),
            ("pub use self::greetings_send::SendGreetings;\n\n", ""),
            ("Definition::of::<SendGreetings>()", ""),
            (daily, ""),
            ("    schedule::{Schedule, ScheduleError},\n", "    schedule::ScheduleError,\n"),
        ],
    );
    let constant =
        "\n/// Jobs of the function `greetings`.\npub const GREETINGS: Queue = Queue::standard(\"greetings\");\n";
    change("shared/jobs/src/queues.rs", &[(constant, "")]);

    let mut command = place.command(&["new", "function", "orders"]);
    let output = command.current_dir(&shop).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |path: &str| fs::read_to_string(shop.join(path)).unwrap();
    assert!(
        read("app/src/lib.rs")
            .contains("App::new(\"shop\")\n        .function(orders::function)\n        .definitions(")
    );
    assert!(read("shared/jobs/src/lib.rs").contains("pub use self::orders_run::RunOrders;\n"));
    assert!(read("shared/jobs/src/lib.rs").contains("vec![Definition::of::<RunOrders>()]"));
    assert!(read("shared/jobs/src/queues.rs").ends_with("pub const ORDERS: Queue = Queue::standard(\"orders\");\n"));
    assert!(read("Cargo.toml").contains("orders = { path = \"functions/orders\" }\n"));
}
