//! Performs the jobs of the queue `{{queue}}`, a file each.

mod {{handler}};

use lamplighter::Function;

/// The function.
#[must_use]
pub fn function() -> Function {
    Function::new("{{function}}").description("Performs {{job}}").memory_mb({{memory}}){{stateless}}.job({{handler}}::{{handler}})
}
