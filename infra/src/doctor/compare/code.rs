//! Checks that functions run the code of these definitions.

use lamplighter_aws::{
    Code,
    lambda::{About, AboutJob},
};

use super::{Compare, Difference, Kind, Resource, Severity};

impl Compare<'_> {
    pub(super) fn code(&mut self, resource: &Resource, name: &str) {
        let Some(expected) = self.expected.code.iter().find(|about| about.function == name) else { return };
        let Some(code) = self.deployed.code.get(&resource.id) else { return };
        let differences = match code {
            Code::Strange(said) => {
                vec![(format!("asked which code it runs, it says: {said}"), "an answer with its jobs".to_owned())]
            }
            Code::About(found) => differences(found, expected),
        };
        if differences.is_empty() {
            self.check(resource, None);
        }
        let own = self.id(&resource.id);
        for (found, expected) in differences {
            let difference = Difference {
                kind: Kind::OldCode,
                severity: Severity::Error,
                found,
                expected,
                breaks: "jobs of these definitions are refused, dead-lettered, or run differently".into(),
                repair: format!(
                    "`cargo lambda build --profile bootstrap`, then `sam deploy`, or `cargo lambda deploy --binary-name {name} \
                     {own}`"
                ),
            };
            self.check(resource, Some(difference));
        }
    }
}

/// Returns the differences of the code, found and expected.
fn differences(found: &About, expected: &About) -> Vec<(String, String)> {
    if found.function != expected.function {
        return vec![(
            format!("it runs the code of function {}", found.function),
            format!("that of {}", expected.function),
        )];
    }
    let mut all = Vec::new();
    if found.version != expected.version {
        all.push((format!("built with version {}", found.version), format!("version {}", expected.version)));
    }
    for job in &expected.jobs {
        match found.jobs.iter().find(|one| one.job == job.job) {
            None => all.push((
                format!("its code does not know job {}", job.job),
                format!("{} on queue {}", job.job, job.queue),
            )),
            Some(found) => all.extend(of_job(found, job)),
        }
    }
    let strange = found.jobs.iter().filter(|job| !expected.jobs.iter().any(|one| one.job == job.job));
    all.extend(
        strange.map(|job| (format!("its code performs job {}", job.job), "no such job in the definitions".to_owned())),
    );
    all
}

fn of_job(found: &AboutJob, expected: &AboutJob) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let job = &expected.job;
    let mut differs = |what: &str, found: String, expected: String| {
        if found != expected {
            all.push((format!("job {job}: {what} {found}"), format!("{what} {expected}")));
        }
    };
    differs("queue", found.queue.clone(), expected.queue.clone());
    differs("timeout in ms", found.timeout_ms.to_string(), expected.timeout_ms.to_string());
    differs("attempts", found.attempts.to_string(), expected.attempts.to_string());
    differs("records kept:", found.tracked.to_string(), expected.tracked.to_string());
    if found.schema != expected.schema {
        let fields = |about: &AboutJob| {
            let names = about.schema["properties"].as_object().into_iter().flatten();
            names.map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ")
        };
        let (found, expected) = (fields(found), fields(expected));
        let same = found == expected;
        let of =
            |fields: String| if same { format!("its fields ({fields})") } else { format!("its fields are {fields}") };
        let (found, expected) = (of(found), of(expected));
        all.push(match same {
            true => (format!("job {job}: {found} are of other types"), "those of the definition".to_owned()),
            false => (format!("job {job}: {found}"), expected),
        });
    }
    all
}
