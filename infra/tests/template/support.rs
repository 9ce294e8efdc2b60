//! Functions to derive templates from.

use lamplighter::{
    Context, DashboardFunction, EventTrigger, Function, Job, JobError, Options, Queue, QueueHost, Retry, ScheduledJob,
    Setting, hours, mins, schedule::Schedule, secs,
};
use lamplighter_infra::{Deployment, Problems, Template};
use serde_json::Value;

/// A job type: its name, its queue, its options.
macro_rules! job_type {
    ($type:ident, $name:literal, $queue:expr, $options:expr) => {
        #[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub(crate) struct $type {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub(crate) text: Option<String>,
        }
        impl lamplighter::Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: lamplighter::Queue = $queue;
            fn options() -> lamplighter::Options {
                $options
            }
        }
    };
}
pub(crate) use job_type as job;

pub(crate) const MAILS: Queue = Queue::standard("mails").batch_size(100).batch_window(secs(10)).max_concurrency(50);
pub(crate) const ORDERS: Queue = Queue::fifo("orders");

job_type!(SendMail, "mail.send", MAILS, Options::new().timeout(secs(20)).retry(Retry::fixed(secs(30)).attempts(4)));
job_type!(SendDigest, "mail.digest", MAILS, Options::new().timeout(mins(3)).retry(Retry::fixed(secs(30)).attempts(12)));
job_type!(
    BookOrder,
    "order.book",
    ORDERS,
    Options::new().timeout(secs(10)).retry(Retry::exponential(hours(1)).attempts(3))
);

job_type!(FileLetter, "letter.file", Queue::standard("letters"), Options::new().untracked());
job_type!(Plan, "plan.make", Queue::standard("plans"), Options::new());
job_type!(Answer, "call.answer", Queue::standard("calls"), Options::new());
job_type!(
    Import,
    "import.run",
    Queue::standard("imports").host(QueueHost::Worker),
    Options::new().timeout(hours(3)).retry(Retry::fixed(mins(5)).attempts(2))
);
job_type!(Expire, "expiry.run", Queue::standard("expiry"), Options::new().timeout(secs(50)));

pub(crate) async fn handle<J: Job>(_: J, _: Context) -> Result<(), JobError> {
    Ok(())
}

pub(crate) fn mail() -> Function {
    Function::new("mail")
        .description("Sends mails")
        .memory_mb(256)
        .environment("LAMPLIGHTER_MAIL_HOST", "mail.example.com")
        .setting(Setting::secret("LAMPLIGHTER_MAIL_TOKEN", "The mail service's token"))
        .on_event(EventTrigger::new::<SendMail>().source("shop").detail_type("Order Paid"))
        .enqueues::<SendMail>()
        .job(handle::<SendMail>)
        .job(handle::<SendDigest>)
        .with_state(())
}

pub(crate) fn orders() -> Function {
    Function::new("orders").uses_objects().job(handle::<BookOrder>).with_state(())
}

/// A function that keeps no records.
pub(crate) fn clerk() -> Function {
    Function::new("clerk").stateless().job(handle::<FileLetter>).with_state(())
}

/// A function whose handlers create schedules.
pub(crate) fn planner() -> Function {
    Function::new("planner").schedules().job(handle::<Plan>).with_state(())
}

/// A function whose handlers cancel jobs and run ended ones again.
pub(crate) fn desk() -> Function {
    Function::new("desk").manages_jobs().job(handle::<Answer>).with_state(())
}

/// A function whose jobs run on workers.
pub(crate) fn importer() -> Function {
    Function::new("importer")
        .memory_mb(1024)
        .uses_objects()
        .setting(Setting::text("LAMPLIGHTER_IMPORT_FROM", "Where imports come from"))
        .enqueues::<SendMail>()
        .job(handle::<Import>)
        .with_state(())
}

/// The maintenance function, called by a rule.
pub(crate) fn keeper() -> Function {
    let each_minute = EventTrigger::new::<Expire>().rule("expiry").args(&Expire::default());
    Function::new("keeper").maintenance().on_event(each_minute).job(handle::<Expire>).with_state(())
}

/// The schedule that calls it.
pub(crate) fn minutely() -> ScheduledJob {
    Schedule::rate("expiry", mins(1)).unwrap().starts(&Expire::default()).unwrap()
}

pub(crate) fn schedules() -> Vec<ScheduledJob> {
    let digest = SendDigest { text: Some("to <all> & \"some\"".into()) };
    vec![
        Schedule::cron("digest", "0 6 * * *").unwrap().description("Mails of the day").starts(&digest).unwrap(),
        Schedule::cron("book.berlin", "30 8 * * MON-FRI")
            .unwrap()
            .zone("Europe/Berlin")
            .starts(&BookOrder::default())
            .unwrap(),
        Schedule::rate("book-often", mins(5)).unwrap().enabled(false).starts(&BookOrder::default()).unwrap(),
    ]
}

pub(crate) fn derive(functions: &[Function], schedules: &[ScheduledJob]) -> Result<Deployment, Problems> {
    Deployment::derive(functions, &[], schedules)
}

/// A template of both functions and all schedules.
pub(crate) fn template() -> Template {
    Template::new(&derive(&[mail(), orders()], &schedules()).unwrap())
}

/// A template of functions of every kind: called by events, with objects, without records, creating schedules, managing jobs,
/// on workers, maintenance, and the dashboard; and of schedules of every kind.
pub(crate) fn kinds() -> Template {
    Template::new(&derive(&functions_of_every_kind(), &schedules_of_every_kind()).unwrap())
}

pub(crate) fn functions_of_every_kind() -> Vec<Function> {
    vec![mail(), orders(), clerk(), planner(), desk(), keeper(), importer(), DashboardFunction::new().function()]
}

pub(crate) fn schedules_of_every_kind() -> Vec<ScheduledJob> {
    schedules().into_iter().chain([minutely()]).collect()
}

/// The properties of a resource in a template.
pub(crate) fn properties(template: &Template, id: &str) -> Value {
    let template = template.to_json();
    let resource = &template["Resources"][id];
    assert!(resource.is_object(), "no {id} among {:?}", template["Resources"].as_object().unwrap().keys());
    resource["Properties"].clone()
}

/// The sentences about contradictions.
pub(crate) fn problems(functions: &[Function], schedules: &[ScheduledJob]) -> Vec<String> {
    derive(functions, schedules).map_or_else(|problems| problems.sentences().to_vec(), |_| Vec::new())
}
