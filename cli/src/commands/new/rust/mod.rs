//! Changes of Rust source, at places found in its syntax tree.

mod chain;
mod list;

use proc_macro2::Span;
use syn::{
    File, Item, ItemUse, Macro, UseTree, Visibility,
    parse::Parser,
    punctuated::Punctuated,
    spanned::Spanned,
    visit::{self, Visit},
};

pub(super) use self::chain::{add_function, add_job, root_of};
use self::list::{Layout, List};

/// Parses a file. An error names the line.
pub(super) fn parse(text: &str) -> Result<File, String> {
    syn::parse_file(text).map_err(|error| format!("line {} is no Rust ({error})", error.span().start().line))
}

/// Adds `mod NAME;` to the file's other modules of the same visibility.
pub(super) fn add_module(text: &str, name: &str, public: bool) -> Result<String, String> {
    let file = parse(text)?;
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    let alike = modules.filter(|module| matches!(module.vis, Visibility::Public(_)) == public);
    let line = if public { format!("pub mod {name};") } else { format!("mod {name};") };
    let (mut first, mut before) = (None, None);
    for module in alike {
        first = first.or(Some(module.span()));
        if *name > *module.ident.to_string() {
            before = Some(module.span());
        }
    }
    Ok(match (before, first, file.items.first()) {
        (Some(before), ..) => put(text, end(before), &format!("\n{line}")),
        (None, Some(next), _) => put(text, start(next), &format!("{line}\n")),
        (None, None, Some(item)) => put(text, start(item.span()), &format!("{line}\n\n")),
        (None, None, None) => format!("{text}\n{line}\n"),
    })
}

/// Adds a path to `pub use self::{…};`.
pub(super) fn add_export(text: &str, path: &str) -> Result<String, String> {
    let file = parse(text)?;
    let exported = file.items.iter().find_map(|item| match item {
        Item::Use(ItemUse { vis: Visibility::Public(_), tree: UseTree::Path(root), .. }) if root.ident == "self" => {
            Some(&*root.tree)
        }
        _ => None,
    });
    match exported {
        Some(UseTree::Group(group)) => {
            let spans = group.items.iter().map(Spanned::span);
            let list = List::new(text, group.brace_token.span.join(), spans);
            let place = list.texts().take_while(|item| *item < path).count();
            Ok(list.insert(place, path, Layout::Filled))
        }
        // rustfmt removes the braces around a single path.
        Some(only) => {
            let place = only.span().byte_range();
            let grouped = format!("{}{{{}}}{}", &text[..place.start], &text[place.clone()], &text[place.end..]);
            add_export(&grouped, path)
        }
        None => {
            let is_head = |item: &&Item| match item {
                Item::Use(_) => true,
                Item::Mod(module) => module.content.is_none(),
                _ => false,
            };
            let last = file.items.iter().rfind(is_head).ok_or("there is no `mod`")?;
            Ok(put(text, end(last.span()), &format!("\n\npub use self::{path};")))
        }
    }
}

/// Returns whether a `use` of the file imports a name.
pub(super) fn imports(text: &str, name: &str) -> Result<bool, String> {
    fn has(tree: &UseTree, name: &str) -> bool {
        match tree {
            UseTree::Path(path) => has(&path.tree, name),
            UseTree::Group(group) => group.items.iter().any(|tree| has(tree, name)),
            UseTree::Name(imported) => imported.ident == name,
            UseTree::Rename(imported) => imported.rename == name,
            UseTree::Glob(_) => false,
        }
    }
    let file = parse(text)?;
    Ok(file.items.iter().any(|item| matches!(item, Item::Use(used) if has(&used.tree, name))))
}

/// Adds an element to the `vec![…]` in the function `name`, before the first one that `comes_after` it.
pub(super) fn add_to_vec(
    text: &str,
    name: &str,
    element: &str,
    comes_after: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let list = vec_list(text, name)?;
    let place = list.texts().take_while(|item| !comes_after(item)).count();
    Ok(list.insert(place, element, Layout::Lines))
}

/// The texts of the elements of the `vec![…]` in the function `name`.
pub(super) fn elements_of_vec(text: &str, name: &str) -> Result<Vec<String>, String> {
    Ok(vec_list(text, name)?.texts().map(str::to_owned).collect())
}

fn vec_list<'a>(text: &'a str, name: &str) -> Result<List<'a>, String> {
    let file = parse(text)?;
    let found = vec_in(&file, name).ok_or_else(|| format!("there is no `vec![…]` in `fn {name}`"))?;
    let elements = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated
        .parse2(found.tokens.clone())
        .map_err(|error| format!("the `vec![…]` in `fn {name}` is no list of elements ({error})"))?;
    Ok(List::new(text, found.delimiter.span().join(), elements.iter().map(Spanned::span)))
}

/// The first string literal of an expression: a schedule's name.
pub(super) fn first_text(expression: &str) -> Option<String> {
    struct Finder(Option<String>);
    impl<'a> Visit<'a> for Finder {
        fn visit_lit_str(&mut self, text: &'a syn::LitStr) {
            self.0.get_or_insert_with(|| text.value());
        }
    }
    let mut finder = Finder(None);
    finder.visit_expr(&syn::parse_str(expression).ok()?);
    finder.0
}

/// Adds a constant after the file's last one, or after its imports.
pub(super) fn add_constant(text: &str, constant: &str) -> Result<String, String> {
    let file = parse(text)?;
    let last = |fits: fn(&Item) -> bool| file.items.iter().rev().find(|item| fits(item));
    let last = last(|item| matches!(item, Item::Const(_))).or_else(|| last(|item| matches!(item, Item::Use(_))));
    let last = last.ok_or("there is no constant and no `use`")?;
    Ok(put(text, end(last.span()), &format!("\n\n{constant}")))
}

fn vec_in<'a>(file: &'a File, function: &str) -> Option<&'a Macro> {
    struct Finder<'a>(Option<&'a Macro>);
    impl<'a> Visit<'a> for Finder<'a> {
        fn visit_macro(&mut self, found: &'a Macro) {
            if self.0.is_none() && found.path.is_ident("vec") {
                self.0 = Some(found);
            }
        }
    }
    let body = file.items.iter().find_map(|item| match item {
        Item::Fn(one) if one.sig.ident == function => Some(&*one.block),
        _ => None,
    })?;
    let mut finder = Finder(None);
    visit::visit_block(&mut finder, body);
    finder.0
}

fn put(text: &str, at: usize, new: &str) -> String {
    let (before, after) = text.split_at(at);
    format!("{before}{new}{after}")
}

fn start(span: Span) -> usize {
    span.byte_range().start
}

fn end(span: Span) -> usize {
    span.byte_range().end
}

/// The beginning of the line around a position.
fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |before| before + 1)
}

/// The indentation of the line around a position.
fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

/// The longest line, the same as in `rustfmt.toml`.
const MAX_WIDTH: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_sorted_by_visibility_and_name() {
        let text = "//! About.\n\nmod error;\nmod picture;\n\npub mod open;\n\nuse std::fs;\n";
        let with = |name, public| add_module(text, name, public).unwrap();
        assert!(with("send", false).contains("mod error;\nmod picture;\nmod send;\n\npub mod open;"));
        assert!(with("alpha", false).contains("//! About.\n\nmod alpha;\nmod error;\n"));
        assert!(with("fetch", false).contains("mod error;\nmod fetch;\nmod picture;\n"));
        assert!(with("send", true).contains("pub mod open;\npub mod send;\n"));
        assert_eq!(
            add_module("//! A.\n\nuse std::fs;\n", "send", false).unwrap(),
            "//! A.\n\nmod send;\n\nuse std::fs;\n"
        );
        assert_eq!(add_module("//! A.\n", "send", false).unwrap(), "//! A.\n\nmod send;\n");
        assert!(add_module("fn {", "send", false).unwrap_err().starts_with("line 1 is no Rust"));
    }

    #[test]
    fn inline_modules_are_ignored() {
        let text = "//! A.\n\nfn f() {}\n\n#[cfg(test)]\nmod tests {}\n";
        assert!(add_module(text, "send", false).unwrap().starts_with("//! A.\n\nmod send;\n\nfn f() {}"));
    }

    #[test]
    fn attributes_and_comments_stay_with_their_items() {
        let text = "mod a;\n/// About b.\n#[cfg(unix)]\nmod b;\n";
        assert_eq!(add_module(text, "ab", false).unwrap(), "mod a;\nmod ab;\n/// About b.\n#[cfg(unix)]\nmod b;\n");
        assert_eq!(add_module("/// About b.\nmod b;\n", "a", false).unwrap(), "mod a;\n/// About b.\nmod b;\n");
    }

    #[test]
    fn exports_are_sorted_and_wrapped() {
        let one = |text: &str| add_export(text, "orders_book::BookOrders");
        assert_eq!(
            one("pub use self::{images::A, reports::B};\n").unwrap(),
            "pub use self::{images::A, orders_book::BookOrders, reports::B};\n"
        );
        let long = "pub use self::{aaaaaaaaaaaaaaaaaaaaaaaaaa::Aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbb::Bbbbbbbbbbbbbbbbbbb};\n";
        let wrapped = "pub use self::{\n    aaaaaaaaaaaaaaaaaaaaaaaaaa::Aaaaaaaaaaaaaaaa, \
                       bbbbbbbbbbbbbbbbbbbbbbbbbbbbb::Bbbbbbbbbbbbbbbbbbb,\n    orders_book::BookOrders,\n};\n";
        assert_eq!(one(long).unwrap(), wrapped);
        assert_eq!(one("pub use self::images::A;\n").unwrap(), "pub use self::{images::A, orders_book::BookOrders};\n");
        assert_eq!(
            one("pub mod orders_book;\n\nuse a::B;\n\nfn f() {}\n").unwrap(),
            "pub mod orders_book;\n\nuse a::B;\n\npub use self::orders_book::BookOrders;\n\nfn f() {}\n"
        );
        assert_eq!(one("fn f() {}\n").unwrap_err(), "there is no `mod`");
    }

    #[test]
    fn imports_are_found_at_any_depth() {
        let text = "use a::{B, c::{D, E as F}};\nuse g::*;\nmod m { use h::I; }\n";
        let found = ["B", "D", "E", "F", "g", "I"].map(|name| imports(text, name).unwrap());
        assert_eq!(found, [true, true, false, true, false, false]);
    }

    #[test]
    fn elements_are_sorted() {
        let text = "fn other() -> Vec<u8> {\n    vec![1]\n}\n\nfn all() -> Vec<F> {\n    vec![a::f(), c::f()]\n}\n";
        let with = |element: &str| add_to_vec(text, "all", element, |there| there > element).unwrap();
        assert!(with("b::f()").contains("    vec![a::f(), b::f(), c::f()]\n"));
        assert!(with("d::f()").contains("    vec![a::f(), c::f(), d::f()]\n"));
        assert!(with("b::f()").contains("vec![1]"));
        assert!(add_to_vec(text, "none", "x", |_| false).unwrap_err().contains("no `vec![…]` in `fn none`"));
        assert!(add_to_vec("fn all() {}", "all", "x", |_| false).unwrap_err().contains("no `vec![…]`"));
        assert!(add_to_vec("fn all() { vec![1; 3] }", "all", "x", |_| false).unwrap_err().contains("no list"));
    }

    #[test]
    fn a_schedule_is_identified_by_its_name() {
        let name = |text| first_text(text);
        assert_eq!(
            name(r#"Schedule::cron("daily", "@daily")?.description("x").starts(&A::default())?"#),
            Some("daily".into())
        );
        assert_eq!((name("daily()"), name("no rust")), (None, None));
    }

    #[test]
    fn a_constant_follows_the_last() {
        let text = "pub const A: u8 = 1;\n\n#[cfg(test)]\nmod tests {}\n";
        let with = add_constant(text, "/// B.\npub const B: u8 = 2;").unwrap();
        assert_eq!(with, "pub const A: u8 = 1;\n\n/// B.\npub const B: u8 = 2;\n\n#[cfg(test)]\nmod tests {}\n");
        let only = add_constant("//! Queues.\n\nuse a::Queue;\n", "const B: u8 = 2;").unwrap();
        assert_eq!(only, "//! Queues.\n\nuse a::Queue;\n\nconst B: u8 = 2;\n");
        assert_eq!(add_constant("fn f() {}", "x").unwrap_err(), "there is no constant and no `use`");
    }
}
