//! Pictures: for each peer two bars, ours and the peer's, on a logarithmic scale. Plain SVG that follows the reader's
//! choice of light or dark.

use std::fmt::Write;

use crate::{
    figures::{Measure, Pair, pair},
    page::{FASTER, grouped, rate, ratio},
    runs::Runs,
    subjects::PEERS,
};

const WIDTH: f64 = 960.0;
/// Where the bars begin and end.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 96.0;
const ROW: f64 = 40.0;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; }
.sub, .axis, .variant, .value { fill: #59636e; font-size: 12px; }
.name { text-anchor: end; font-weight: 600; }
.variant, .ratio { text-anchor: end; }
.ratio { font-weight: 600; }
.axis { text-anchor: middle; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.ours { fill: #1f6feb; }
.theirs { fill: #9a9fa6; }
.behind { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.sub, .axis, .variant, .value { fill: #9198a1; }
.grid { stroke: #3d444d; }
.ours { fill: #4493f8; }
.theirs { fill: #6e7681; }
.behind { fill: #ff7b72; }
}";

/// Draws a measure; none if there are no figures.
pub(crate) fn draw(runs: &Runs, title: &str, measure: Measure) -> Option<String> {
    let rows: Vec<(&str, &str, Pair)> = PEERS
        .iter()
        .flat_map(|peer| peer.variants.iter().map(move |variant| (peer, variant)))
        .filter_map(|(peer, variant)| Some((peer.name, variant.name, pair(runs, peer, variant, measure)?)))
        .collect();
    let rates = rows.iter().flat_map(|(_, _, pair)| [pair.ours.median, pair.theirs.median]);
    let (lowest, highest) = rates.fold(None, |range: Option<(f64, f64)>, rate| {
        Some(range.map_or((rate, rate), |(low, high)| (low.min(rate), high.max(rate))))
    })?;
    let (first, last) = (lowest.log10().floor(), highest.log10().ceil());
    let x = |rate: f64| LEFT + (RIGHT - LEFT) * (rate.log10() - first) / (last - first).max(1.0);
    let height = TOP + ROW * rows.len() as f64 + 16.0;

    let mut svg = String::new();
    // Writing into a String does not fail.
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(svg, "{text}");
    };
    line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title description\">"
    ));
    line(format_args!("<title id=\"title\">{title}</title>"));
    let said: Vec<String> = rows
        .iter()
        .map(|(peer, variant, pair)| {
            let (ours, theirs) = (rate(pair.ours.median), rate(pair.theirs.median));
            format!("{peer}, {variant}: {theirs}, Lamplighter beside it {ours}, ratio {}.", ratio(pair.ratio.median))
        })
        .collect();
    line(format_args!("<desc id=\"description\">Jobs per second, medians. {}</desc>", said.join(" ")));
    line(format_args!("<style>\n{STYLE}\n</style>"));
    line(format_args!("<text class=\"title\" x=\"16\" y=\"28\">{title}</text>"));
    line(format_args!(
        "<rect class=\"ours\" x=\"16\" y=\"42\" width=\"12\" height=\"12\" rx=\"2\"/><text class=\"sub\" x=\"34\" \
         y=\"52\">Lamplighter; its commits wait for the disk where the peer's do</text>"
    ));
    line(format_args!(
        "<rect class=\"theirs\" x=\"480\" y=\"42\" width=\"12\" height=\"12\" rx=\"2\"/><text class=\"sub\" x=\"498\" \
         y=\"52\">the peer</text>"
    ));
    line(format_args!("<text class=\"sub ratio\" x=\"{}\" y=\"52\">ours ÷ the peer</text>", WIDTH - 16.0));
    let mut power = first;
    while power <= last {
        let (at, bottom) = (x(10_f64.powf(power)), height - 12.0);
        line(format_args!(
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 8.0
        ));
        let label = if power < 0.0 { rate(10_f64.powf(power)) } else { grouped(10_f64.powf(power)) };
        line(format_args!("<text class=\"axis\" x=\"{at:.1}\" y=\"{:.1}\">{label}/s</text>", TOP - 14.0));
        power += 1.0;
    }
    for (row, (peer, variant, pair)) in rows.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        line(format_args!("<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{peer}</text>", LEFT - 78.0, y + 20.0));
        line(format_args!("<text class=\"variant\" x=\"{:.1}\" y=\"{:.1}\">{variant}</text>", LEFT - 14.0, y + 20.0));
        for (class, rates, top) in [("ours", pair.ours, y + 3.0), ("theirs", pair.theirs, y + 17.0)] {
            let end = x(rates.median).max(LEFT + 1.0);
            line(format_args!(
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\"/>",
                end - LEFT
            ));
            let label = rate(rates.median);
            line(format_args!("<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>", end + 6.0, top + 10.5));
        }
        let class = if pair.ratio.median < FASTER { "ratio behind" } else { "ratio" };
        line(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{:.1}\">{}</text>",
            WIDTH - 16.0,
            y + 21.0,
            ratio(pair.ratio.median)
        ));
    }
    line(format_args!("</svg>"));
    Some(svg)
}
