//! SQL in source code: string literals that are statements about rows.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItemFn, Item, ItemFn, ItemMod, LitStr, Macro,
    visit::{self, Visit},
};

/// Returns all statements of a crate except those of its tests, each in one line.
pub(super) fn statements(root: &Path) -> BTreeSet<String> {
    let mut source = Source { folder: root.parent().unwrap().to_owned(), found: BTreeSet::new() };
    source.read(root);
    source.found
}

struct Source {
    /// The folder of the modules that the current file declares.
    folder: PathBuf,
    found: BTreeSet<String>,
}

impl Source {
    fn read(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.visit_file(&file);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.visit_lit_str(&text);
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(ItemMod { attrs, .. }) | Item::Fn(ItemFn { attrs, .. }) = item
            && is_test(attrs)
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let inner = self.folder.join(item.ident.to_string());
        let outer = std::mem::replace(&mut self.folder, inner.clone());
        match &item.content {
            Some(_) => visit::visit_item_mod(self, item),
            None => {
                let (beside, within) = (inner.with_extension("rs"), inner.join("mod.rs"));
                self.read(if beside.exists() { &beside } else { &within });
            }
        }
        self.folder = outer;
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        let text = text.value();
        if is_statement(&text) {
            self.found.insert(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        one.path().is_ident("test") || one.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn is_statement(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let words: Vec<_> = text.split_whitespace().take(3).collect();
    matches!(
        words[..],
        ["SELECT", _, ..]
            | ["WITH", _, "AS" | "(", ..]
            | ["INSERT" | "REPLACE", "INTO" | "OR", _]
            | ["DELETE", "FROM", _]
            | ["UPDATE", _, "SET"]
            | ["UPDATE", "OR", _]
    )
}
