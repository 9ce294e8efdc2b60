//! `docs/infrastructure.md` names the template's parameters, outputs and alarms.

use lamplighter::{Function, Queue, QueueHost, Setting};
use lamplighter_infra::{Deployment, Template};

use crate::support::{derive, functions_of_every_kind, handle, job, schedules_of_every_kind};

job!(Ride, "ride.book", Queue::standard("rides"), lamplighter::Options::new());

const DOCUMENT: &str = include_str!("../../../docs/infrastructure.md");

/// Everything that a template can have, keys for secrets included.
fn deployment() -> Deployment {
    let keys = Setting::secret_arns("LAMPLIGHTER_COURIER_KEYS", "Keys of couriers");
    let courier = Function::new("courier").setting(keys).job(handle::<Ride>).with_state(());
    let functions: Vec<_> = functions_of_every_kind().into_iter().chain([courier]).collect();
    derive(&functions, &schedules_of_every_kind()).unwrap()
}

/// Functions' own settings are described where they are declared.
#[test]
fn parameters_and_outputs_are_explained() {
    let deployment = deployment();
    let template = Template::new(&deployment).to_json();
    let settings: Vec<_> =
        deployment.consumers().flat_map(|function| &function.settings).map(|one| one.parameter()).collect();
    for parameter in template["Parameters"].as_object().unwrap().keys().filter(|name| !settings.contains(name)) {
        assert!(DOCUMENT.contains(&format!("`{parameter}`")), "{parameter} is not in the document");
    }
    for output in template["Outputs"].as_object().unwrap().keys() {
        let pattern = ["QueueUrl", "DeadLettersUrl"].iter().find(|suffix| output.ends_with(**suffix));
        let name = pattern.map_or(output.clone(), |suffix| format!("<Queue>{suffix}"));
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name} is not in the document");
    }
}

#[test]
fn alarms_are_explained() {
    let deployment = deployment();
    let mut explained = vec![("undelivered-events".to_owned(), "undelivered-events".to_owned())];
    for queue in &deployment.queues {
        let suffixes = ["dead-letters", "age"].into_iter();
        explained.extend(suffixes.map(|suffix| (format!("{}-{suffix}", queue.name), format!("QUEUE-{suffix}"))));
        let jobs = queue.jobs.iter().filter(|_| queue.host != QueueHost::Worker);
        let name = |job: &String| format!("{}-{}-retries", queue.name, job.replace('.', "-"));
        explained.extend(jobs.map(|job| (name(job), "QUEUE-JOB-retries".to_owned())));
    }
    for function in &deployment.functions {
        let suffixes = ["errors", "throttles", "duration"].into_iter();
        explained.extend(suffixes.map(|suffix| (format!("{}-{suffix}", function.name), format!("FUNCTION-{suffix}"))));
    }
    let template = Template::new(&deployment).to_json();
    let resources = template["Resources"].as_object().unwrap().values();
    let names: Vec<_> = resources.filter_map(|one| one["Properties"]["AlarmName"]["Fn::Sub"].as_str()).collect();
    assert_eq!(names.len(), explained.len());
    for name in names {
        let name = name.strip_prefix("${AWS::StackName}-").unwrap();
        let (_, shown) = explained.iter().find(|(known, _)| known == name).unwrap();
        assert!(DOCUMENT.contains(&format!("`STACK-{shown}`")), "{shown} is not in the document");
    }
}

/// Finds broken links.
#[test]
fn linked_files_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let links = DOCUMENT.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<_> = links.filter(|link| link.starts_with("../")).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        assert!(root.join(file).exists(), "{file}");
    }
}
