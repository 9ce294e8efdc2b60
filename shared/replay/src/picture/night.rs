//! One night: processes, and when the long jobs run, wait and are interrupted.

use super::{LEFT, Px, RIGHT, Svg, line, name};
use crate::{
    clock::{DAY, HOUR, MINUTE, Moment, label, span},
    hosts,
    night::{Lane, Night, Shown},
    simulation::RunEnd,
    year::{Origin, SCHEDULES},
};

/// The line of the requests, and the first one of the hosts.
const REQUESTS: f64 = 96.0;
const LANES: f64 = 124.0;
const LANE: f64 = 38.0;
/// The maximum number of rows of jobs in a lane, and the height of one.
const ROWS: usize = 3;
const ROW: f64 = 11.5;
const BAR: f64 = 9.0;

/// Returns the end of the lanes.
fn lanes_end() -> f64 {
    LANES + line(hosts::ALL.len() - 1, LANE) + LANE
}

pub(super) fn bottom() -> f64 {
    lanes_end() + 66.0
}

pub(super) fn draw(svg: &mut Svg, night: &Night) {
    let scale = Scale { from: night.window.start, to: night.window.end };
    let (from, to) = (label(night.window.start), label(night.window.end));
    let text = |svg: &mut Svg, class: &str, y: f64, text: &str| {
        svg.text("text", &[("class", &class), ("x", &24), ("y", &Px(y))], text);
    };
    text(svg, "heading", 36.0, "One night: who is awake, and what becomes late");
    let sub = format!(
        "{from} to {to} UTC. Jobs of more than three minutes; the report is due at 02:00, the clean-up at 03:30."
    );
    text(svg, "sub", 57.0, &sub);
    hours(svg, scale);
    schedules(svg, scale);
    requests(svg, night, scale);
    for (index, lane) in night.lanes.iter().enumerate() {
        let top = LANES + line(index, LANE);
        name(svg, index, top + LANE / 2.0 + 4.5);
        draw_lane(svg, lane, scale, top);
    }
    legend(svg);
}

#[derive(Clone, Copy)]
struct Scale {
    from: Moment,
    to: Moment,
}

impl Scale {
    fn x(self, moment: Moment) -> f64 {
        let within = moment.clamp(self.from, self.to) - self.from;
        LEFT + within as f64 / (self.to - self.from) as f64 * (RIGHT - LEFT)
    }
}

fn hours(svg: &mut Svg, scale: Scale) {
    for hour in (scale.from..=scale.to).step_by(HOUR as usize) {
        let x = Px(scale.x(hour));
        svg.leaf(
            "line",
            &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &Px(REQUESTS - 8.0)), ("y2", &Px(lanes_end()))],
        );
        let of_day = format!("{:02}", hour % DAY / HOUR);
        svg.text("text", &[("class", &"hour"), ("x", &x), ("y", &Px(REQUESTS - 14.0))], &of_day);
    }
}

/// Draws the times of the nightly schedules.
fn schedules(svg: &mut Svg, scale: Scale) {
    for schedule in SCHEDULES.iter().filter(|schedule| schedule.nightly) {
        for due in schedule.dues(scale.from..scale.to) {
            let x = Px(scale.x(due));
            let (from, to) = (Px(LANES - 2.0), Px(lanes_end() + 5.0));
            svg.leaf("line", &[("class", &"tick"), ("x1", &x), ("x2", &x), ("y1", &from), ("y2", &to)]);
            let text = format!("{} due", schedule.short_name());
            svg.text("text", &[("class", &"hour"), ("x", &x), ("y", &Px(lanes_end() + 19.0))], &text);
        }
    }
}

fn requests(svg: &mut Svg, night: &Night, scale: Scale) {
    svg.text(
        "text",
        &[("class", &"name"), ("x", &Px(LEFT - 14.0)), ("y", &Px(REQUESTS + 11.0))],
        "requests to the site",
    );
    svg.open("g", &[("class", &"request")]);
    svg.text("title", &[], &format!("{} requests", night.requests.len()));
    for request in &night.requests {
        let x = Px(scale.x(*request));
        svg.leaf("line", &[("x1", &x), ("x2", &x), ("y1", &Px(REQUESTS)), ("y2", &Px(REQUESTS + 14.0))]);
    }
    svg.close("g");
}

fn draw_lane(svg: &mut Svg, lane: &Lane, scale: Scale, top: f64) {
    let middle = top + LANE / 2.0;
    if lane.lifetimes.is_empty() {
        let y = Px(middle);
        svg.leaf("line", &[("class", &"platform"), ("x1", &Px(LEFT)), ("x2", &Px(RIGHT)), ("y1", &y), ("y2", &y)]);
    }
    for lifetime in &lane.lifetimes {
        let (from, to) = (scale.x(lifetime.start), scale.x(lifetime.until()));
        svg.leaf(
            "rect",
            &[
                ("class", &"alive"),
                ("x", &Px(from)),
                ("y", &Px(top + 4.0)),
                ("width", &Px((to - from).max(2.0))),
                ("height", &Px(LANE - 8.0)),
                ("rx", &4),
            ],
        );
    }
    let rows = rows(lane, scale);
    let height = rows.iter().max().map_or(0.0, |last| *last as f64 * ROW) + BAR;
    for (job, row) in lane.jobs.iter().zip(rows) {
        draw_job(svg, job, scale, middle - height / 2.0 + row as f64 * ROW);
    }
}

/// Returns the row of each job, so that concurrent jobs are below each other.
fn rows(lane: &Lane, scale: Scale) -> Vec<usize> {
    let mut free_at = [0; ROWS];
    let place = |job: &Shown| {
        let row = (0..ROWS).find(|row| free_at[*row] <= job.due).unwrap_or(ROWS - 1);
        free_at[row] = job.runs.last().map_or(scale.to, |run| run.to) + 5 * MINUTE;
        row
    };
    lane.jobs.iter().map(place).collect()
}

fn draw_job(svg: &mut Svg, job: &Shown, scale: Scale, top: f64) {
    let middle = top + BAR / 2.0;
    svg.open("g", &[]);
    svg.text("title", &[], &told(job));
    let mut waits_since = job.due;
    for run in &job.runs {
        wait(svg, scale, waits_since..run.from, middle);
        let (from, to) = (scale.x(run.from), scale.x(run.to));
        let class = if run.end == RunEnd::CutOff { "cut" } else { "run" };
        svg.leaf(
            "rect",
            &[
                ("class", &class),
                ("x", &Px(from)),
                ("y", &Px(top)),
                ("width", &Px((to - from).max(3.0))),
                ("height", &Px(BAR)),
                ("rx", &2),
            ],
        );
        if run.end == RunEnd::CutOff {
            cross(svg, to.max(from + 3.0) + 6.0, middle);
        }
        waits_since = run.to;
    }
    if job.runs.last().is_none_or(|run| run.end != RunEnd::Done) {
        wait(svg, scale, waits_since..scale.to, middle);
    }
    if job.runs.first().is_none_or(|run| run.from > job.due + MINUTE) {
        svg.leaf("circle", &[("class", &"due"), ("cx", &Px(scale.x(job.due))), ("cy", &Px(middle)), ("r", &3.6)]);
    }
    svg.close("g");
}

fn wait(svg: &mut Svg, scale: Scale, time: std::ops::Range<Moment>, y: f64) {
    if time.end.saturating_sub(time.start) > MINUTE {
        let (from, to) = (scale.x(time.start), scale.x(time.end));
        svg.leaf("line", &[("class", &"wait"), ("x1", &Px(from)), ("x2", &Px(to)), ("y1", &Px(y)), ("y2", &Px(y))]);
    }
}

fn cross(svg: &mut Svg, x: f64, y: f64) {
    for sign in [-1.0, 1.0] {
        let (from, to) = (Px(y - 3.5 * sign), Px(y + 3.5 * sign));
        svg.leaf(
            "line",
            &[("class", &"cross"), ("x1", &Px(x - 3.5)), ("x2", &Px(x + 3.5)), ("y1", &from), ("y2", &to)],
        );
    }
}

/// Returns the tooltip of a job.
fn told(job: &Shown) -> String {
    let what = match job.origin {
        Origin::Tick(schedule) => SCHEDULES[schedule].name,
        Origin::Request => "a job of a request",
        Origin::Delayed(_) => "a delayed job",
    };
    let mut text = format!("{what}, due {}", label(job.due));
    for run in &job.runs {
        let end = match run.end {
            RunEnd::Done => "done",
            RunEnd::FailedByItself => "failed by itself",
            RunEnd::CutOff => "cut off",
        };
        text.push_str(&format!("; ran from {} for {}, {end}", label(run.from), span(run.to - run.from)));
    }
    if job.runs.is_empty() {
        text.push_str("; did not begin by morning");
    }
    text
}

fn legend(svg: &mut Svg) {
    let y = lanes_end() + 48.0;
    let middle = y - 4.5;
    let mut x = LEFT;
    let mut entry = |svg: &mut Svg, width: f64, text: &str| {
        let at = x;
        svg.text("text", &[("class", &"legend"), ("x", &Px(at + 32.0)), ("y", &Px(y))], text);
        x += width;
        at
    };
    let bar = |svg: &mut Svg, class: &str, x: f64, width: f64| {
        let (x, top, width) = (Px(x), Px(middle - BAR / 2.0), Px(width));
        let attributes: [(&str, &dyn std::fmt::Display); 6] =
            [("class", &class), ("x", &x), ("y", &top), ("width", &width), ("height", &Px(BAR)), ("rx", &2)];
        svg.leaf("rect", &attributes);
    };
    let dashes = |svg: &mut Svg, class: &str, x: f64| {
        let (from, to, y) = (Px(x), Px(x + 24.0), Px(middle));
        svg.leaf("line", &[("class", &class), ("x1", &from), ("x2", &to), ("y1", &y), ("y2", &y)]);
    };
    let at = entry(svg, 162.0, "a process is alive");
    bar(svg, "alive", at, 24.0);
    let at = entry(svg, 182.0, "nothing to keep alive");
    dashes(svg, "platform", at);
    let at = entry(svg, 118.0, "a job runs");
    bar(svg, "run", at, 24.0);
    let at = entry(svg, 204.0, "runs, and is cut off");
    bar(svg, "cut", at, 15.0);
    cross(svg, at + 21.0, middle);
    let at = entry(svg, 0.0, "is due, and waits");
    dashes(svg, "wait", at);
    svg.leaf("circle", &[("class", &"due"), ("cx", &Px(at)), ("cy", &Px(middle)), ("r", &3.6)]);
}
