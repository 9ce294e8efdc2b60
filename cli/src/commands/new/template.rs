//! Files as they begin.

/// Puts values in place of `{{their names}}`. The lines of imports are put in order, since names of crates are among the
/// values.
pub(in crate::commands) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let text =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    let mut lines: Vec<&str> = text.lines().collect();
    for imports in lines.chunk_by_mut(|one, next| is_import(one) && is_import(next)) {
        imports.sort_unstable();
    }
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

fn is_import(line: &str) -> bool {
    line.starts_with("use ") && line.ends_with(';')
}

/// Dependencies of a manifest, in the order of their names.
pub(in crate::commands) fn dependencies(lines: &[&str]) -> String {
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| line.split(['.', ' ']).next());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_imports_stay_in_order() {
        let text = "use b::{C, D};\nuse {{jobs}}::E;\n\nuse crate::x;\nfn {{f}}() {}\n";
        let filled = fill(text, &[("jobs", "a"), ("f", "g")]);
        assert_eq!(dependencies(&["c-d = 1", "c.workspace = true", "a = 2"]), "a = 2\nc.workspace = true\nc-d = 1");
        assert_eq!(filled, "use a::E;\nuse b::{C, D};\n\nuse crate::x;\nfn g() {}\n");
    }
}
