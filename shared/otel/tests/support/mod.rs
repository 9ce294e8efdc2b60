//! What the test programs share.

#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod greet;

use lamplighter_fakes::Exported;

/// The only span of that name.
pub(crate) fn one<'a>(spans: &'a [Exported], name: &str) -> &'a Exported {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}
