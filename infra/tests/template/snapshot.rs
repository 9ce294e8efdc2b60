//! A template of every kind of resource: each change of a derivation shows in it.

use std::{fs, path::Path};

use crate::support::kinds;

/// Set this variable to write the file instead of comparing with it.
const UPDATE: &str = "UPDATE_SNAPSHOT";

/// The file is linted too, by `infra/lint/run`.
#[test]
fn the_template_of_every_kind_is_unchanged() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template/kinds.yaml");
    let now = kinds().to_yaml();
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&file, &now).unwrap();
    }
    let before = fs::read_to_string(&file).unwrap();
    let differs = before.lines().zip(now.lines()).position(|(before, now)| before != now);
    if let Some(line) = differs {
        let show = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
        panic!(
            "line {} was {:?} and is {:?}; if that is intended, run this test with {UPDATE}=1 and commit the file",
            line + 1,
            show(&before),
            show(&now)
        );
    }
    assert_eq!(before.lines().count(), now.lines().count(), "run this test with {UPDATE}=1 and commit the file");
}
