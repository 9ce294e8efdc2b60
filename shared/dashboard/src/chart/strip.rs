//! Strips: one line of parts, stretched to the width of its place.

use super::{
    part,
    text::{draw, escape},
};

const WIDTH: f64 = 1000.0;

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The class of its colour.
    pub class: &'static str,
    /// How much it is.
    pub amount: u64,
}

fn begin(class: &str, height: u32, title: &str) -> String {
    format!(
        r#"<svg class="{class}" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img" aria-label="{}">"#,
        escape(title)
    )
}

/// Draws the parts of a whole beside each other; what is left of `total` stays open.
#[must_use]
pub fn progress(title: &str, parts: &[Part], total: u64) -> String {
    let total = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.amount)).max(total);
    let mut svg = begin("chart bar-strip", 10, title);
    draw(&mut svg, format_args!(r#"<path class="c-open" d="M0 0h{WIDTH}v10h-{WIDTH}z"/>"#));
    let mut left = 0.0;
    for Part { class, amount } in parts {
        let width = part(*amount, total, WIDTH, 3.0).min(WIDTH - left);
        if width > 0.0 {
            draw(&mut svg, format_args!(r#"<path class="{class}" d="M{left:.1} 0h{width:.1}v10h-{width:.1}z"/>"#));
            left += width;
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Draws three percentiles on one line from nothing to `most`, all in the same unit.
#[must_use]
pub fn percentiles(title: &str, (p50, p95, p99): (u64, u64, u64), most: u64) -> String {
    let most = most.max(p99).max(p95).max(p50);
    let mut svg = begin("chart pct-strip", 10, title);
    draw(&mut svg, format_args!(r#"<path class="c-axis" d="M0 5h{WIDTH}"/>"#));
    for (class, value, top, height) in [("c-p99", p99, 3, 4), ("c-p95", p95, 2, 6), ("c-p50", p50, 1, 8)] {
        let width = part(value, most, WIDTH, 3.0);
        if width > 0.0 {
            draw(&mut svg, format_args!(r#"<path class="{class}" d="M0 {top}h{width:.1}v{height}h-{width:.1}z"/>"#));
        }
    }
    svg.push_str("</svg>");
    svg
}

/// A stretch of time on a line, in milliseconds from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it begins.
    pub from: u64,
    /// When it ends.
    pub to: u64,
    /// The class of its colour.
    pub class: &'static str,
}

/// Draws stretches of time on a line of this length.
#[must_use]
pub fn attempt(title: &str, spans: &[Span], length: u64) -> String {
    let length = spans.iter().map(|span| span.to).max().unwrap_or(0).max(length).max(1);
    let mut svg = begin("chart track", 10, title);
    draw(&mut svg, format_args!(r#"<path class="c-axis" d="M0 5h{WIDTH}"/>"#));
    for Span { from, to, class } in spans {
        let left = part(*from, length, WIDTH, 0.0).min(WIDTH - 4.0);
        let width = part(to.saturating_sub(*from), length, WIDTH - left, 4.0).max(4.0);
        draw(&mut svg, format_args!(r#"<path class="{class}" d="M{left:.1} 0h{width:.1}v10h-{width:.1}z"/>"#));
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sound(svg: &str) {
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("h-0.0"), "{svg}");
    }

    #[test]
    fn an_empty_batch_is_all_open() {
        let svg = progress("batch", &[Part { class: "c-good", amount: 0 }], 0);
        is_sound(&svg);
        assert!(!svg.contains("c-good"), "{svg}");
    }

    #[test]
    fn parts_never_leave_the_strip() {
        let parts = [("c-good", u64::MAX), ("c-warn", 1), ("c-bad", u64::MAX)];
        let svg = progress("<i>", &parts.map(|(class, amount)| Part { class, amount }), 3);
        is_sound(&svg);
        assert!(!svg.contains("<i>"), "{svg}");
        let one = progress("one", &[Part { class: "c-bad", amount: 1 }], 1_000_000);
        assert!(one.contains(r#"class="c-bad" d="M0.0 0h3.0v10h-3.0z""#), "{one}");
    }

    #[test]
    fn percentiles_of_nothing_and_of_the_longest_times() {
        for values in [(0, 0, 0), (1, 2, 3), (u64::MAX, u64::MAX, u64::MAX)] {
            is_sound(&percentiles("duration", values, 0));
        }
    }

    #[test]
    fn an_attempt_that_took_no_time_is_seen_at_its_place() {
        let at = |from, to| Span { from, to, class: "c-bad" };
        for spans in [vec![], vec![at(0, 0)], vec![at(u64::MAX, u64::MAX)], vec![at(9, 3), at(0, 1000)]] {
            is_sound(&attempt("attempts", &spans, 0));
        }
        assert!(attempt("attempts", &[at(1000, 1000)], 1000).contains("M996.0 0h4.0"));
    }
}
