//! Performs the jobs of the queue `{{queue}}`; one file each.

mod {{handler}};

use lamplighter::Function;

/// The function. Declare here what its handlers do besides performing jobs; the deployed function may do no more:
/// `.enqueues::<Job>()`, `.schedules()`, `.manages_jobs()`, `.uses_objects()`.
#[must_use]
pub fn function() -> Function {
    Function::new("{{function}}").description("Performs {{job}}").memory_mb({{memory}}){{stateless}}.job({{handler}}::{{handler}})
}
