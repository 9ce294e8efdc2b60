//! Whether a function runs the code of these definitions.

use lamplighter_aws::{
    Code,
    lambda::{About, AboutJob},
};

use super::{Compare, Difference, Kind, Resource, Severity};

impl Compare<'_> {
    pub(super) fn code(&mut self, resource: &Resource, name: &str) {
        let Some(wanted) = self.wanted.code.iter().find(|about| about.function == name) else { return };
        let Some(code) = self.deployed.code.get(&resource.id) else { return };
        let differences = match code {
            Code::Strange(said) => {
                vec![(format!("asked what code it is, it says: {said}"), "an answer that tells its jobs".to_owned())]
            }
            Code::About(found) => differences(found, wanted),
        };
        if differences.is_empty() {
            self.check(resource, None);
        }
        let own = self.id(&resource.id);
        for (found, wanted) in differences {
            let difference = Difference {
                kind: Kind::OldCode,
                severity: Severity::Error,
                found,
                wanted,
                breaks: "jobs as these definitions have them are refused, buried, or run in another way".into(),
                mend: format!(
                    "`cargo lambda build --profile bootstrap`, then `sam deploy`, or `cargo lambda deploy --binary-name {name} \
                     {own}`"
                ),
            };
            self.check(resource, Some(difference));
        }
    }
}

/// How code differs, found and wanted.
fn differences(found: &About, wanted: &About) -> Vec<(String, String)> {
    if found.function != wanted.function {
        return vec![(
            format!("it runs the code of function {}", found.function),
            format!("that of {}", wanted.function),
        )];
    }
    let mut all = Vec::new();
    if found.version != wanted.version {
        all.push((format!("built with version {}", found.version), format!("version {}", wanted.version)));
    }
    for job in &wanted.jobs {
        match found.jobs.iter().find(|one| one.job == job.job) {
            None => all.push((
                format!("its code does not know job {}", job.job),
                format!("{} on queue {}", job.job, job.queue),
            )),
            Some(found) => all.extend(of_job(found, job)),
        }
    }
    let strange = found.jobs.iter().filter(|job| !wanted.jobs.iter().any(|one| one.job == job.job));
    all.extend(
        strange.map(|job| (format!("its code performs job {}", job.job), "no such job in the definitions".to_owned())),
    );
    all
}

fn of_job(found: &AboutJob, wanted: &AboutJob) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let job = &wanted.job;
    let mut differs = |what: &str, found: String, wanted: String| {
        if found != wanted {
            all.push((format!("job {job}: {what} {found}"), format!("{what} {wanted}")));
        }
    };
    differs("queue", found.queue.clone(), wanted.queue.clone());
    differs("timeout in ms", found.timeout_ms.to_string(), wanted.timeout_ms.to_string());
    differs("attempts", found.attempts.to_string(), wanted.attempts.to_string());
    differs("records kept:", found.tracked.to_string(), wanted.tracked.to_string());
    if found.schema != wanted.schema {
        let fields = |about: &AboutJob| {
            let names = about.schema["properties"].as_object().into_iter().flatten();
            names.map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ")
        };
        let (found, wanted) = (fields(found), fields(wanted));
        let same = found == wanted;
        let of =
            |fields: String| if same { format!("its fields ({fields})") } else { format!("its fields are {fields}") };
        let (found, wanted) = (of(found), of(wanted));
        all.push(match same {
            true => (format!("job {job}: {found} are of other types"), "those of the definition".to_owned()),
            false => (format!("job {job}: {found}"), wanted),
        });
    }
    all
}
