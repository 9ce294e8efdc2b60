//! The app {{name}}: the one list of its functions, jobs and schedules.

use lamplighter::App;
use {{jobs_crate}}::{{type}};

/// The app. `lamp dev` runs it on this machine, and `lamp infra` derives the template from it.
#[must_use]
pub fn app() -> App {
    App::new("{{name}}")
        .function({{crate}}::function)
        .definitions({{jobs_crate}}::definitions())
        .schedules({{jobs_crate}}::schedules())
        .example({{type}} { subject: Some("42".into()) })
}

#[cfg(test)]
mod tests {
    use lamplighter::Variables;

    use super::*;

    #[test]
    fn functions_are_valid() {
        for function in app().functions(&Variables::none()) {
            assert_eq!(function.problems(), Vec::<String>::new(), "{}", function.name());
        }
    }
}
