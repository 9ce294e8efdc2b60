//! Ended jobs by the minute, as stacked bars.

use super::{
    part, round_up,
    text::{draw, escape},
};

/// One bar: what ended in one stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bar {
    /// The stretch of time, for people.
    pub label: String,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Attempts that failed and are followed by another.
    pub retried: u64,
    /// Jobs that failed.
    pub failed: u64,
}

impl Bar {
    const fn total(&self) -> u64 {
        self.succeeded.saturating_add(self.retried).saturating_add(self.failed)
    }
}

/// Something that happened at the time of a bar: a deployment, a pause, an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The bar at which it stands, from 0.
    pub bar: usize,
    /// What happened.
    pub label: String,
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;
/// The least that is seen of a number that is not nothing.
const LEAST: f64 = 1.6;

/// Draws bars from left to right. Returns the drawing and the number at its upper edge; no bars make no drawing.
#[must_use]
pub fn bars(title: &str, bars: &[Bar], marks: &[Mark]) -> Option<(String, u64)> {
    if bars.is_empty() {
        return None;
    }
    let most = round_up(bars.iter().map(Bar::total).max().unwrap_or(0));
    let step = WIDTH / bars.len() as f64;
    let width = (step * 0.78).max(0.5);
    let mut svg = format!(
        r#"<svg class="chart plot" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{}">"#,
        escape(title)
    );
    for line in [0.0, HEIGHT / 2.0, HEIGHT] {
        draw(&mut svg, format_args!(r#"<path class="c-axis" d="M0 {line}H{WIDTH}"/>"#));
    }
    for (index, bar) in bars.iter().enumerate() {
        let left = index as f64 * step;
        let Bar { label, succeeded, retried, failed } = bar;
        draw(
            &mut svg,
            format_args!(
                r#"<g><title>{}: {succeeded} succeeded, {retried} retried, {failed} failed</title><path class="c-hit" d="M{left:.1} 0h{step:.1}v{HEIGHT}h-{step:.1}z"/>"#,
                escape(label)
            ),
        );
        let mut base = HEIGHT;
        for (class, value) in [("c-good", *succeeded), ("c-warn", *retried), ("c-bad", *failed)] {
            let height = part(value, most, base, LEAST);
            if height > 0.0 {
                base -= height;
                draw(
                    &mut svg,
                    format_args!(
                        r#"<path class="{class}" d="M{left:.1} {base:.1}h{width:.1}v{height:.1}h-{width:.1}z"/>"#
                    ),
                );
            }
        }
        svg.push_str("</g>");
    }
    for mark in marks.iter().filter(|mark| mark.bar < bars.len()) {
        let middle = mark.bar as f64 * step + width / 2.0;
        draw(
            &mut svg,
            format_args!(
                r#"<g><title>{}</title><path class="c-mark" d="M{middle:.1} 0V{HEIGHT}"/></g>"#,
                escape(&mark.label)
            ),
        );
    }
    svg.push_str("</svg>");
    Some((svg, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(succeeded: u64, retried: u64, failed: u64) -> Bar {
        Bar { label: "12:00".into(), succeeded, retried, failed }
    }

    #[test]
    fn nothing_makes_no_drawing() {
        assert_eq!(bars("jobs", &[], &[]), None);
    }

    #[test]
    fn a_minute_without_jobs_has_no_bar_and_says_so() {
        let (svg, most) = bars("jobs", &[bar(0, 0, 0)], &[]).unwrap();
        assert_eq!(most, 1);
        assert!(svg.contains("12:00: 0 succeeded, 0 retried, 0 failed") && !svg.contains("c-good"), "{svg}");
    }

    #[test]
    fn one_failure_among_a_million_is_seen() {
        let (svg, most) = bars("jobs", &[bar(1_000_000, 0, 1)], &[]).unwrap();
        assert_eq!(most, 1_200_000);
        assert!(svg.contains(r#"class="c-bad" d="M0.0 15.1h468.0v1.6h-468.0z""#), "{svg}");
    }

    #[test]
    fn the_largest_numbers_stay_inside() {
        let (svg, most) = bars("jobs", &[bar(u64::MAX, u64::MAX, u64::MAX), bar(1, 0, 0)], &[]).unwrap();
        assert_eq!(most, u64::MAX);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains(" -"), "{svg}");
    }

    #[test]
    fn texts_are_inert_and_marks_beyond_the_bars_are_left_out() {
        let hostile = "<script>alert(1)</script>\"";
        let marks = [Mark { bar: 0, label: hostile.into() }, Mark { bar: 7, label: "beyond".into() }];
        let (svg, _) = bars(hostile, &[Bar { label: hostile.into(), ..Bar::default() }], &marks).unwrap();
        assert!(!svg.contains("<script") && !svg.contains("beyond"), "{svg}");
        assert_eq!(svg.matches("&lt;script&gt;").count(), 3, "{svg}");
    }
}
