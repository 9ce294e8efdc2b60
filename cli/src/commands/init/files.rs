//! The files of a new workspace.

use super::{infrastructure, library, library::Library, names::Names};
use crate::{
    commands::new::{
        changes::Changes,
        function::NewFunction,
        job::{NewJob, TIMEOUT},
        template::{dependencies, fill},
    },
    error::Error,
};

/// The Rust that the workspace needs: that of the library.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Adds all files.
pub(super) fn make(
    names: &Names,
    library: &Library,
    lock: Option<String>,
    changes: &mut Changes<'_>,
) -> Result<(), Error> {
    let app_dependencies = dependencies(&[
        &format!("{}.workspace = true", names.function),
        &format!("{}.workspace = true", names.jobs),
        "lamplighter-cli.workspace = true",
        "lamplighter.workspace = true",
    ]);
    let sources = library::CRATES.map(|(name, folder)| (name, library.dependency(folder)));
    let maintenance = infrastructure::maintenance()?;
    let (memory, timeout) = (maintenance.memory_mb.to_string(), maintenance.timeout_secs.to_string());
    let (app_crate, jobs_crate) = (names.app.replace('-', "_"), names.jobs.replace('-', "_"));
    let function_crate = names.function.replace('-', "_");
    let schedule = names.schedule();
    let mut values = [
        ("name", &*names.app),
        ("name_crate", &app_crate),
        ("stack", &names.app),
        ("rust", RUST),
        ("jobs", &names.jobs),
        ("jobs_crate", &jobs_crate),
        ("function", &names.function),
        ("crate", &function_crate),
        ("queue", &names.queue),
        ("job", &names.job.name),
        ("type", &names.job.type_name),
        ("module", &names.job.module),
        ("schedule", &schedule),
        ("dependencies", &app_dependencies),
        ("memory", &memory),
        ("timeout", &timeout),
    ]
    .to_vec();
    values.extend(sources.iter().map(|(name, source)| (*name, &**source)));
    for (path, template) in FILES {
        changes.make(path, fill(template, &values))?;
    }
    if let Some(lock) = lock {
        changes.make("Cargo.lock", lock)?;
    }
    changes.make(lamplighter_infra::TEMPLATE_PATH, infrastructure::template(names)?)?;
    first_function(names, changes)
}

/// The files that begin as templates beside this file.
const FILES: [(&str, &str); 17] = [
    (".cargo/config.toml", include_str!("templates/cargo-config.toml")),
    (".github/workflows/ci.yml", include_str!("templates/ci.yml")),
    (".gitignore", include_str!("templates/gitignore")),
    ("Cargo.toml", include_str!("templates/manifest.toml")),
    ("README.md", include_str!("templates/README.md")),
    ("app/Cargo.toml", include_str!("templates/app/manifest.toml")),
    ("app/src/lib.rs", include_str!("templates/app/lib.rs")),
    ("app/src/main.rs", include_str!("templates/app/main.rs")),
    ("clippy.toml", include_str!("templates/clippy.toml")),
    ("functions/bootstrap.rs", include_str!("templates/functions/bootstrap.rs")),
    ("functions/maintenance/Cargo.toml", include_str!("templates/maintenance/manifest.toml")),
    ("functions/maintenance/src/main.rs", include_str!("templates/maintenance/main.rs")),
    ("infra/samconfig.toml", include_str!("templates/infra/samconfig.toml")),
    ("rustfmt.toml", include_str!("templates/rustfmt.toml")),
    ("shared/jobs/Cargo.toml", include_str!("templates/jobs/manifest.toml")),
    ("shared/jobs/src/lib.rs", include_str!("templates/jobs/lib.rs")),
    ("shared/jobs/src/queues.rs", include_str!("templates/jobs/queues.rs")),
];

/// The first function and its job, as `lamp new` makes them.
fn first_function(names: &Names, changes: &mut Changes<'_>) -> Result<(), Error> {
    let job = NewJob { name: names.job.clone(), queue: names.queue.clone(), timeout: TIMEOUT, untracked: false };
    changes.make(&format!("shared/jobs/src/{}.rs", names.job.module), job.definition(false))?;
    let inherited = ["version", "edition", "rust-version", "publish"].map(str::to_owned);
    let function = NewFunction {
        name: &names.function,
        job: &job,
        memory_mb: lamplighter::Function::DEFAULT_MEMORY_MB,
        stateless: false,
        jobs_package: &names.jobs,
        inherited: &inherited,
    };
    function.make(changes)
}
