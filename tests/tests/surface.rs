//! The core's public names, as a list in the repository: each new name is a decision.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Item, UseTree, Visibility};

type Names = BTreeMap<String, BTreeSet<String>>;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lamplighter/src")
}

fn used(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => used(&path.tree, names),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(rename) => drop(names.insert(rename.rename.to_string())),
        UseTree::Glob(_) => panic!("a glob hides which names are public"),
        UseTree::Group(group) => group.items.iter().for_each(|tree| used(tree, names)),
    }
}

fn collect(items: &[Item], path: &str, folder: &Path, all: &mut Names) {
    let public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    let mut names = BTreeSet::new();
    for item in items {
        match item {
            Item::Use(item) if public(&item.vis) => used(&item.tree, &mut names),
            Item::Struct(item) if public(&item.vis) => drop(names.insert(item.ident.to_string())),
            Item::Enum(item) if public(&item.vis) => drop(names.insert(item.ident.to_string())),
            Item::Trait(item) if public(&item.vis) => drop(names.insert(item.ident.to_string())),
            Item::Fn(item) if public(&item.vis) => drop(names.insert(item.sig.ident.to_string())),
            Item::Const(item) if public(&item.vis) => drop(names.insert(item.ident.to_string())),
            Item::Type(item) if public(&item.vis) => drop(names.insert(item.ident.to_string())),
            Item::Macro(item) if item.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
                names.extend(item.ident.as_ref().map(ToString::to_string));
            }
            Item::Mod(item) if public(&item.vis) => {
                let name = item.ident.to_string();
                let inner = format!("{path}::{name}");
                match &item.content {
                    Some((_, items)) => collect(items, &inner, &folder.join(&name), all),
                    None => {
                        let files = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                        let file = files.iter().find(|file| file.exists()).unwrap();
                        let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
                        collect(&parsed.items, &inner, &folder.join(&name), all);
                    }
                }
            }
            _ => {}
        }
    }
    all.insert(path.to_owned(), names);
}

fn names() -> Names {
    let mut all = Names::new();
    let library = syn::parse_file(&fs::read_to_string(source().join("lib.rs")).unwrap()).unwrap();
    collect(&library.items, "lamplighter", &source(), &mut all);
    all
}

#[test]
fn public_names_are_the_listed_ones() {
    let mut page = String::new();
    for (path, names) in names() {
        page.push_str(&format!("{path}\n"));
        names.iter().for_each(|name| page.push_str(&format!("  {name}\n")));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("public-names.txt");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let listed = fs::read_to_string(&file).unwrap_or_default();
    assert!(page == listed, "the public names have changed; where that is meant, run this test with UPDATE_DOCS=1");
}

#[test]
fn the_root_has_only_names_for_job_authors() {
    let all = names();
    let root = &all["lamplighter"];
    assert!(root.len() <= 44, "{} names at the root: {root:?}", root.len());
    for (path, names) in
        all.iter().filter(|(path, _)| matches!(path.as_str(), "lamplighter::backend" | "lamplighter::host"))
    {
        let twice: Vec<_> = names.intersection(root).collect();
        assert!(twice.is_empty(), "{path} repeats names of the root: {twice:?}");
    }
}
