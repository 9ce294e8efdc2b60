//! Queues whose jobs run on workers.

use lamplighter::Queue;
use serde_json::json;

use crate::support::{
    SendMail, functions_of_every_kind, importer, job, kinds, mail, problems, properties, schedules_of_every_kind,
};

#[test]
fn a_queue_of_workers_has_no_function() {
    let json = kinds().to_json();
    let resources = json["Resources"].as_object().unwrap();
    for there in ["ImportsQueue", "ImportsDeadLetters", "ImportsQueuePolicy", "ImportsAgeAlarm", "WorkersAccess"] {
        assert!(resources.contains_key(there), "{there}");
    }
    for absent in ["ImportsMapping", "ImporterFunction", "ImporterRole", "ImporterErrorsAlarm"] {
        assert!(!resources.contains_key(absent), "{absent}");
    }
    let queue = properties(&kinds(), "ImportsQueue");
    assert_eq!(queue["VisibilityTimeout"], 120, "workers hide what they take themselves");
    assert!(json["Outputs"]["ImportsQueueUrl"].is_object() && json["Outputs"]["WorkersPolicyArn"].is_object());
    assert!(json["Parameters"]["ImportFrom"].is_object(), "a setting is a parameter wherever its function runs");
}

#[test]
fn a_worker_may_do_what_its_functions_may_and_no_more() {
    let policy = properties(&kinds(), "WorkersAccess");
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    let of = |sid: &str| statements.iter().find(|one| one["Sid"] == sid).unwrap_or_else(|| panic!("{sid}"));
    let arn = |id: &str| json!([{ "Fn::GetAtt": [id, "Arn"] }]);
    assert_eq!(of("TakeMessages")["Resource"], arn("ImportsQueue"));
    assert_eq!(of("TellPresence")["Resource"], arn("ImportsQueue"));
    assert_eq!(of("BuryMessages")["Resource"], arn("ImportsDeadLetters"));
    assert_eq!(of("FindStack")["Resource"], json!([{ "Ref": "AWS::StackId" }]));
    assert!(of("UseObjects").is_object() && of("KeepRecords").is_object());
    assert!(!statements.iter().any(|one| one["Sid"] == "WatchQueues"), "{statements:?}");
}

#[test]
fn a_service_of_amazon_ecs_is_behind_a_parameter() {
    let json = kinds().to_json();
    assert_eq!(json["Parameters"]["WorkerImage"]["Default"], "");
    for id in ["WorkersCluster", "WorkersLogs", "WorkersRole", "WorkersService", "WorkersStarter", "WorkersTask"] {
        assert_eq!(json["Resources"][id]["Condition"], "HasWorkerImage", "{id}");
    }
    let container = &properties(&kinds(), "WorkersTask")["ContainerDefinitions"][0];
    assert_eq!((&container["StopTimeout"], &container["ReadonlyRootFilesystem"]), (&json!(120), &json!(true)));
    let names: Vec<_> = container["Environment"].as_array().unwrap().iter().map(|one| one["Name"].clone()).collect();
    for name in ["LAMPLIGHTER_QUEUES", "LAMPLIGHTER_TABLE", "LAMPLIGHTER_OBJECTS", "LAMPLIGHTER_IMPORT_FROM"] {
        assert!(names.contains(&json!(name)), "{name} is missing in {names:?}");
    }
}

#[test]
fn without_such_a_queue_there_is_nothing_of_workers() {
    let others: Vec<_> = functions_of_every_kind().into_iter().filter(|one| one.name() != "importer").collect();
    let template =
        lamplighter_infra::Template::new(&crate::support::derive(&others, &schedules_of_every_kind()).unwrap())
            .to_json();
    assert!(!template.to_string().contains("Worker"));
}

#[test]
fn a_job_of_hours_belongs_on_a_worker() {
    job!(Slow, "slow.run", Queue::standard("slow"), lamplighter::Options::new().timeout(lamplighter::hours(3)));
    let slow = lamplighter::Function::new("slow").job(crate::support::handle::<Slow>).with_state(());
    let said = problems(&[slow], &[]);
    assert!(said.iter().any(|one| one.contains(".host(QueueHost::Worker)") && one.contains("lamp work")), "{said:?}");
    assert_eq!(problems(&[mail(), importer()], &[]), Vec::<String>::new());
    let workers = lamplighter::Function::new("workers").job(crate::support::handle::<SendMail>).with_state(());
    let said = problems(&[workers], &[]);
    assert!(said.iter().any(|one| one.contains("has the name of the workers")), "{said:?}");
}
