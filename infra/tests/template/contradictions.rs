//! What does not fit together is told, all of it, with the definition's name.

use crate::support::{BookOrder, MAILS, SendDigest, SendMail, handle, job, mail, orders, problems, schedules};
use lamplighter::{
    Definition, EventTrigger, Function, Options, Queue, Retry, ScheduledJob, Setting, hours, mins, schedule::Schedule,
    secs,
};
use lamplighter_infra::Deployment;

/// The one sentence that there is.
fn only(functions: &[Function], schedules: &[ScheduledJob]) -> String {
    match problems(functions, schedules).as_slice() {
        [one] => one.clone(),
        all => panic!("{} sentences: {all:#?}", all.len()),
    }
}

fn function(name: &'static str) -> Function {
    Function::new(name).job(handle::<BookOrder>).with_state(())
}

fn cron(name: &str, expression: &str) -> ScheduledJob {
    Schedule::cron(name, expression).unwrap().starts(&BookOrder::default()).unwrap()
}

#[test]
fn sound_definitions_have_no_problem() {
    assert_eq!(problems(&[mail(), orders()], &schedules()), Vec::<String>::new());
}

#[test]
fn everything_is_told_at_once() {
    let functions = [function("orders").memory_mb(64), function("others")];
    let all = problems(&functions, &[cron("both days", "0 6 1 * MON"), cron("other", "@daily")]);
    let begins = [
        "function \"orders\": memory is 128 to 10240 MB",
        "job order.book is performed by two functions, orders and others",
        "schedule `both days`: the name",
        "schedule `both days`: cron",
        "queue \"orders\" is consumed by two functions, orders and others",
    ];
    assert_eq!(all.len(), begins.len(), "{all:#?}");
    for (sentence, begin) in all.iter().zip(begins) {
        assert!(sentence.starts_with(begin), "{sentence}");
    }
    let error = Deployment::derive(&functions, &[], &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("the definitions contradict themselves in 3 places:\n  - function \"orders\""),
        "{error}"
    );
}

#[test]
fn one_queue_has_one_consumer() {
    job!(Other, "mail.other", MAILS, Options::new());
    let all = problems(&[mail(), Function::new("other").job(handle::<Other>).with_state(())], &[]);
    assert!(all[0].starts_with("queue \"mails\" is consumed by two functions, mail and other"), "{all:#?}");
}

#[test]
fn a_schedule_needs_a_performer_and_a_name_of_its_own() {
    let digest = Schedule::rate("digest", mins(5)).unwrap().starts(&SendDigest::default()).unwrap();
    assert_eq!(
        only(&[function("orders")], &[digest]),
        "schedule `digest` starts mail.digest, which no function performs; add a handler for it"
    );
    let twice = [cron("same", "@daily"), cron("same", "@hourly")];
    assert_eq!(only(&[function("orders")], &twice), "there are two of the name schedule \"same\"; rename one");
    let alike = [cron("a-b", "@daily"), cron("a.b", "@hourly")];
    assert_eq!(
        only(&[function("orders")], &alike),
        "schedule \"a-b\" and schedule \"a.b\" differ in punctuation only; rename one"
    );
}

#[test]
fn what_aws_cannot_express_is_refused() {
    for (expression, says) in [("0 6 1 * MON", "schedule `odd`: cron"), ("*/7 * * * *", "")] {
        let all = problems(&[function("orders")], &[cron("odd", expression)]);
        assert_eq!(all.is_empty(), says.is_empty(), "{expression}: {all:#?}");
        assert!(all.iter().all(|sentence| sentence.starts_with(says)), "{all:#?}");
    }
    let fast = Schedule::rate("fast", secs(10)).unwrap().starts(&BookOrder::default()).unwrap();
    assert!(only(&[function("orders")], &[fast]).starts_with("schedule `fast`: "));
    let mars = Schedule::cron("mars", "@daily").unwrap().zone("Mars/Olympus").starts(&BookOrder::default()).unwrap();
    assert!(only(&[function("orders")], &[mars]).contains("Mars/Olympus"));
    let long = BookOrder { text: Some("x".repeat(8192)) };
    let long = Schedule::rate("long", mins(5)).unwrap().starts(&long).unwrap();
    assert!(only(&[function("orders")], &[long]).contains("8192 at most"));
}

#[test]
fn a_defined_job_needs_a_performer() {
    let definitions = [Definition::of::<BookOrder>(), Definition::of::<SendMail>()];
    let error = Deployment::derive(&[function("orders")], &definitions, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the definitions contradict themselves: job mail.send is defined, and no function performs it: what is \
         enqueued would wait for ever; add a handler or remove the definition"
    );
}

#[test]
fn retries_must_fit_sqs() {
    job!(Keen, "keen", Queue::standard("keen"), Options::new().retry(Retry::fixed(secs(1)).attempts(996)));
    job!(Slow, "slow", Queue::standard("slow"), Options::new().retry(Retry::fixed(hours(13)).attempts(2)));
    job!(Long, "long", Queue::standard("long"), Options::new().retry(Retry::fixed(hours(10)).attempts(40)));
    let all = problems(
        &[
            Function::new("a").job(handle::<Keen>).with_state(()),
            Function::new("b").job(handle::<Slow>).with_state(()),
            Function::new("c").job(handle::<Long>).with_state(()),
        ],
        &[],
    );
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[0].starts_with("job keen has 996 attempts") && all[0].ends_with("at most 995 attempts are possible"));
    assert!(all[1].starts_with("job slow may wait 13.0 hours between two attempts"), "{}", all[1]);
    assert!(all[2].starts_with("job long may go on retrying for 16.3 days"), "{}", all[2]);
}

#[test]
fn variables_are_ones_own() {
    let odd = function("orders")
        .environment("AWS_REGION", "x")
        .environment("LAMPLIGHTER_QUEUES", "x")
        .environment("MY VAR", "x")
        .environment("TWICE", "x")
        .setting(Setting::text("TWICE", "Something"))
        .setting(Setting::text("LAMPLIGHTER_LOG_LEVEL", "Something"));
    let all = problems(&[odd], &[]);
    for says in [
        "AWS_REGION is set by",
        "LAMPLIGHTER_QUEUES is set by",
        "\"MY VAR\" cannot be",
        "TWICE is there twice",
        "parameter LogLevel",
    ] {
        assert!(all.iter().any(|sentence| sentence.contains(says)), "{says}: {all:#?}");
    }
    assert_eq!(all.len(), 5);
    let shared = |about| Setting::text("LAMPLIGHTER_SHARED", about);
    let two = [mail().setting(shared("This")), orders().setting(shared("That"))];
    assert!(
        only(&two, &[]).starts_with("functions mail and orders declare the setting LAMPLIGHTER_SHARED differently")
    );
}

#[test]
fn triggers_have_a_pattern_or_a_schedule() {
    let everything = function("orders").on_event(EventTrigger::new::<BookOrder>());
    assert!(only(&[everything], &[]).contains("every event there is would start order.book"));
    let nothing = function("orders").on_event(EventTrigger::new::<BookOrder>().rule("sweep"));
    assert!(only(&[nothing], &[]).contains("no schedule of that name starts that job"));
    let zoned = Schedule::cron("sweep", "@daily").unwrap().zone("Asia/Tokyo").starts(&BookOrder::default()).unwrap();
    let direct = function("orders").on_event(EventTrigger::new::<BookOrder>().rule("sweep"));
    assert!(only(&[direct], &[zoned]).contains("it goes through the job's queue"));
    let args = Schedule::rate("sweep", mins(5)).unwrap().starts(&BookOrder { text: Some("x".into()) }).unwrap();
    let direct = function("orders").on_event(EventTrigger::new::<BookOrder>().rule("sweep"));
    assert!(only(&[direct], &[args]).contains("give both the same"));
}

#[test]
fn names_leave_room_for_the_stacks() {
    job!(Longest, "longest", Queue::standard("a-name-of-fifty-characters-is-somewhat-too-long-now"), Options::new());
    job!(Dead, "dead", Queue::standard("orders-dlq"), Options::new());
    let all = problems(
        &[
            Function::new("longest").job(handle::<Longest>).with_state(()),
            Function::new("dead").job(handle::<Dead>).with_state(()),
        ],
        &[],
    );
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].contains("behind the stack's name there is room for 47"), "{all:#?}");
    assert!(all[1].starts_with("queue \"orders-dlq\" has a name that another queue of the stack may get"), "{all:#?}");
}

#[test]
fn environment_variables_have_little_room() {
    let roomy = orders().environment("NOTES", "as short as this");
    assert_eq!(problems(&[roomy], &[]), Vec::<String>::new());
    let long: &'static str = "x".repeat(4000).leak();
    let crammed = only(&[orders().environment("NOTES", long)], &[]);
    assert!(crammed.starts_with("function \"orders\": its environment variables may take 48"), "{crammed}");
}
