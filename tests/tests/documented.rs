//! The table of behaviours in the documentation is that of the code.

use std::{fs, path::Path};

use lamplighter_tests::conformance::BEHAVIOURS;

/// Where the table stands. `UPDATE_DOCS=1` writes it anew.
const PATH: &str = "docs/behaviours.md";

fn page() -> String {
    let mut page = String::from(
        "# What every backend does\n\nOne list of behaviours, each proven on every backend by the same code: on the embedded one in memory \
         under a clock\nthat jumps, and in a file under the machine's own; on AWS over the real wire protocols, against an emulator.\n\
         `cargo test -p lamplighter-tests --test embedded --test aws` runs them all.\n\n| behaviour | embedded | AWS |\n| --- | --- | --- |\n",
    );
    for behaviour in BEHAVIOURS {
        page.push_str(&format!("| {} | proven | proven |\n", behaviour.name.replace('_', " ")));
    }
    page
}

#[test]
fn the_documented_behaviours_are_those_of_the_suite() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PATH);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page(), "{PATH} is stale: run this test with UPDATE_DOCS=1 and commit the file");
}
