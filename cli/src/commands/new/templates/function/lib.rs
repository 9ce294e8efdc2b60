//! Performs the jobs of the queue `{{queue}}`, a file each.

mod {{handler}};

use lamplighter::Function;

/// The function.
#[must_use]
pub fn function() -> Function {
    Function::new("{{function}}").description("Performs {{job}}").memory_mb({{memory}}){{stateless}}.job({{handler}}::{{handler}})
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_function_is_sound() {
        assert_eq!(super::function().problems(), Vec::<String>::new());
    }
}
