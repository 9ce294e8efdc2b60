//! Chains of calls: `Function::new("images").memory_mb(1024).job(thumbnails)`.

use syn::{
    Expr, ExprLit, ExprMethodCall, File, Lit,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{MAX_WIDTH, end, indent, line_start, parse, put, start};

/// The beginning of a chain, `Function::new("images")`: the path's last two words, and the first argument.
pub(in super::super) fn root_of(mut expression: &Expr) -> Option<(String, String, String)> {
    while let Expr::MethodCall(call) = expression {
        expression = &call.receiver;
    }
    let Expr::Call(call) = expression else { return None };
    let Expr::Path(path) = &*call.func else { return None };
    let mut words = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let (word, owner) = (words.next()?, words.next()?);
    let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = call.args.first() else { return None };
    Some((owner, word, text.value()))
}

/// Adds `.job(HANDLER)` after the last `.job(…)` of the function `name`.
pub(in super::super) fn add_job(text: &str, name: &str, handler: &str) -> Result<String, String> {
    let file = parse(text)?;
    let missing = || format!("there is no `Function::new(\"{name}\")….job(…)`");
    let chain = Chain::of(&file, "Function", Some(name)).ok_or_else(missing)?;
    let last = chain.calls.iter().rev().find(|call| call.method == "job").ok_or_else(missing)?;
    Ok(chain.insert(text, Some(last), &format!(".job({handler})")))
}

/// Adds `.function(PATH)` to the app, sorted.
pub(in super::super) fn add_function(text: &str, path: &str) -> Result<String, String> {
    let file = parse(text)?;
    let chain = Chain::of(&file, "App", None).ok_or("there is no `App::new(…)`")?;
    let comes_before = |call: &&&ExprMethodCall| {
        let argument = call.args.first().map(|argument| &text[argument.span().byte_range()]);
        matches!(&*call.method.to_string(), "function" | "function_with") && argument.is_some_and(|other| other < path)
    };
    let before = chain.calls.iter().rev().find(comes_before);
    Ok(chain.insert(text, before, &format!(".function({path})")))
}

/// A chain of calls.
struct Chain<'a> {
    /// `Function::new("images")`.
    root: &'a Expr,
    /// The calls, in the order of execution.
    calls: Vec<&'a ExprMethodCall>,
}

impl<'a> Chain<'a> {
    /// The first chain that begins with `OWNER::new("NAME")`; with any name for `None`.
    fn of(file: &'a File, owner: &str, name: Option<&str>) -> Option<Self> {
        struct Finder<'a, 'n>(&'n str, Option<&'n str>, Option<&'a Expr>);
        impl<'a> Visit<'a> for Finder<'a, '_> {
            // From the outside in: the whole chain is visited before its parts.
            fn visit_expr(&mut self, expression: &'a Expr) {
                let (owner, name) = (self.0, self.1);
                let begins_so = root_of(expression).is_some_and(|(of, word, text)| {
                    (&*of, &*word) == (owner, "new") && name.is_none_or(|name| name == text)
                });
                if begins_so && self.2.is_none() {
                    self.2 = Some(expression);
                }
                visit::visit_expr(self, expression);
            }
        }
        let mut finder = Finder(owner, name, None);
        finder.visit_file(file);
        let mut root = finder.2?;
        let mut calls = Vec::new();
        while let Expr::MethodCall(call) = root {
            calls.push(call);
            root = &call.receiver;
        }
        calls.reverse();
        Some(Self { root, calls })
    }

    /// Returns the text with a call inserted after another one, or as the first call.
    fn insert(&self, text: &str, before: Option<&&ExprMethodCall>, call: &str) -> String {
        let behind = match before {
            Some(before) => end(before.paren_token.span.close()),
            None => end(self.root.span()),
        };
        let begins = start(self.root.span());
        // An existing call shows the layout of the chain.
        let existing = before.or(self.calls.first()).map(|call| start(call.dot_token.span()));
        let line = existing.map(|dot| &text[line_start(text, dot)..dot]).filter(|line| line.trim().is_empty());
        if let Some(line) = line {
            return put(text, behind, &format!("\n{line}{call}"));
        }
        let added = put(text, behind, call);
        let whole = &added[line_start(text, begins)..];
        if whole.lines().next().is_none_or(|line| line.chars().count() <= MAX_WIDTH) {
            return added;
        }
        // One line for each call. From the last to the first, so that earlier positions stay valid.
        let inner = format!("\n{}    ", indent(text, begins));
        let mut breaks = vec![(behind, format!("{inner}{call}"))];
        breaks.extend(self.calls.iter().map(|call| (start(call.dot_token.span()), inner.clone())));
        breaks.sort_by_key(|(at, _)| *at);
        breaks.iter().rev().fold(text.to_owned(), |text, (at, new)| put(&text, *at, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_follows_the_last_one() {
        let one = "pub fn function() -> Function {\n    Function::new(\"a\").job(run).with_state(())\n}\n";
        assert_eq!(add_job(one, "a", "send::send").unwrap(), one.replace(".job(run)", ".job(run).job(send::send)"));
        let lines = "fn f() -> Function {\n    lamplighter::Function::new(\"a\")\n        .job(run)\n        .job(|_: J| x(1, 2))\n        .with_state(())\n}\n";
        let added = add_job(lines, "a", "send::send").unwrap();
        assert!(
            added.contains("        .job(|_: J| x(1, 2))\n        .job(send::send)\n        .with_state(())"),
            "{added}"
        );
    }

    #[test]
    fn a_long_chain_gets_one_line_for_each_call() {
        let about = "x".repeat(60);
        let text =
            format!("fn f() -> F {{\n    Function::new(\"a\").description(\"{about}\").job(run).with_state(())\n}}\n");
        let lines = format!(
            "fn f() -> F {{\n    Function::new(\"a\")\n        .description(\"{about}\")\n        .job(run)\n        \
             .job(send_again::send_again)\n        .with_state(())\n}}\n"
        );
        assert_eq!(add_job(&text, "a", "send_again::send_again").unwrap(), lines);
    }

    #[test]
    fn only_the_chain_of_the_function_is_changed() {
        let text = "fn f() -> Function {\n    Function::new(\"a\").job(x)\n}\nfn g() -> Function {\n    Function::new(\"b\").job(y)\n}\n";
        assert!(add_job(text, "b", "z").unwrap().contains("Function::new(\"b\").job(y).job(z)"));
        let missing = add_job(text, "c", "z").unwrap_err();
        assert_eq!(missing, "there is no `Function::new(\"c\")….job(…)`");
        assert!(add_job("fn f() { Function::new(NAME).job(x) }", "a", "z").is_err());
        assert!(add_job("fn f() { Function::new(\"a\") }", "a", "z").is_err());
    }
    #[test]
    fn functions_of_the_app_are_sorted() {
        let app = |calls: &str| format!("pub fn app() -> App {{\n    App::new(\"shop\"){calls}\n}}\n");
        let one = app(".function(b::function).definitions(x())");
        assert_eq!(
            add_function(&one, "c::function").unwrap(),
            app(".function(b::function).function(c::function).definitions(x())")
        );
        assert_eq!(
            add_function(&one, "a::function").unwrap(),
            app(".function(a::function).function(b::function).definitions(x())")
        );
        let lines = app("\n        .function_with(b::function_from)\n        .schedules(y())");
        assert_eq!(
            add_function(&lines, "c::function").unwrap(),
            app("\n        .function_with(b::function_from)\n        .function(c::function)\n        .schedules(y())")
        );
        assert_eq!(
            add_function(&lines, "a::function").unwrap(),
            app("\n        .function(a::function)\n        .function_with(b::function_from)\n        .schedules(y())")
        );
        assert_eq!(add_function(&app(""), "a::function").unwrap(), app(".function(a::function)"));
        let long = "x".repeat(80);
        let broken = format!("\n        .function(a::function)\n        .definitions({long})");
        assert_eq!(add_function(&app(&format!(".definitions({long})")), "a::function").unwrap(), app(&broken));
        assert_eq!(add_function("fn app() {}", "a::function").unwrap_err(), "there is no `App::new(…)`");
    }
}
