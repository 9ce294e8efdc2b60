//! The compile errors for wrong handlers explain what is wrong.

#[test]
fn wrong_handlers_get_readable_errors() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
