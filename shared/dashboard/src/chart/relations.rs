//! A job among its relations, as a small graph from left to right.

use super::text::{draw, escape, shorten};

/// A job in the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// What it is: its job's name, mostly.
    pub name: String,
    /// What it is to the job in the middle, and its state.
    pub role: String,
    /// Where it leads; none for the job itself.
    pub href: Option<String>,
}

/// What is around a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// What was before it: a parent, a schedule, what it waited for, its batch.
    pub before: Vec<Node>,
    /// The job itself.
    pub job: Node,
    /// What came of it, or waits for it.
    pub after: Vec<Node>,
    /// How many more there are behind those.
    pub more: u64,
}

const NODE_WIDTH: usize = 190;
const NODE_HEIGHT: usize = 40;
const COLUMN: usize = NODE_WIDTH + 60;
const ROW: usize = NODE_HEIGHT + 12;
/// Characters that fit into a node.
const ROOM: usize = 25;
const MOST: usize = 8;

/// Draws a job among its relations; a job without any makes no drawing.
#[must_use]
pub fn relations(all: &Relations) -> Option<String> {
    if all.before.is_empty() && all.after.is_empty() {
        return None;
    }
    let (before, after) = (first(&all.before), first(&all.after));
    let hidden = all.more.saturating_add((all.after.len() - after.len()) as u64);
    let rows = before.len().max(after.len() + usize::from(hidden > 0)).max(1);
    let middle_column = usize::from(!before.is_empty());
    let columns = 1 + middle_column + usize::from(!after.is_empty());
    let (width, height) = (columns * COLUMN - 60 + 4, rows * ROW - 12 + 4);
    let mut svg = format!(
        r#"<svg class="kin-graph" width="{width}" height="{height}" viewBox="-2 -2 {width} {height}" role="group" aria-label="Relations of {}">"#,
        escape(&all.job.name)
    );
    let center = (rows - 1) * ROW / 2;
    let top = |index: usize, count: usize| (rows - count) * ROW / 2 + index * ROW;
    for index in 0..before.len() {
        edge(&mut svg, (0, top(index, before.len())), (COLUMN, center));
    }
    let after_rows = after.len() + usize::from(hidden > 0);
    for index in 0..after.len() {
        edge(&mut svg, (middle_column * COLUMN, center), ((middle_column + 1) * COLUMN, top(index, after_rows)));
    }
    for (index, each) in before.iter().enumerate() {
        node(&mut svg, each, (0, top(index, before.len())), "c-node");
    }
    node(&mut svg, &all.job, (middle_column * COLUMN, center), "c-self");
    let last = (middle_column + 1) * COLUMN;
    for (index, each) in after.iter().enumerate() {
        node(&mut svg, each, (last, top(index, after_rows)), "c-node");
    }
    if hidden > 0 {
        let line = top(after.len(), after_rows) + 16;
        draw(&mut svg, format_args!(r#"<text x="{}" y="{line}">and {hidden} more</text>"#, last + 10));
    }
    svg.push_str("</svg>");
    Some(svg)
}

fn first(nodes: &[Node]) -> &[Node] {
    nodes.get(..MOST).unwrap_or(nodes)
}

fn edge(svg: &mut String, (from_left, from_top): (usize, usize), (to_left, to_top): (usize, usize)) {
    let (x1, y1, y2) = (from_left + NODE_WIDTH, from_top + NODE_HEIGHT / 2, to_top + NODE_HEIGHT / 2);
    let bend = x1 + 30;
    draw(svg, format_args!(r#"<path class="c-edge" d="M{x1} {y1}C{bend} {y1} {bend} {y2} {to_left} {y2}"/>"#));
}

fn node(svg: &mut String, node: &Node, (left, top): (usize, usize), class: &str) {
    let (name, role) = (escape(&shorten(&node.name, ROOM)), escape(&shorten(&node.role, ROOM + 3)));
    if let Some(href) = &node.href {
        draw(svg, format_args!(r#"<a href="{}">"#, escape(href)));
    }
    draw(
        svg,
        format_args!(
            r#"<title>{}</title><rect class="{class}" x="{left}" y="{top}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="6"/><text class="c-name" x="{x}" y="{y}">{name}</text><text x="{x}" y="{y2}">{role}</text>"#,
            escape(&node.name),
            x = left + 10,
            y = top + 17,
            y2 = top + 32,
        ),
    );
    if node.href.is_some() {
        svg.push_str("</a>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Node {
        Node { name: name.into(), role: "child, queued".into(), href: Some("/jobs/1".into()) }
    }

    #[test]
    fn a_job_by_itself_makes_no_drawing() {
        assert_eq!(relations(&Relations { job: named("order.ship"), ..Relations::default() }), None);
    }

    #[test]
    fn many_children_are_counted_and_not_drawn() {
        let all =
            Relations { before: vec![named("parent")], job: named("job"), after: vec![named("child"); 20], more: 5 };
        let svg = relations(&all).unwrap();
        assert_eq!(svg.matches("c-node").count(), 1 + MOST);
        assert!(svg.contains("and 17 more"), "{svg}");
    }

    #[test]
    fn hostile_names_are_inert_and_long_ones_shortened() {
        let hostile =
            Node { name: "\"><script>".repeat(40), role: "<b>".into(), href: Some("/jobs/\" onclick=\"x".into()) };
        let svg = relations(&Relations { job: named("job"), after: vec![hostile], ..Relations::default() }).unwrap();
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains("\" onclick"), "{svg}");
        assert!(svg.contains('…'), "{svg}");
    }
}
