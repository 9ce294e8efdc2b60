//! Each contradiction between definitions, made by changing valid ones in one place, with the text of its error.

use crate::support::{
    BookOrder, Expire, FileLetter, MAILS, SendMail, handle, job, keeper, mail, minutely, orders, problems, schedules,
};
use lamplighter::{
    Definition, EventTrigger, Function, Options, Queue, Retry, ScheduledJob, Setting, hours, mins, schedule::Schedule,
    secs,
};
use lamplighter_infra::Deployment;

/// A function with one job on a queue of its own.
macro_rules! with_job {
    ($name:literal, $job:literal, $queue:expr, $options:expr) => {{
        job!(Only, $job, $queue, $options);
        Function::new($name).job(handle::<Only>).with_state(())
    }};
}

fn one_job() -> Function {
    with_job!("one", "one.job", Queue::standard("one"), Options::new())
}

#[test]
fn valid_definitions_have_no_problem() {
    assert_eq!(problems(&[mail(), orders()], &schedules()), Vec::<String>::new());
}

#[test]
fn all_problems_are_reported_together() {
    let book = |name| Function::new(name).job(handle::<BookOrder>).with_state(());
    let cron =
        |name: &str, expression: &str| Schedule::cron(name, expression).unwrap().starts(&BookOrder::default()).unwrap();
    let functions = [book("orders").memory_mb(64), book("others")];
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
fn problems_of_functions() {
    let breaks: Vec<(Function, &str)> = vec![
        (
            with_job!("o n e", "one.job", Queue::standard("one"), Options::new()),
            "function \"o n e\": a name is 1 to 40 characters of A-Z a-z 0-9 -",
        ),
        (one_job().memory_mb(64), "function \"one\": memory is 128 to 10240 MB, not 64"),
        (Function::new("none").with_state(()), "function \"none\": it performs no job; add one with .job(handler)"),
        (
            one_job().stateless().maintenance(),
            "function \"one\": it is the maintenance function, which needs records, and is stateless; remove one of the two",
        ),
        (
            one_job().stateless().manages_jobs(),
            "function \"one\": it manages jobs, which needs records, and is stateless; remove one of the two",
        ),
        (
            one_job().enqueues::<BookOrder>(),
            "function \"one\": it enqueues order.book, which no function performs: the job would wait forever; add a \
             handler, or remove its .enqueues::<…>()",
        ),
        (
            one_job().enqueues_to(Queue::standard("nowhere")),
            "function \"one\": it enqueues on queue \"nowhere\", which no function consumes: the jobs would wait forever; \
             add a handler for a job on it, or remove its .enqueues_to(…)",
        ),
        (
            one_job().enqueues_to(Queue::fifo("one")),
            "function \"one\": it declares queue \"one\" differently from the function that consumes it; share one constant",
        ),
        (
            {
                job!(Elsewhere, "one.job", Queue::standard("elsewhere"), Options::new());
                one_job().enqueues::<Elsewhere>()
            },
            "function \"one\": it enqueues one.job on queue \"elsewhere\", and function \"one\" takes it from queue \"one\", \
             or they declare the queue differently; share one type",
        ),
        (
            Function::new("one").job(handle::<BookOrder>).job(handle::<BookOrder>).with_state(()),
            "function \"one\": two handlers perform order.book; keep one",
        ),
        (
            one_job().on_event(EventTrigger::new::<SendMail>().source("shop")),
            "function \"one\": an event starts mail.send, which no handler here performs",
        ),
        (
            with_job!("one", "no job", Queue::standard("one"), Options::new()),
            "function \"one\": \"no job\" cannot name a job: 1 to 128 characters of A-Z a-z 0-9 . _ -",
        ),
        (
            with_job!("one", "one.job", Queue::standard("one"), Options::new().timeout(mins(15))),
            "function \"one\": one.job has a timeout of 900s; on Lambda it is above zero and at most 895s; give \
             its queue .host(QueueHost::Worker), and run it with `lamp work`",
        ),
        (
            one_job().environment("9LIVES", "yes"),
            "function \"one\": \"9LIVES\" cannot be an environment variable; use a letter and then letters, digits and _",
        ),
        (
            one_job().environment("LAMPLIGHTER_TABLE", "mine"),
            "function \"one\": the environment variable LAMPLIGHTER_TABLE is set by the template or by Lambda; use another",
        ),
        (
            one_job().environment("TWICE", "a").environment("TWICE", "b"),
            "function \"one\": the environment variable TWICE is set twice; keep one",
        ),
        (
            one_job().setting(Setting::text("LAMPLIGHTER_KMS_KEY_ARN", "A key")),
            "function \"one\": the setting LAMPLIGHTER_KMS_KEY_ARN would be the parameter KmsKeyArn, which the template \
             has already; rename it",
        ),
        (
            one_job().setting(Setting::text("LAMPLIGHTER_A_B", "A")).setting(Setting::text("A_B", "B")),
            "the settings LAMPLIGHTER_A_B and A_B would be one parameter; rename one",
        ),
        (
            Function::new("one").job(handle::<BookOrder>).on_event(EventTrigger::new::<BookOrder>()).with_state(()),
            "function \"one\": every event would start order.book; name a source, a detail type or a rule",
        ),
        (
            Function::new("one")
                .job(handle::<BookOrder>)
                .on_event(EventTrigger::new::<BookOrder>().rule("sweep"))
                .with_state(()),
            "function \"one\": a trigger starts order.book on rule \"sweep\", and no schedule of that name starts that \
             job; add one",
        ),
    ];
    for (function, sentence) in breaks {
        assert_eq!(problems(&[function], &[]), [sentence]);
    }
}

/// A job with a required argument.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ship {
    order: u64,
    #[serde(default)]
    note: String,
}

impl lamplighter::Job for Ship {
    const NAME: &'static str = "order.ship";
    const QUEUE: Queue = Queue::standard("ships");
}

/// The problems of a function with this event trigger.
fn of_trigger(trigger: EventTrigger) -> Vec<String> {
    let function = Function::new("ships").job(handle::<Ship>).on_event(trigger).with_state(());
    let begin = "function \"ships\": the event trigger of order.ship: ";
    let of = |sentence: String| sentence.strip_prefix(begin).unwrap_or(&sentence).to_owned();
    problems(&[function], &[]).into_iter().map(of).collect()
}

#[test]
fn problems_of_event_arguments() {
    let paid = || EventTrigger::new::<Ship>().source("shop").detail_type("Order Paid");
    let valid = [
        paid(),
        paid().arg("order", "$.detail.order.id").arg("note", "$.time"),
        paid().args(&Ship::default()),
        paid().args(&Ship::default()).arg("order", "$.detail.order.id"),
    ];
    for trigger in valid {
        assert_eq!(of_trigger(trigger), Vec::<String>::new());
    }
    let breaks = [
        (
            paid().arg("note", "$.time"),
            "the job needs order, and neither .arg(name, path) nor .args(job) sets it; map it, or give it a default",
        ),
        (
            paid().arg("order", "$.detail.id").arg("oder", "$.detail.id"),
            "the job has no argument \"oder\"; it has note, order",
        ),
        (
            paid().arg("order", "$.detail.id").arg("order", "$.detail.number"),
            "the argument \"order\" is taken from two places; keep one",
        ),
        (
            paid().arg("order", "detail.id"),
            "\"detail.id\" is not a path into an event; write $.detail.order.id, $.time or the like, with names only",
        ),
        (paid().arg("order", "$.time"), "$.time is a text, and the argument \"order\" takes \"integer\""),
        (
            paid().args(&SendMail { text: Some("hello".into()) }).arg("order", "$.detail.id"),
            "its .args(job) do not fit the job: Additional properties are not allowed ('text' was unexpected)",
        ),
    ];
    for (trigger, sentence) in breaks {
        assert_eq!(of_trigger(trigger), [sentence]);
    }
}

#[test]
fn problems_between_functions() {
    job!(Other, "mail.other", MAILS, Options::new());
    let other = Function::new("other").job(handle::<Other>).with_state(());
    assert_eq!(
        problems(&[mail(), other], &[]),
        [
            "queue \"mails\" is consumed by two functions, mail and other; a queue belongs to one, so give one of them a queue \
          of its own"
        ]
    );
    let twice = |name| Function::new(name).job(handle::<FileLetter>).with_state(());
    assert_eq!(
        problems(&[twice("a"), twice("b")], &[])[0],
        "job letter.file is performed by two functions, a and b; keep one handler"
    );
    let shared = |about| Setting::text("LAMPLIGHTER_SHARED", about);
    assert_eq!(
        problems(&[mail().setting(shared("This")), orders().setting(shared("That"))], &[]),
        ["functions mail and orders declare the setting LAMPLIGHTER_SHARED differently; share one constant"]
    );
    let error = Deployment::derive(&[orders()], &[Definition::of::<SendMail>()], &[]).unwrap_err();
    assert_eq!(
        error.sentences(),
        ["job mail.send is defined, but no function performs it: enqueued jobs would wait forever; add a handler or \
          remove the definition"]
    );
    job!(Alike, "alike", Queue::standard("one_"), Options::new());
    let alike = Function::new("alike").job(handle::<Alike>).with_state(());
    assert_eq!(
        problems(&[one_job(), alike], &[]),
        ["queue \"one\" and queue \"one_\" differ only in punctuation; rename one"]
    );
    job!(Same, "same", Queue::standard("same"), Options::new());
    let same = Function::new("one").job(handle::<Same>).with_state(());
    assert_eq!(problems(&[one_job(), same], &[]), ["the name function \"one\" is used twice; rename one"]);
}

#[test]
fn problems_of_queues() {
    let breaks: Vec<(Function, &str)> = vec![
        (
            with_job!("one", "one.job", Queue::standard("one").batch_size(11), Options::new()),
            "function \"one\": queue \"one\": a batch above 10 messages needs a window of at least one second",
        ),
        (
            with_job!("one", "one.job", Queue::standard("one").batch_size(0), Options::new()),
            "function \"one\": queue \"one\": a batch has at least one message",
        ),
        (
            with_job!("one", "one.job", Queue::fifo("one").batch_size(11), Options::new()),
            "function \"one\": queue \"one\": a FIFO queue's batch has at most 10 messages",
        ),
        (
            with_job!("one", "one.job", Queue::fifo("one").batch_window(secs(1)), Options::new()),
            "function \"one\": queue \"one\": a FIFO queue has no batch window",
        ),
        (
            with_job!("one", "one.job", Queue::standard("one").batch_window(secs(301)), Options::new()),
            "function \"one\": queue \"one\": a batch window is at most 300 seconds",
        ),
        (
            with_job!("one", "one.job", Queue::standard("one").max_concurrency(1), Options::new()),
            "function \"one\": queue \"one\": maximum concurrency is 2 to 1000",
        ),
        (
            with_job!(
                "one",
                "one.job",
                Queue::standard("a-name-of-fifty-characters-is-somewhat-too-long-now"),
                Options::new()
            ),
            "queue \"a-name-of-fifty-characters-is-somewhat-too-long-now\" has 51 characters; after the stack's name there \
             is room for 47",
        ),
        (
            with_job!("one", "one.job", Queue::standard("one-dlq"), Options::new()),
            "queue \"one-dlq\" has a name that another queue of the stack may have; rename it",
        ),
        (
            with_job!("one", "one.job", Queue::standard("undelivered-events"), Options::new()),
            "queue \"undelivered-events\" has a name that another queue of the stack may have; rename it",
        ),
        (
            with_job!(
                "one",
                "one.job",
                Queue::standard("one"),
                Options::new().retry(Retry::fixed(secs(1)).attempts(996))
            ),
            "job one.job has 996 attempts; SQS delivers a message at most 1000 times, so at most 995 attempts are possible",
        ),
        (
            with_job!(
                "one",
                "one.job",
                Queue::standard("one"),
                Options::new().retry(Retry::fixed(hours(13)).attempts(2))
            ),
            "job one.job may wait 13.0 hours between two attempts; SQS hides a message 12 hours at most, the attempt \
             included: cap the delays below that",
        ),
        (
            with_job!(
                "one",
                "one.job",
                Queue::standard("one"),
                Options::new().retry(Retry::fixed(hours(10)).attempts(40))
            ),
            "job one.job may retry for 16.3 days; SQS keeps a message 14 days at most, waiting included: set fewer \
             attempts or shorter delays, 13 days in all",
        ),
    ];
    for (function, sentence) in breaks {
        assert_eq!(problems(&[function], &[]), [sentence]);
    }
    job!(First, "first", Queue::standard("shared"), Options::new());
    job!(Second, "second", Queue::standard("shared").max_concurrency(5), Options::new());
    let shared = Function::new("one").job(handle::<First>).job(handle::<Second>).with_state(());
    assert_eq!(
        problems(&[shared], &[]),
        ["function \"one\": first and second declare queue \"shared\" differently; share one constant"]
    );
}

#[test]
fn problems_of_schedules() {
    let book = |schedule: Schedule| schedule.starts(&BookOrder::default()).unwrap();
    let cron = |name: &str, expression: &str| Schedule::cron(name, expression).unwrap();
    let long = BookOrder { text: Some("x".repeat(8192)) };
    let breaks: Vec<(ScheduledJob, &str)> = vec![
        (
            book(cron("no name", "@daily")),
            "schedule `no name`: the name must be 1-64 characters out of letters, digits and `_.-`",
        ),
        (
            book(cron("a-name-of-some-more-than-forty-characters-in-all", "@daily")),
            "schedule \"a-name-of-some-more-than-forty-characters-in-all\" has 48 characters; after the stack's name there \
             is room for 40",
        ),
        (
            book(cron("described", "@daily").description("x".repeat(513))),
            "schedule `described`: the description has 513 characters; at most 512 are allowed",
        ),
        (
            Schedule::rate("digest", mins(5)).unwrap().starts(&SendMail::default()).unwrap(),
            "schedule `digest` starts mail.send, which no function performs; add a handler for it",
        ),
        (
            Schedule::rate("long", mins(5)).unwrap().starts(&long).unwrap(),
            "schedule `long` starts order.book with a message of 8319 bytes; EventBridge sends 8192 at most: put the data \
             elsewhere and pass a reference",
        ),
    ];
    for (schedule, sentence) in breaks {
        assert_eq!(problems(&[orders()], &[schedule]), [sentence]);
    }
    // The text after the name comes from the core, and is tested there.
    for (schedule, begins) in [
        (book(cron("both", "0 6 1 * MON")), "schedule `both`: cron `0 6 1 * MON`"),
        (book(Schedule::rate("fast", secs(10)).unwrap()), "schedule `fast`: rate(10 seconds)"),
        (book(cron("mars", "@daily").zone("Mars/Olympus")), "schedule `mars`: "),
    ] {
        match problems(&[orders()], &[schedule]).as_slice() {
            [one] => assert!(one.starts_with(begins), "{one}"),
            more => panic!("{more:#?}"),
        }
    }
    assert_eq!(
        problems(&[orders()], &[book(cron("same", "@daily")), book(cron("same", "@hourly"))]),
        ["the name schedule \"same\" is used twice; rename one"]
    );
}

#[test]
fn problems_of_schedules_that_call_functions() {
    let args = Schedule::rate("expiry", mins(1)).unwrap();
    let args = args.starts(&Expire { text: Some("other".into()) }).unwrap();
    assert_eq!(
        problems(&[keeper()], &[args]),
        [
            "schedule `expiry` starts expiry.run with other arguments than the trigger of that name in function keeper; use \
          the same for both"
        ]
    );
    let zoned = Schedule::cron("expiry", "@daily").unwrap().zone("Asia/Tokyo");
    let zoned = zoned.starts(&Expire::default()).unwrap();
    assert_eq!(
        problems(&[keeper()], &[zoned]),
        [
            "schedule `expiry` is in a time zone or for one moment, which EventBridge rules do not support, so it cannot \
          call function keeper directly; remove the trigger of that name, and it sends to the job's queue"
        ]
    );
    assert_eq!(problems(&[keeper()], &[minutely()]), Vec::<String>::new());
}

#[test]
fn problems_of_environments() {
    let long: &'static str = "x".repeat(4000).leak();
    assert_eq!(problems(&[orders().environment("NOTES", "as short as this")], &[]), Vec::<String>::new());
    let all = problems(&[orders().environment("NOTES", long)], &[]);
    let bytes: usize =
        all[0].split("may take ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!((4096..6000).contains(&bytes), "{all:#?}");
    assert_eq!(
        all,
        [format!(
            "function \"orders\": its environment variables may take {bytes} bytes, and Lambda allows 4096; the URLs of 1 \
             queues use most of it: deploy some functions as a separate stack"
        )]
    );
}
