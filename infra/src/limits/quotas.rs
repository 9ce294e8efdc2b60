//! The quotas that a deployment meets, in one table, with their sources. The only place with such figures.

use std::collections::BTreeMap;

use super::LoadError;

/// The month in which the quotas were read from the services' documentation.
pub const READ: &str = "2026-11";
/// The region whose quotas are the defaults.
pub const REGION: &str = "us-east-1";

/// A page of documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its title, with that of its guide.
    pub title: &'static str,
    /// Its address.
    pub url: &'static str,
}

/// A documented quota, or a documented behaviour that limits a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it counts, and for what it holds.
    pub about: &'static str,
    /// The default, in [`REGION`].
    pub value: u64,
    /// Whether AWS raises it on request.
    pub adjustable: bool,
    /// The page that documents it.
    pub source: Source,
}

const SQS_STANDARD: Source = Source {
    title: "Amazon SQS Developer Guide, \"Amazon SQS standard queue quotas\"",
    url: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
};
const SQS_FIFO: Source = Source {
    title: "Amazon SQS Developer Guide, \"Amazon SQS FIFO queue quotas\"",
    url: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html",
};
const SQS_MESSAGES: Source = Source {
    title: "Amazon SQS Developer Guide, \"Amazon SQS message quotas\"",
    url: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
};
const LAMBDA: Source = Source {
    title: "AWS Lambda Developer Guide, \"Lambda quotas\"",
    url: "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
};
const LAMBDA_CONCURRENCY: Source = Source {
    title: "AWS Lambda Developer Guide, \"Understanding Lambda function scaling\"",
    url: "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html",
};
const LAMBDA_SCALING: Source = Source {
    title: "AWS Lambda Developer Guide, \"Lambda scaling behavior\"",
    url: "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html",
};
const MAPPING: Source = Source {
    title: "AWS Lambda Developer Guide, \"Configuring scaling behavior for SQS event source mappings\"",
    url: "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html",
};
const POLLERS: Source = Source {
    title: "AWS Lambda API Reference, \"ProvisionedPollerConfig\"",
    url: "https://docs.aws.amazon.com/lambda/latest/api/API_ProvisionedPollerConfig.html",
};
const DYNAMODB: Source = Source {
    title: "Amazon DynamoDB Developer Guide, \"Quotas in Amazon DynamoDB\"",
    url: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html",
};
const ON_DEMAND: Source = Source {
    title: "Amazon DynamoDB Developer Guide, \"DynamoDB on-demand capacity mode\"",
    url: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html",
};
const PARTITION: Source = Source {
    title: "Amazon DynamoDB Developer Guide, \"Best practices for designing and using partition keys effectively\"",
    url: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html",
};
const EVENTS: Source = Source {
    title: "Amazon EventBridge User Guide, \"Amazon EventBridge quotas\"",
    url: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
};
const SCHEDULER: Source = Source {
    title: "EventBridge Scheduler User Guide, \"Quotas for Amazon EventBridge Scheduler\"",
    url: "https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html",
};
const LOGS: Source = Source {
    title: "AWS General Reference, \"Amazon CloudWatch Logs endpoints and quotas\"",
    url: "https://docs.aws.amazon.com/general/latest/gr/cwl_region.html",
};

const fn fixed(name: &'static str, value: u64, about: &'static str, source: Source) -> Quota {
    Quota { name, about, value, adjustable: false, source }
}

const fn adjustable(name: &'static str, value: u64, about: &'static str, source: Source) -> Quota {
    Quota { name, about, value, adjustable: true, source }
}

/// Messages of a standard queue that are received and not deleted. Those that wait hidden for a retry are among them.
pub const SQS_IN_FLIGHT: Quota =
    adjustable("sqs-in-flight", 120_000, "messages in flight, about, a standard queue", SQS_STANDARD);
/// The same of a FIFO queue. It was 20,000 until November 2024.
pub const SQS_FIFO_IN_FLIGHT: Quota =
    adjustable("sqs-fifo-in-flight", 120_000, "messages in flight, a FIFO queue", SQS_FIFO);
/// Calls of each action on a FIFO queue. Standard queues have no figure: "nearly unlimited" (the same page).
pub const SQS_FIFO_CALLS: Quota =
    fixed("sqs-fifo-calls", 300, "calls a second of each action, a FIFO queue", SQS_MESSAGES);
/// The same with high throughput.
pub const SQS_FIFO_FAST_CALLS: Quota = adjustable(
    "sqs-fifo-fast-calls",
    70_000,
    "calls a second of each action, a FIFO queue with high throughput",
    SQS_MESSAGES,
);
/// Messages of a call.
pub const SQS_BATCH: Quota = fixed("sqs-batch", 10, "messages of a call that sends, receives or deletes", SQS_MESSAGES);
/// Invocations at the same time.
pub const LAMBDA_CONCURRENT: Quota =
    adjustable("lambda-concurrency", 1_000, "invocations at the same time, an account and region", LAMBDA);
/// Invocations a second, for each of [`LAMBDA_CONCURRENT`].
pub const LAMBDA_REQUESTS: Quota =
    fixed("lambda-requests", 10, "invocations a second for each of lambda-concurrency", LAMBDA_CONCURRENCY);
/// New environments in ten seconds.
pub const LAMBDA_RISE: Quota =
    fixed("lambda-rise", 1_000, "new environments in ten seconds, a function", LAMBDA_SCALING);
/// Bytes of an invocation's messages.
pub const LAMBDA_PAYLOAD: Quota = fixed("lambda-payload", 6 * 1024 * 1024, "bytes of an invocation's messages", LAMBDA);
/// Invocations with which a mapping begins.
pub const MAPPING_START: Quota =
    fixed("mapping-start", 5, "invocations at the same time with which a mapping begins", MAPPING);
/// Invocations that a mapping adds in a minute.
pub const MAPPING_RISE: Quota =
    fixed("mapping-rise", 300, "invocations at the same time that a mapping adds in a minute", MAPPING);
/// Invocations of a mapping at the same time.
pub const MAPPING_CONCURRENT: Quota =
    fixed("mapping-concurrency", 1_250, "invocations at the same time, a mapping", MAPPING);
/// Invocations of a poller at the same time.
pub const POLLER_CONCURRENT: Quota =
    fixed("poller-concurrency", 10, "invocations at the same time, a poller in provisioned mode", MAPPING);
/// Receives of a poller.
pub const POLLER_CALLS: Quota = fixed("poller-calls", 10, "receives a second, a poller in provisioned mode", MAPPING);
/// Bytes of a poller.
pub const POLLER_BYTES: Quota =
    fixed("poller-bytes", 1_000_000, "bytes a second, a poller in provisioned mode", MAPPING);
/// Invocations that provisioned mode adds in a minute.
pub const POLLER_RISE: Quota = fixed(
    "poller-rise",
    1_000,
    "invocations at the same time that a mapping in provisioned mode adds in a minute",
    MAPPING,
);
/// The largest maximum of pollers. It was 2,000 until August 2026.
pub const POLLERS_MOST: Quota = fixed("pollers-most", 10_000, "the largest MaximumPollers of a mapping", POLLERS);
/// The largest minimum of pollers.
pub const POLLERS_LEAST: Quota = fixed("pollers-least", 200, "the largest MinimumPollers of a mapping", POLLERS);
/// Write units a second.
pub const TABLE_WRITES: Quota =
    adjustable("table-writes", 40_000, "write units a second, a table, and each of its indexes", DYNAMODB);
/// Read units a second.
pub const TABLE_READS: Quota =
    adjustable("table-reads", 40_000, "read units a second, a table, and each of its indexes", DYNAMODB);
/// Write units that a table takes at once: those of a new one, twice its peak, or its warm throughput.
pub const TABLE_WARM_WRITES: Quota =
    adjustable("table-warm-writes", 4_000, "write units a second that a new on-demand table takes at once", ON_DEMAND);
/// The time in which the peak may double.
pub const TABLE_DOUBLES: Quota =
    fixed("table-doubles", 30, "minutes in which the peak of an on-demand table may double", ON_DEMAND);
/// Write units of a partition, and so of one key: items under a key that only grows are not split.
pub const PARTITION_WRITES: Quota = fixed("partition-writes", 1_000, "write units a second, a partition", PARTITION);
/// Rules.
pub const RULES: Quota = adjustable("events-rules", 300, "rules, an event bus", EVENTS);
/// Calls that publish events.
pub const PUT_EVENTS: Quota =
    adjustable("events-put", 10_000, "calls of PutEvents a second, an account and region", EVENTS);
/// New schedules.
pub const CREATE_SCHEDULE: Quota =
    adjustable("scheduler-create", 5_000, "calls of CreateSchedule a second, an account and region", SCHEDULER);
/// Schedules that fire.
pub const SCHEDULE_FIRES: Quota =
    adjustable("scheduler-fires", 1_000, "schedules that fire a second, an account and region", SCHEDULER);
/// Schedules.
pub const SCHEDULES: Quota =
    adjustable("scheduler-schedules", 10_000_000, "schedules, an account and region", SCHEDULER);
/// Calls that write logs.
pub const PUT_LOGS: Quota =
    adjustable("logs-put", 5_000, "calls of PutLogEvents a second, an account and region", LOGS);

/// The whole table.
pub const QUOTAS: [Quota; 29] = [
    SQS_IN_FLIGHT,
    SQS_FIFO_IN_FLIGHT,
    SQS_FIFO_CALLS,
    SQS_FIFO_FAST_CALLS,
    SQS_BATCH,
    LAMBDA_CONCURRENT,
    LAMBDA_REQUESTS,
    LAMBDA_RISE,
    LAMBDA_PAYLOAD,
    MAPPING_START,
    MAPPING_RISE,
    MAPPING_CONCURRENT,
    POLLER_CONCURRENT,
    POLLER_CALLS,
    POLLER_BYTES,
    POLLER_RISE,
    POLLERS_MOST,
    POLLERS_LEAST,
    TABLE_WRITES,
    TABLE_READS,
    TABLE_WARM_WRITES,
    TABLE_DOUBLES,
    PARTITION_WRITES,
    RULES,
    PUT_EVENTS,
    CREATE_SCHEDULE,
    SCHEDULE_FIRES,
    SCHEDULES,
    PUT_LOGS,
];

/// Quotas that differ between regions: the regions of each value, then the value everywhere else.
type Regional = (&'static str, &'static [(&'static [&'static str], u64)], u64);

const REGIONAL: [Regional; 4] = [
    (
        SQS_FIFO_FAST_CALLS.name,
        &[
            (&["us-east-1", "us-west-2", "eu-west-1"], 70_000),
            (&["us-east-2", "eu-central-1"], 19_000),
            (&["ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"], 9_000),
            (&["eu-west-2", "sa-east-1"], 4_500),
        ],
        2_400,
    ),
    (
        PUT_EVENTS.name,
        &[
            (&["us-east-1", "us-west-2", "eu-west-1"], 10_000),
            (&["us-east-2", "eu-central-1", "eu-south-2"], 2_400),
            (&["us-west-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-2"], 1_200),
            (
                &["ap-east-1", "ap-northeast-2", "ap-south-1", "ca-central-1", "eu-north-1", "eu-west-3", "sa-east-1"],
                600,
            ),
        ],
        400,
    ),
    (CREATE_SCHEDULE.name, &[(PRIMARY, 5_000)], 250),
    // For the other regions, the lower figure of CreateSchedule: it is safe where the page has a higher one.
    (SCHEDULE_FIRES.name, &[(PRIMARY, 1_000)], 250),
];

/// The regions with the higher quotas of EventBridge Scheduler.
const PRIMARY: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "sa-east-1",
];

/// The quotas of an account in a region: the defaults there, and those that differ in this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    region: String,
    own: BTreeMap<&'static str, u64>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { region: REGION.into(), own: BTreeMap::new() }
    }
}

impl Quotas {
    /// The highest value that an account's own quota may have.
    const MOST: u64 = 1_000_000_000_000;

    /// Returns the defaults of a region.
    ///
    /// # Errors
    /// The text is not the name of a region, such as `eu-central-1`. Whether there is such a region is not known here.
    pub fn in_region(region: &str) -> Result<Self, LoadError> {
        let mut parts = region.split('-');
        let letters = |part: &str| part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let number = parts.next_back().is_some_and(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_digit());
        let words: Vec<_> = parts.collect();
        if !number || !(2..=4).contains(&words.len()) || !words.iter().all(|part| letters(part)) {
            return Err(LoadError::Region(region.into()));
        }
        Ok(Self { region: region.into(), own: BTreeMap::new() })
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Sets a quota of this account, by its name in the table.
    ///
    /// # Errors
    /// There is no such quota, or the value is 0 or above 10¹².
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), LoadError> {
        let Some(quota) = QUOTAS.iter().find(|quota| quota.name == name) else {
            return Err(LoadError::NoQuota(name.into()));
        };
        if !(1..=Self::MOST).contains(&value) {
            return Err(LoadError::QuotaValue { name: quota.name, value });
        }
        self.own.insert(quota.name, value);
        Ok(())
    }

    /// Returns the quotas that differ in this account.
    pub fn own(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.own.iter().map(|(name, value)| (*name, *value))
    }

    /// Returns the value of a quota.
    #[must_use]
    pub fn get(&self, quota: &Quota) -> u64 {
        if let Some(own) = self.own.get(quota.name) {
            return *own;
        }
        let Some((_, regions, elsewhere)) = REGIONAL.iter().find(|(name, ..)| *name == quota.name) else {
            return quota.value;
        };
        let here = regions.iter().find(|(regions, _)| regions.contains(&self.region.as_str()));
        here.map_or(*elsewhere, |(_, value)| *value)
    }

    /// Returns these quotas with one that is at least so high.
    #[must_use]
    pub(super) fn raised(mut self, quota: &Quota, value: u64) -> Self {
        if self.get(quota) < value {
            self.own.insert(quota.name, value);
        }
        self
    }

    pub(super) fn of(&self, quota: &Quota) -> f64 {
        self.get(quota) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sources_complete() {
        let names: std::collections::BTreeSet<_> = QUOTAS.iter().map(|quota| quota.name).collect();
        assert_eq!(names.len(), QUOTAS.len());
        for quota in QUOTAS {
            assert!(quota.source.url.starts_with("https://docs.aws.amazon.com/"), "{}", quota.name);
            assert!(quota.value > 0 && quota.source.title.contains('"'), "{}", quota.name);
        }
    }

    #[test]
    fn regional_values_agree_with_the_table() {
        for (name, ..) in REGIONAL {
            let quota = QUOTAS.iter().find(|quota| quota.name == name).unwrap();
            assert_eq!(Quotas::default().get(quota), quota.value, "{name}");
        }
        let frankfurt = Quotas::in_region("eu-central-1").unwrap();
        assert_eq!(frankfurt.get(&PUT_EVENTS), 2_400);
        assert_eq!(frankfurt.get(&LAMBDA_CONCURRENT), 1_000);
        assert_eq!(Quotas::in_region("us-gov-west-1").unwrap().get(&CREATE_SCHEDULE), 250);
    }

    #[test]
    fn an_account_has_its_own_quotas() {
        let mut quotas = Quotas::default();
        quotas.set("lambda-concurrency", 5_000).unwrap();
        assert_eq!(quotas.get(&LAMBDA_CONCURRENT), 5_000);
        assert_eq!(quotas.clone().raised(&LAMBDA_CONCURRENT, 4_000), quotas, "never lowered");
        assert!(matches!(quotas.set("lambda-concurrency", 0), Err(LoadError::QuotaValue { .. })));
        assert!(matches!(quotas.set("lambda", 1), Err(LoadError::NoQuota(_))));
        for bad in ["", "us", "us-east", "us-east-12", "US-EAST-1", "us east 1", "-1", "a-b-c-1"] {
            assert_eq!(Quotas::in_region(bad), Err(LoadError::Region(bad.into())), "{bad}");
        }
    }
}
