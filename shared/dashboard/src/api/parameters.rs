//! Parameters in addresses.

use jiff::Timestamp;
use lamplighter::{
    backend::{DeadLetterFilter, DeadLetterKey},
    meter::RollupQuery,
    moment,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    desk::{ErrorFilter, MOST_ITEMS},
    problem::Problem,
};

/// The page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Where an earlier page ended: its `next`.
    cursor: Option<String>,
    /// The most items of a page.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Paging {
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref().filter(|cursor| !cursor.is_empty())
    }

    /// 0 for the usual number.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) {
            None => Ok(0),
            Some(limit @ 1..=MOST_ITEMS) => Ok(limit),
            Some(_) => Err(Problem::parameter("limit", format!("A page has 1 to {MOST_ITEMS} items."))),
        }
    }
}

/// How far a preview counts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Counting {
    /// `all` counts all that match, however long that takes.
    #[param(inline)]
    count: Option<Counted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Counted {
    All,
}

impl Counting {
    pub(super) fn is_all(&self) -> bool {
        self.count == Some(Counted::All)
    }
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Jobs {
    /// A query, such as `state:failed job:webhook.* since:2h`.
    #[param(max_length = 2000)]
    q: Option<String>,
}

impl Jobs {
    pub(super) fn query(&self) -> &str {
        self.q.as_deref().unwrap_or_default()
    }
}

/// Which schedules.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Text {
    /// A text in the name, the job or the description.
    #[param(max_length = 200)]
    q: Option<String>,
}

impl Text {
    pub(super) fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default()
    }
}

/// Which error groups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Errors {
    /// Of jobs of this name.
    job: Option<String>,
    /// Whose latest failure was on this queue.
    queue: Option<String>,
    /// With a failure since this moment, or within this time: `2h`, `2026-12-24T18:00:00Z`.
    since: Option<String>,
}

impl Errors {
    pub(super) fn filter(self, now: Timestamp) -> Result<ErrorFilter, Problem> {
        let Self { job, queue, since } = self;
        let since = since.map(|text| ago("since", &text, now)).transpose()?;
        Ok(ErrorFilter { job, queue, since })
    }
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLetters {
    /// Of jobs of this name.
    job: Option<String>,
    /// Dead for this reason: `failed`.
    reason: Option<String>,
    /// The one with this number.
    number: Option<i64>,
    /// The one with this message id.
    message_id: Option<String>,
    /// Dead since this moment, or for at most this time: `2h`, `2026-12-24T18:00:00Z`.
    since: Option<String>,
    /// Dead before this moment, or for longer than this.
    before: Option<String>,
}

impl DeadLetters {
    pub(super) fn filter(self, now: Timestamp) -> Result<DeadLetterFilter, Problem> {
        let Self { job, reason, number, message_id, since, before } = self;
        let mut filter = DeadLetterFilter::all();
        filter.key = number.map(DeadLetterKey::Number).or(message_id.map(DeadLetterKey::MessageId));
        (filter.job, filter.reason) = (job, reason);
        filter.since = since.map(|text| ago("since", &text, now)).transpose()?;
        filter.before = before.map(|text| ago("before", &text, now)).transpose()?;
        Ok(filter)
    }
}

/// Which measurements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Stats {
    /// Of this job.
    job: Option<String>,
    /// Of this queue.
    queue: Option<String>,
    /// From this moment on, or within this time: `1h` by default.
    since: Option<String>,
    /// Before this moment, or longer ago than this: now by default.
    until: Option<String>,
    /// The most points for a job; 1 by default, which has percentiles of the whole time.
    #[param(minimum = 1, maximum = 1500)]
    points: Option<u64>,
}

impl Stats {
    pub(super) fn query(self, now: Timestamp) -> Result<RollupQuery, Problem> {
        let Self { job, queue, since, until, points } = self;
        let until = until.map_or(Ok(now), |text| ago("until", &text, now))?;
        let since = ago("since", since.as_deref().unwrap_or("1h"), now)?;
        let points = match points.unwrap_or(1) {
            points @ 1..=RollupQuery::MOST_POINTS => points,
            _ => {
                let most = RollupQuery::MOST_POINTS;
                return Err(Problem::parameter("points", format!("There are 1 to {most} points.")));
            }
        };
        if since >= until {
            return Err(Problem::parameter("since", format!("There is no time from {since} to {until}.")));
        }
        let mut query = match points {
            1 => {
                let whole = RollupQuery::new(since, until, std::time::Duration::from_secs(60));
                RollupQuery { step: whole.length(), ..whole }
            }
            points => RollupQuery::in_points(since, until, points),
        };
        (query.job, query.queue) = (job, queue);
        Ok(query)
    }
}

/// A moment, or how long ago it was.
fn ago(parameter: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    if let Ok(moment) = moment::parse_clamped(text) {
        return Ok(moment);
    }
    let length = moment::parse_length(text).map_err(|_| {
        let detail =
            "Neither a length of time nor a moment: write it like 90s, 2h or 3 days, or like 2026-12-24T18:00:00Z.";
        Problem::parameter(parameter, detail)
    })?;
    Ok(now.saturating_sub(length).unwrap_or(Timestamp::MIN))
}
