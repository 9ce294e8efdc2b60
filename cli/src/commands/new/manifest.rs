//! Changes of `Cargo.toml`, at places found in its syntax tree.

use std::ops::Range;

use toml_edit::{Document, Item, Table};

/// Parses a manifest.
pub(super) fn parse(text: &str) -> Result<Document<&str>, String> {
    Document::parse(text).map_err(|error| format!("it is no TOML ({})", error.message()))
}

/// Returns whether it has a dependency of that name.
pub(super) fn depends_on(text: &str, name: &str) -> Result<bool, String> {
    Ok(table(&parse(text)?, &["dependencies"]).is_some_and(|table| table.contains_key(name)))
}

/// Adds `NAME.workspace = true` to the dependencies, in order.
pub(super) fn add_dependency(text: &str, name: &str) -> Result<String, String> {
    let document = parse(text)?;
    let table = table(&document, &["dependencies"]).ok_or("there is no `[dependencies]`")?;
    let before = table.iter().take_while(|(key, _)| *key < name).last();
    let at = match before {
        Some((_, item)) => end_of_line(text, place(item).ok_or("its dependencies have no place")?.end),
        None => end_of_line(text, table.span().ok_or("its dependencies have no place")?.start),
    };
    Ok(put(text, at, &format!("{name}.workspace = true\n")))
}

/// Adds `NAME = { path = "functions/NAME" }` after the last such line of the workspace's dependencies, or as the first
/// dependency.
pub(super) fn add_member(text: &str, name: &str) -> Result<String, String> {
    let document = parse(text)?;
    let table = table(&document, &["workspace", "dependencies"]).ok_or("there is no `[workspace.dependencies]`")?;
    let is_function =
        |item: &Item| item.get("path").and_then(Item::as_str).is_some_and(|path| path.starts_with("functions/"));
    let last = table.iter().filter(|(_, item)| is_function(item)).last();
    let before = match last {
        Some((_, last)) => place(last).map(|place| place.end),
        None => table.span().map(|span| span.start),
    };
    let at = end_of_line(text, before.ok_or("its dependencies have no place")?);
    Ok(put(text, at, &format!("{name} = {{ path = \"functions/{name}\" }}\n")))
}

/// The package's name.
pub(in crate::commands) fn package_name(text: &str) -> Result<String, String> {
    let document = parse(text)?;
    let name = table(&document, &["package"]).and_then(|package| package.get("name")?.as_str());
    Ok(name.ok_or("there is no `name` in `[package]`")?.to_owned())
}

/// The keys of `[workspace.package]` that packages inherit.
const INHERITED: [&str; 6] = ["version", "edition", "rust-version", "license", "authors", "publish"];

/// The keys that a new package of this workspace can inherit.
pub(super) fn inherited(text: &str) -> Result<Vec<String>, String> {
    let document = parse(text)?;
    let package = table(&document, &["workspace", "package"]).ok_or("there is no `[workspace.package]`")?;
    let there = INHERITED.iter().filter(|key| package.contains_key(key));
    Ok(there.map(|key| (*key).to_owned()).collect())
}

/// The names of the binaries that it declares.
pub(super) fn binaries(text: &str) -> Result<Vec<String>, String> {
    let document = parse(text)?;
    let binaries = document.as_table().get("bin").and_then(Item::as_array_of_tables);
    let names = binaries.into_iter().flatten().filter_map(|binary| binary.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

/// The function's timeout for `cargo lambda deploy`, in seconds.
pub(super) fn timeout(text: &str) -> Result<Option<u64>, String> {
    let document = parse(text)?;
    let deploy = table(&document, &["package", "metadata", "lambda", "deploy"]);
    let seconds = deploy.and_then(|deploy| deploy.get("timeout")?.as_integer());
    Ok(seconds.and_then(|seconds| seconds.try_into().ok()))
}

fn table<'a>(document: &'a Document<&str>, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(document.as_table(), |table, key| table.get(key)?.as_table())
}

/// The position of an item. A dotted key has that of its last part.
fn place(item: &Item) -> Option<Range<usize>> {
    match item {
        Item::Table(table) if table.is_dotted() => {
            table.iter().filter_map(|(_, item)| place(item)).max_by_key(|at| at.end)
        }
        other => other.span(),
    }
}

/// The beginning of the next line.
fn end_of_line(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |at| from + at + 1)
}

fn put(text: &str, at: usize, line: &str) -> String {
    let (before, after) = text.split_at(at);
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{gap}{line}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[package]\nname = \"a\"\n\n[dependencies]\nimages.workspace = true # big\n# About jiff.\njiff = { \
                        workspace = true, features = [\n  \"x\",\n] }\nreports.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn dependencies_are_sorted() {
        let with = |name| add_dependency(TEXT, name).unwrap();
        assert!(with("alpha").contains("[dependencies]\nalpha.workspace = true\nimages."));
        assert!(with("invoices").contains("true # big\ninvoices.workspace = true\n# About jiff.\n"));
        assert!(with("lamp").contains("] }\nlamp.workspace = true\nreports."));
        assert!(with("zeta").contains("reports.workspace = true\nzeta.workspace = true\n\n[lints]"));
        assert!(with("zeta").parse::<String>().is_ok_and(|text| depends_on(&text, "zeta").unwrap()));
        assert_eq!(depends_on(TEXT, "zeta"), Ok(false));
        let short = add_dependency("[dependencies]\na = \"1\"", "b").unwrap();
        assert_eq!(short, "[dependencies]\na = \"1\"\nb.workspace = true\n");
        assert!(add_dependency("[package]\n", "a").unwrap_err().contains("[dependencies]"));
        assert!(add_dependency("[package", "a").unwrap_err().starts_with("it is no TOML"));
    }

    #[test]
    fn a_member_follows_the_last_function() {
        let text = "[workspace.dependencies]\njobs = { path = \"shared/jobs\" }\nimages = { path = \"functions/images\" }\n\nserde = \"1\"\n";
        let with = add_member(text, "invoices").unwrap();
        assert!(
            with.contains("\"functions/images\" }\ninvoices = { path = \"functions/invoices\" }\n\nserde"),
            "{with}"
        );
        assert_eq!(
            add_member("[workspace.dependencies]\nserde = \"1\"\n", "invoices").unwrap(),
            "[workspace.dependencies]\ninvoices = { path = \"functions/invoices\" }\nserde = \"1\"\n"
        );
        assert!(add_member("[workspace]\n", "invoices").unwrap_err().contains("[workspace.dependencies]"));
    }

    #[test]
    fn declared_values_are_read() {
        assert_eq!(
            binaries("[[bin]]\nname = \"lamp\"\n[[bin]]\nname = \"oil\"\n"),
            Ok(vec!["lamp".into(), "oil".into()])
        );
        assert_eq!(timeout("[package.metadata.lambda.deploy]\ntimeout = 35\n"), Ok(Some(35)));
        assert_eq!(timeout(TEXT), Ok(None));
        assert_eq!(package_name(TEXT), Ok("a".into()));
        assert!(package_name("[lints]\n").unwrap_err().contains("`name`"));
        let inherits = inherited("[workspace.package]\nedition = \"2024\"\nversion = \"1.0.0\"\nhomepage = \"x\"\n");
        assert_eq!(inherits, Ok(vec!["version".into(), "edition".into()]));
    }
}
