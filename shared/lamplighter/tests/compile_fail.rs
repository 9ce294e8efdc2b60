//! A wrong handler is told what is wrong, in words.

#[test]
fn wrong_handlers_get_readable_errors() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
