//! Daily reports.

use jiff::civil::Date;
use lamplighter::{Job, Options, Queue, Retry, mins, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::queues;

/// Sums up the jobs of one day (UTC) and writes the report as HTML and CSV into the object store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DailyReport {
    /// The day, as in `2026-11-23`; by default the day before the one for which the job was scheduled or enqueued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub day: Option<Date>,
}

impl Job for DailyReport {
    const NAME: &'static str = "report.daily";
    const QUEUE: Queue = queues::REPORTS;

    /// Reads a day's records page by page. Only the table or the object store can fail: both are worth waiting for.
    fn options() -> Options {
        Options::new()
            .timeout(mins(5))
            .retry(Retry::exponential(secs(30)).cap(mins(30)).attempts(8))
            .retention(crate::retention())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_in_json() {
        let job: DailyReport = serde_json::from_str(r#"{"day":"2026-11-23"}"#).unwrap();
        assert_eq!(job.day, Some(jiff::civil::date(2026, 11, 23)));
        assert_eq!(serde_json::to_string(&job).unwrap(), r#"{"day":"2026-11-23"}"#);
        assert_eq!(serde_json::to_string(&DailyReport::default()).unwrap(), "{}");
        for bad in [r#"{"day":"yesterday"}"#, r#"{"day":"2026-02-30"}"#, r#"{"dya":null}"#] {
            assert!(serde_json::from_str::<DailyReport>(bad).is_err(), "{bad}");
        }
    }
}
