//! The picture: one night above, the year's figures below.

mod figures;
mod night;
mod svg;

use self::svg::{Px, Svg};
use crate::{Replay, clock, hosts, night::Night};

/// The width of the picture.
const WIDTH: f64 = 1120.0;
/// The end of the names, where the drawing begins.
const LEFT: f64 = 262.0;
const RIGHT: f64 = WIDTH - 24.0;

/// Draws the picture. Colours follow the reader's scheme, light or dark.
pub(crate) fn draw(replay: &Replay, of: &Night) -> String {
    let figures_top = night::bottom() + 26.0;
    let height = figures_top + figures::height();
    let mut svg = Svg::default();
    svg.open(
        "svg",
        &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("viewBox", &format_args!("0 0 {} {}", Px(WIDTH), Px(height))),
            ("role", &"img"),
            ("aria-labelledby", &"title description"),
        ],
    );
    svg.text("title", &[("id", &"title")], "Background jobs on eleven hosts: one night, and one year");
    svg.text("desc", &[("id", &"description")], &description(replay, of));
    svg.style(STYLE);
    svg.leaf("rect", &[("class", &"page"), ("width", &Px(WIDTH)), ("height", &Px(height)), ("rx", &8)]);
    night::draw(&mut svg, of);
    figures::draw(&mut svg, replay, figures_top);
    svg.close("svg");
    svg.finish()
}

/// Returns the description for readers who cannot see the picture.
fn description(replay: &Replay, night: &Night) -> String {
    let mut text = format!(
        "A simulation, seed {}. Above: the night from {} to {}, with the processes that run jobs, and the jobs of more than \
         three minutes. Below: {} days in figures.",
        replay.seed,
        clock::label(night.window.start),
        clock::label(night.window.end),
        replay.days,
    );
    for (host, outcome) in hosts::ALL.iter().zip(&replay.outcomes) {
        text.push_str(&format!(
            " {}: {} late, {} of them nightly, {} ticks missed, {} begun again, {} stuck in all.",
            host.name,
            outcome.late,
            outcome.late_nightly,
            outcome.missed,
            outcome.begun_again,
            clock::span(outcome.stuck),
        ));
    }
    text
}

/// Returns the position of a host's line, relative to the first one: with some space before Lamplighter's.
fn line(index: usize, height: f64) -> f64 {
    let ours = hosts::ALL.iter().take(index + 1).any(|host| host.ours);
    index as f64 * height + if ours { 14.0 } else { 0.0 }
}

/// Writes the name of a host before its line.
fn name(svg: &mut Svg, index: usize, baseline: f64) {
    let host = &hosts::ALL[index];
    let short = host.name.split_once(": ").map_or(host.name, |(_, short)| short);
    let (group, is_first) = group(index);
    if is_first {
        svg.text("text", &[("class", &"group"), ("x", &24), ("y", &Px(baseline))], group);
    }
    svg.text("text", &[("class", &"name"), ("x", &Px(LEFT - 14.0)), ("y", &Px(baseline))], short);
}

fn group(index: usize) -> (&'static str, bool) {
    let of = |index: usize| hosts::ALL[index].name.split_once(": ").map_or("", |(group, _)| group);
    (of(index), index == 0 || of(index - 1) != of(index))
}

/// Plain rules, and overrides for dark: not every SVG renderer supports variables.
const STYLE: &str = "\
text { font-family: system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; font-size: 13px; fill: #1f2328; }
.page { fill: #ffffff; }
.heading { font-size: 19px; font-weight: 600; }
.sub, .hour, .legend { fill: #59636e; font-size: 12.5px; }
.hour { text-anchor: middle; }
.name { text-anchor: end; }
.group, .column { font-weight: 600; }
.grid { stroke: #e3e8ed; stroke-width: 1; }
.request { stroke: #59636e; stroke-width: 1.2; }
.tick { stroke: #8c99a8; stroke-width: 1.2; }
.alive { fill: #dfe7f1; stroke: #b6c4d6; stroke-width: 1; }
.platform { stroke: #8c99a8; stroke-width: 1.6; stroke-dasharray: 0.1 6; stroke-linecap: round; }
.run { fill: #1f6feb; }
.cut { fill: #cf3f12; }
.cross { stroke: #cf3f12; stroke-width: 2.2; stroke-linecap: round; }
.wait { stroke: #9a6700; stroke-width: 2; stroke-dasharray: 5 4; }
.due { fill: #ffffff; stroke: #9a6700; stroke-width: 2; }
.bar { fill: #8c99a8; }
.ours { fill: #1f6feb; }
.number { font-variant-numeric: tabular-nums; }
.none { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #0d1117; }
  .sub, .hour, .legend, .none { fill: #9198a1; }
  .grid { stroke: #21272e; }
  .request { stroke: #9198a1; }
  .alive { fill: #1d2836; stroke: #3a4a5f; }
  .platform, .tick { stroke: #6b7785; }
  .run, .ours { fill: #58a6ff; }
  .cut { fill: #ff7b54; }
  .cross { stroke: #ff7b54; }
  .wait { stroke: #d8a531; }
  .due { fill: #0d1117; stroke: #d8a531; }
  .bar { fill: #6b7785; }
  .ours { fill: #58a6ff; }
}
";
