//! Changes of `Cargo.lock`, as cargo would make them, without asking a registry.

/// Adds a package of the workspace with what it depends on, in order.
pub(super) fn add_package(text: &str, name: &str, version: &str, dependencies: &[&str]) -> Result<String, String> {
    let mut package = format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n");
    let mut known = Vec::with_capacity(dependencies.len());
    for dependency in dependencies {
        known.push(reference(text, dependency).ok_or_else(|| format!("there is no package `{dependency}`"))?);
    }
    known.sort_unstable();
    for dependency in known {
        package.push_str(&format!(" \"{dependency}\",\n"));
    }
    package.push_str("]\n\n");
    let next = packages(text).find(|(_, other)| *other > name);
    let (before, after) = match next {
        Some((at, _)) => text.split_at(at),
        None => return Ok(format!("{text}\n{}\n", package.trim_end())),
    };
    Ok(format!("{before}{package}{after}"))
}

/// Adds to what a package of the workspace depends on, in order.
pub(super) fn add_dependency(text: &str, package: &str, dependency: &str) -> Result<String, String> {
    let missing = || format!("there is no package `{package}` with dependencies");
    let (at, _) = packages(text).find(|(_, name)| *name == package).ok_or_else(missing)?;
    let end = text[at..].find("\n\n").map_or(text.len(), |length| at + length);
    let list = text[at..end].find("dependencies = [\n").ok_or_else(missing)? + at + "dependencies = [\n".len();
    // A new package of the workspace itself is there under its name alone.
    let dependency = reference(text, dependency).unwrap_or_else(|| dependency.to_owned());
    let line = format!(" \"{dependency}\",\n");
    let mut place = list;
    for there in text[list..end].lines().take_while(|there| there.starts_with(" \"")) {
        if *there == *line.trim_end() {
            return Ok(text.to_owned());
        }
        if *there > *line {
            break;
        }
        place += there.len() + 1;
    }
    let (before, after) = text.split_at(place);
    Ok(format!("{before}{line}{after}"))
}

/// The names of all packages.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    packages(text).map(|(_, name)| name)
}

/// The version of a package.
pub(super) fn version<'a>(text: &'a str, package: &str) -> Option<&'a str> {
    let (at, _) = packages(text).find(|(_, name)| *name == package)?;
    text[at..].lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

/// Where packages begin, and what they are called.
fn packages(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("[[package]]\n").filter_map(|(at, header)| {
        let line = text[at + header.len()..].lines().next()?;
        Some((at, line.strip_prefix("name = \"")?.strip_suffix('"')?))
    })
}

/// How others refer to a package: by its name, and by its version too where there are several. Then the way counts in
/// which the workspace's own do.
fn reference(text: &str, name: &str) -> Option<String> {
    match names(text).filter(|other| *other == name).count() {
        0 => None,
        1 => Some(name.to_owned()),
        _ => {
            let (at, _) = packages(text).find(|(_, package)| *package == "lamplighter")?;
            let begin = format!(" \"{name} ");
            let line = text[at..].lines().take_while(|line| !line.is_empty()).find(|line| line.starts_with(&begin))?;
            Some(line.trim_matches([' ', '"', ',']).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\n \"c\",\n]\n\n[[package]]\n\
                        name = \"c\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \"lamplighter\"\nversion = \"0.1.0\"\ndependencies = \
                        [\n \"syn 2.0.0\",\n]\n\n[[package]]\nname = \"syn\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \
                        \"syn\"\nversion = \"3.0.0\"\n";

    #[test]
    fn a_package_stands_in_order_and_names_versions_where_there_are_several() {
        let with = add_package(LOCK, "b", "0.1.0", &["syn", "c"]).unwrap();
        let block = "]\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\ndependencies = [\n \"c\",\n \"syn 2.0.0\",\n]\n\n[[package]]\nname = \"c\"\n";
        assert!(with.contains(block), "{with}");
        let last = add_package(LOCK, "z", "0.1.0", &["c"]).unwrap();
        assert!(
            last.ends_with(
                "\"3.0.0\"\n\n[[package]]\nname = \"z\"\nversion = \"0.1.0\"\ndependencies = [\n \"c\",\n]\n"
            ),
            "{last}"
        );
        assert_eq!(add_package(LOCK, "b", "0.1.0", &["d"]).unwrap_err(), "there is no package `d`");
    }

    #[test]
    fn a_dependency_stands_in_order_and_once() {
        assert!(add_dependency(LOCK, "a", "b").unwrap().contains("dependencies = [\n \"b\",\n \"c\",\n]\n"));
        assert!(add_dependency(LOCK, "a", "z").unwrap().contains("dependencies = [\n \"c\",\n \"z\",\n]\n"));
        assert_eq!(add_dependency(LOCK, "a", "c").unwrap(), LOCK);
        assert!(add_dependency(LOCK, "c", "a").unwrap_err().contains("no package `c` with dependencies"));
    }

    #[test]
    fn versions_are_read() {
        assert_eq!((version(LOCK, "lamplighter"), version(LOCK, "d")), (Some("0.1.0"), None));
        assert_eq!(names(LOCK).collect::<Vec<_>>(), ["a", "c", "lamplighter", "syn", "syn"]);
    }
}
