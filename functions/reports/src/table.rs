//! The report as CSV: a line for each job name.

use lamplighter::JobState;

use crate::{error::Error, summary::Summary};

/// Writes the table.
pub(crate) fn render(summary: &Summary) -> Result<Vec<u8>, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["day", "job", "total"];
    header.extend(JobState::ALL.map(JobState::as_str));
    header.extend(["attempts", "failed_attempts", "p50_ms", "p95_ms", "max_ms", "most_frequent_error"]);
    writer.write_record(&header)?;
    for (name, job) in &summary.jobs {
        let mut row = vec![summary.day.to_string(), harmless(name), job.total().to_string()];
        row.extend(job.states.iter().map(u64::to_string));
        row.extend([job.attempts.to_string(), job.failed_attempts.to_string()]);
        match job.durations() {
            Some(durations) => row.extend([durations.p50, durations.p95, durations.max].map(|ms| ms.to_string())),
            None => row.extend([const { String::new() }; 3]),
        }
        row.push(job.top_error().map(|error| harmless(&error.text)).unwrap_or_default());
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| Error::Csv(error.into_error().into()))
}

/// Text that a spreadsheet takes for text. What begins like a formula would be run by whoever opens the file (OWASP,
/// "CSV injection"): an apostrophe before it stops that.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        assert_eq!(harmless("webhook.deliver"), "webhook.deliver");
    }
}
