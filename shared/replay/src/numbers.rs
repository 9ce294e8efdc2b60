//! The numbers of the model, each with its source. No other file of this crate contains one.
//!
//! Three kinds: *facts* of Hangfire (1.8.24, from its source), of IIS, of AWS and of Azure, from their documentation or
//! source; *our own*, from the library's constants where it exports them; and *assumptions* about a site, its people
//! and its machines, which are marked as such.

use std::time::Duration;

use lamplighter::{hours, mins, schedule::MISFIRE_GRACE, secs};

/// Facts about IIS.
pub mod iis {
    use super::*;

    /// `processModel.idleTimeout`: a worker process ends when "no new requests are received and the worker process is
    /// not processing requests" for this long. Threads of a library are no requests. (IIS configuration reference,
    /// "Process Model Settings for an Application Pool \<processModel\>".)
    pub const IDLE_TIMEOUT: Duration = mins(20);
    /// `recycling.periodicRestart.time`: a worker process is replaced after this long (the same, "Periodic Restart
    /// Settings for Application Pool Recycling \<periodicRestart\>"). Overlapped by default:
    /// `disallowOverlappingRotation` is `false` ("Recycling Settings for an Application Pool \<recycling\>"), so the
    /// next process begins before the last has ended.
    pub const PERIODIC_RESTART: Duration = hours(29);
    /// `processModel.shutdownTimeLimit`: a worker process that has not ended by then is terminated (`<processModel>`).
    pub const SHUTDOWN_TIME_LIMIT: Duration = secs(90);
}

/// Facts about Hangfire 1.8.24 with its defaults and SQL Server storage. Paths are of `github.com/HangfireIO/Hangfire`.
pub mod hangfire {
    use super::*;

    /// Workers: `min(processors × 5, 20)` (`src/Hangfire.Core/BackgroundJobServerOptions.cs`), on the assumed four
    /// processors.
    pub const WORKER_COUNT: usize = 20;
    /// `QueuePollInterval` is zero, which means long polling every 200 ms
    /// (`src/Hangfire.SqlServer/SqlServerStorageOptions.cs`; `DefaultPollingDelayMs` in `SqlServerJobQueue.cs`).
    pub const QUEUE_POLL: Duration = Duration::from_millis(200);
    /// `SlidingInvisibilityTimeout`: a job whose worker has died is fetched again when it was last touched this long
    /// ago (`src/Hangfire.SqlServer/SqlServerStorageOptions.cs`; the query in `SqlServerJobQueue.cs`).
    pub const SLIDING_INVISIBILITY: Duration = mins(5);
    /// A running job is touched each fifth of [`SLIDING_INVISIBILITY`]
    /// (`src/Hangfire.SqlServer/SqlServerTimeoutJob.cs`).
    pub const KEEP_ALIVE: Duration = Duration::from_secs(SLIDING_INVISIBILITY.as_secs() / 5);
    /// `SchedulePollingInterval`: a running server checks for delayed, retried and recurring jobs at this interval
    /// (`DefaultPollingDelay` in `src/Hangfire.Core/Server/DelayedJobScheduler.cs`; passed to `RecurringJobScheduler`
    /// in `BackgroundJobServer.cs`).
    pub const SCHEDULE_POLL: Duration = secs(15);
    /// The interval of checks for the shutdown of ASP.NET (`src/Hangfire.Core/Server/AspNetShutdownDetector.cs`).
    pub const SHUTDOWN_CHECK: Duration = Duration::from_millis(250);
    /// `StopTimeout`: the time from the stop until running jobs are asked to cancel (`DefaultStopTimeout` in
    /// `src/Hangfire.Core/Server/BackgroundProcessingServerOptions.cs`; `SendStop` in `BackgroundProcessingServer.cs`).
    /// A job that does is put back in its queue at once (`Worker.cs`, "It will be re-queued").
    pub const STOP_TIMEOUT: Duration = Duration::from_millis(500);
    /// `ShutdownTimeout`: the time from the stop for which the server waits for jobs that continue; then they are
    /// abandoned (`DefaultShutdownTimeout` in `src/Hangfire.Core/Server/BackgroundProcessingServer.cs`).
    pub const SHUTDOWN_TIMEOUT: Duration = secs(15);

    // The server waits for its own limit only because the host's limits are longer.
    const _: () = assert!(SHUTDOWN_TIMEOUT.as_secs() < iis::SHUTDOWN_TIME_LIMIT.as_secs());
}

/// Facts about AWS.
pub mod aws {
    use super::*;

    /// The longest invocation of a Lambda function (AWS Lambda Developer Guide, "Lambda quotas").
    pub const LAMBDA_LIMIT: Duration = mins(15);
    /// The visibility timeout of a queue is this many times its function's timeout (the same, "Creating and configuring
    /// an Amazon SQS event source mapping": "at least six times"). The messages of a sandbox that died return after it.
    pub const VISIBILITY_FACTOR: u32 = 6;
    /// Concurrent executions of an account by default ("Lambda quotas").
    pub const LAMBDA_CONCURRENCY: usize = 1000;
    /// The longest delay of a message on SQS (Amazon SQS Developer Guide, "Message quotas"); longer ones are schedules.
    pub const SQS_DELAY: Duration = mins(15);
    /// The precision of a schedule (EventBridge Scheduler User Guide, "Schedule types": "60 second precision").
    pub const SCHEDULE_PRECISION: Duration = MISFIRE_GRACE;
    /// The maximum time that a stopped container has on Fargate (Amazon ECS Developer Guide, "Task definition
    /// parameters", `stopTimeout`).
    pub const ECS_STOP_TIMEOUT: Duration = secs(120);
}

/// Facts about Azure.
pub mod azure {
    use super::*;

    /// How long a message stays hidden; renewed at half while its function runs (`_visibilityTimeout` and
    /// `normalUpdateInterval` in `QueueListener.cs` of `github.com/Azure/azure-webjobs-sdk`).
    pub const VISIBILITY: Duration = mins(10);
    /// The longest polling interval of an idle queue (Microsoft Learn, "Azure Queue storage trigger for Azure
    /// Functions", "Polling algorithm").
    pub const LONGEST_POLL: Duration = mins(1);
    /// Deliveries before a message goes to the poison queue (the same, "Poison messages").
    pub const MAX_DEQUEUE_COUNT: u32 = 5;
    /// Concurrent messages: `batchSize` 16 and `newBatchThreshold` 8 (the same, "Concurrency").
    pub const CONCURRENCY: usize = 24;
    /// The time from the stop of a continuous WebJob until it is killed (`stopping_wait_time`; Kudu wiki, "WebJobs").
    pub const WEBJOB_STOP: Duration = secs(5);
}

/// Our own.
pub mod ours {
    use super::*;

    /// The lease of a message and its record in `lamp work`, renewed at a third: jobs of a dead worker are found again
    /// after two thirds to the whole of it.
    pub const LEASE: Duration = secs(60);
    /// The fraction of a lease after which it is renewed.
    pub const RENEWED_AT: Duration = Duration::from_secs(LEASE.as_secs() / 3);
    /// The drain of a service: the time that running handlers have after they were notified.
    pub const DRAIN: Duration = secs(25);
    /// The fraction of a platform's own limit that is left to handlers: the rest is for handing back.
    pub const DRAIN_PART: (u32, u32) = (4, 5);
    /// Concurrent jobs of one worker: an assumption about a team's setting.
    pub const JOBS_AT_ONCE: usize = 20;
    /// The receives in addition to a job's attempts before SQS dead-letters its message, as the template sets it.
    pub const RECEIVE_SLACK: u32 = 5;
    /// The timeout of the functions in the replay: an assumption, above their longest job.
    pub const FUNCTION_TIMEOUT: Duration = mins(5);
}

/// Assumptions about the site.
pub mod site {
    use super::*;

    /// Requests an hour on a working day, from each full hour on. A site of a company: busy by day, nearly silent by
    /// night.
    pub const WORKING_DAY: [f64; 24] = [
        0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 2.0, 12.0, 35.0, 55.0, 60.0, 55.0, 40.0, 50.0, 60.0, 55.0, 45.0, 25.0, 10.0, 4.0,
        2.5, 1.5, 0.6, 0.2,
    ];
    /// Requests an hour on a Saturday or Sunday.
    pub const WEEKEND: [f64; 24] = [
        0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 1.5, 1.0, 1.0, 1.5, 1.5, 1.2, 1.0, 0.8, 0.6, 0.5,
        0.3, 0.2, 0.1,
    ];
    /// The fraction of requests that enqueue a job.
    pub const ENQUEUES: f64 = 0.3;
    /// The fraction of jobs that are delayed, by [`DELAYS`].
    pub const DELAYED: f64 = 0.08;
    /// The fraction of jobs that take long, by [`LONG`].
    pub const LONG_JOBS: f64 = 0.02;
    /// The fraction of jobs that take minutes, by [`MEDIUM`].
    pub const MEDIUM_JOBS: f64 = 0.2;
    /// The fraction of jobs whose code reacts to cancellation. The others continue until they are interrupted.
    pub const HEEDS_CANCELLATION: f64 = 0.5;
    /// The fraction of attempts that fail by themselves, for instance because another service is unavailable. At most
    /// two in a row.
    pub const FAILS: f64 = 0.01;
    /// The duration of a short job.
    pub const SHORT: (Duration, Duration) = (Duration::from_millis(200), secs(15));
    /// The duration of a medium job.
    pub const MEDIUM: (Duration, Duration) = (secs(20), mins(3));
    /// The duration of a long job.
    pub const LONG: (Duration, Duration) = (mins(16), mins(45));
    /// The delay of a delayed job.
    pub const DELAYS: (Duration, Duration) = (mins(10), hours(72));
    /// The time from the end of a job's work until that is stored. A job whose host dies in between runs again.
    pub const ACKNOWLEDGES: Duration = Duration::from_millis(20);
}

/// Assumptions about the people and the machines.
pub mod trouble {
    use super::*;

    /// Deployments a week, between ten and five on working days.
    pub const DEPLOYMENTS: f64 = 2.0;
    /// Crashes per year of the process that runs jobs.
    pub const CRASHES: f64 = 12.0;
    /// Failures and unannounced restarts of the machine per year.
    pub const MACHINE_FAILURES: f64 = 6.0;
    /// The duration of such an outage.
    pub const OUTAGE: (Duration, Duration) = (mins(3), mins(12));
    /// From the first request, or the start of a process, until its job server runs.
    pub const STARTS: Duration = secs(8);
    /// From the stop of a service until the new version is started: its files are replaced.
    pub const REPLACED: Duration = secs(45);
    /// The delay of a service manager or platform before it restarts a crashed process.
    pub const RESTARTED: Duration = secs(60);
    /// From the failure of a host of containers until another host has the container.
    pub const MOVED: Duration = mins(2);
    /// The interval at which a monitor keeps a site awake.
    pub const PING: Duration = mins(5);
}

/// A job is late when it begins this long after it is due.
pub const LATE: Duration = mins(5);
