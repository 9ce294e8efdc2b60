//! Performs the jobs of the queue `{{queue}}`, a file each.

mod {{handler}};

use lamplighter::Function;

/// The function. What its handlers do beside performing jobs is said here, and the deployed function may do no more:
/// `.enqueues::<Job>()`, `.schedules()`, `.manages_jobs()`, `.uses_objects()`.
#[must_use]
pub fn function() -> Function {
    Function::new("{{function}}").description("Performs {{job}}").memory_mb({{memory}}){{stateless}}.job({{handler}}::{{handler}})
}
