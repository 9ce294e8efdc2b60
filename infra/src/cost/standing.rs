//! The cost of an idle deployment.

use super::{
    MILLION, Mode,
    operations::{Asked, COUNT_RECORDS, LOOK_AFTER},
    prices,
};
use crate::deployment::Deployment;

/// The monthly cost of an idle deployment, in dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Lambda's polls of the queues.
    pub polling: f64,
    /// The function `maintenance`, once a minute.
    pub maintenance: f64,
    /// Alarms and the dashboard.
    pub watching: f64,
}

const MINUTES_PER_MONTH: f64 = 30.0 * 1440.0;
/// Lambda begins with five connections that poll a queue (AWS Lambda Developer Guide, "Configuring scaling behavior for
/// SQS event source mappings"), and an empty poll waits for 20 seconds at most (Amazon SQS Developer Guide, "Amazon SQS
/// short and long polling").
const POLLS_PER_MINUTE: f64 = 5.0 * 3.0;
/// The approximate duration of a round, and the function's gigabytes.
const ROUND_SECONDS: f64 = 0.5;
const ROUND_GIGABYTES: f64 = 0.125;
/// The rounds from one count of the records to the next, and the months that it walks through.
const ROUNDS_PER_COUNT: f64 = 10.0;
const MONTHS: f64 = 2.0;

impl Standing {
    /// Calculates the cost of this deployment.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let queues = deployment.queues.len() as f64;
        let month = |requests: f64, million: f64| MINUTES_PER_MONTH * requests / MILLION * million;
        let polling = queues * month(POLLS_PER_MINUTE, prices::SQS_MILLION_REQUESTS);
        let maintenance = match (LOOK_AFTER.asked(Mode::Full), COUNT_RECORDS.asked(Mode::Full)) {
            (Some(Asked { sqs, reads, writes, .. }), Some(count)) if deployment.keeps_records() => {
                let reads = f64::from(reads) + f64::from(count.reads) * MONTHS / ROUNDS_PER_COUNT;
                let writes = f64::from(writes) + f64::from(count.writes) / ROUNDS_PER_COUNT;
                queues * month(f64::from(sqs), prices::SQS_MILLION_REQUESTS)
                    + month(reads, prices::DYNAMODB_MILLION_READS)
                    + month(writes, prices::DYNAMODB_MILLION_WRITES)
                    + month(1.0, prices::LAMBDA_MILLION_REQUESTS)
                    + MINUTES_PER_MONTH * ROUND_SECONDS * ROUND_GIGABYTES * prices::LAMBDA_GB_SECOND
            }
            _ => 0.0,
        };
        let watching = deployment.alarms() as f64 * prices::ALARM + prices::DASHBOARD;
        Self { polling, maintenance, watching }
    }

    /// Returns the total.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.polling + self.maintenance + self.watching
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calculated by hand: for each queue 648,000 polls at 0.40 a million, and 86,400 requests of rounds; 1,892,160
    /// reads at 0.125, 47,520 writes at 0.625, 43,200 invocations at 0.20 and 2,700 gigabyte-seconds.
    #[test]
    fn an_idle_deployment_costs_as_calculated() {
        let deployment = crate::deployment(&crate::test_app::shop()).unwrap();
        let Standing { polling, maintenance, watching } = Standing::of(&deployment);
        let queues = deployment.queues.len() as f64;
        assert!((polling - queues * 0.2592).abs() < 1e-9, "{polling}");
        let rest = 0.236_52 + 0.029_7 + 0.008_64 + 0.036_000_18;
        assert!((maintenance - (queues * 0.034_56 + rest)).abs() < 1e-6, "{maintenance}");
        assert!((watching - (3.0 + deployment.alarms() as f64 / 10.0)).abs() < 1e-9, "{watching}");
    }

    #[test]
    fn no_records_mean_no_maintenance_cost() {
        let none = Deployment::derive(&[], &[], &[]).unwrap();
        assert_eq!((Standing::of(&none).maintenance, Standing::of(&none).polling), (0.0, 0.0));
    }
}
