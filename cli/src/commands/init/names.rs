//! The names in a new workspace.

use lamplighter_infra::MAX_STACK_NAME;

use super::super::new::{
    cargo,
    names::{self, JobName},
    survey::Survey,
};
use crate::error::Error;

/// The names that files are filled with.
#[derive(Debug)]
pub(super) struct Names {
    /// The app's, its crate's and its stack's.
    pub(super) app: String,
    /// The package of the definitions.
    pub(super) jobs: String,
    /// The first function's, its crate's and its queue's.
    pub(super) function: String,
    /// The queue's constant.
    pub(super) queue: String,
    /// The first job's.
    pub(super) job: JobName,
}

/// The crate of the library's own function.
const MAINTENANCE: &str = "maintenance";

impl Names {
    /// Fails where one cannot be used, or is used already: `lock` names the crates that are there.
    pub(super) fn new(app: &str, function: &str, job: &str, lock: Option<&str>) -> Result<Self, Error> {
        let mut survey = Survey::default();
        survey.crates.extend(
            ["lamplighter", "schemars", "serde", "serde-json", "tokio", "tracing", MAINTENANCE].map(str::to_owned),
        );
        let packages = lock.map(cargo::packages).transpose();
        let packages = packages.map_err(|reason| Error::failed(format_args!("cannot read Cargo.lock: {reason}")))?;
        // The checkout's own crates stay behind.
        survey.crates.extend(packages.into_iter().flatten().filter(|package| package.is_fetched).map(|one| one.name));
        survey.reserve_words(concat!(include_str!("templates/jobs/lib.rs"), include_str!("templates/app/lib.rs")));

        check_app(app, &survey)?;
        names::check_function(function, &survey)?;
        let jobs = format!("{app}-jobs");
        if [app, &jobs].contains(&function) {
            return Err(Error::Usage(format!(
                "{function} would be the name of two crates, the function's and one of the app's; choose another name \
                 with --name or --function"
            )));
        }
        let queue = names::check_queue(function, &survey)?;
        let job = JobName::new(job, &survey)?;
        Ok(Self { app: app.into(), jobs, function: function.into(), queue, job })
    }

    /// The first schedule's.
    pub(super) fn schedule(&self) -> String {
        format!("{}-daily", self.function)
    }
}

/// An app's name begins the names of all that a stack makes, and names a crate.
fn check_app(name: &str, survey: &Survey) -> Result<(), Error> {
    let advice = "choose a name with --name";
    if name.len() > MAX_STACK_NAME {
        return Err(Error::Usage(format!(
            "{name:?} has {} characters, and the name of an app and its stack has room for {MAX_STACK_NAME}; {advice}",
            name.len()
        )));
    }
    if name.starts_with("lamp") && (name == "lamp" || name.starts_with("lamplighter")) {
        return Err(Error::Usage(format!("{name:?} is a name of Lamplighter's own; {advice}")));
    }
    names::check_crate("an app and its crate", name, survey).map_err(|error| match error {
        Error::Usage(sentence) => Error::Usage(format!("{sentence}; {advice}")),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"axum\"\nsource = \"registry\"\n\n[[package]]\nname = \"webhooks\"\n";

    #[test]
    fn everything_is_called_after_the_app_and_the_function() {
        let names = Names::new("my-shop", "bulk-mail", "mail.send", Some(LOCK)).unwrap();
        assert_eq!((&*names.jobs, &*names.queue, &*names.schedule()), ("my-shop-jobs", "BULK_MAIL", "bulk-mail-daily"));
        assert_eq!((&*names.job.type_name, &*names.job.module), ("SendMail", "mail_send"));
        // A crate of the checkout's own is not in the way.
        Names::new("webhooks", "images", "images.run", Some(LOCK)).unwrap();
    }

    #[test]
    fn names_that_cannot_be_used_are_refused_in_a_sentence() {
        let refused = |app: &str, function: &str, job: &str, says: &str| {
            let error = Names::new(app, function, job, Some(LOCK)).unwrap_err().to_string();
            assert!(error.contains(says), "{app} {function} {job}: {error}");
        };
        for (app, says) in [
            ("", "small letters"),
            ("Shop", "small letters"),
            ("my_shop", "small letters"),
            ("../shop", "small letters"),
            ("shop\u{1b}[2J", "small letters"),
            ("2shop", "small letters"),
            ("fn", "word of the Rust language"),
            ("nul", "a device on Windows"),
            ("axum", "used here"),
            ("test", "used here"),
            ("maintenance", "used here"),
            ("lamp", "Lamplighter's own"),
            ("lamplighter-aws", "Lamplighter's own"),
            ("a-shop-with-a-long-name-x", "room for 23"),
        ] {
            refused(app, "greetings", "greetings.send", says);
            refused(app, "greetings", "greetings.send", "--name");
        }
        refused("shop", "shop", "shop.run", "two crates");
        refused("shop", "shop-jobs", "shop.run", "two crates");
        refused("shop", "maintenance", "shop.run", "used here");
        refused("shop", "Orders", "orders.run", "small letters");
        refused("shop", "orders", "app", "the type App");
        refused("shop", "orders", "run.test", "the type TestRun");
        refused("shop", "orders", "orders.fn", "word of the Rust language");
    }
}
