//! Chains of calls: `Function::new("images").memory_mb(1024).job(thumbnails)`.

use syn::{
    Expr, ExprLit, ExprMethodCall, File, Lit,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{MAX_WIDTH, end, indent, line_start, parse, put, start};

/// A chain's beginning, `Function::new("images")`: the path's last two words, and the text that it is given.
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

/// Adds `.job(HANDLER)` behind the last one in the chain of the function `name`.
pub(in super::super) fn add_to_chain(text: &str, name: &str, handler: &str) -> Result<String, String> {
    let added = add_call(text, ("Function", Some(name)), &["job"], &format!(".job({handler})"))?;
    added.ok_or_else(|| format!("there is no `Function::new(\"{name}\")….job(…)`"))
}

/// Adds `.function(MAKE)` behind the last function in the chain of the app.
pub(in super::super) fn add_function(text: &str, make: &str) -> Result<String, String> {
    let added = add_call(text, ("App", None), &["function", "function_with"], &format!(".function({make})"))?;
    added.ok_or_else(|| "there is no `App::new(…)….function(…)`".into())
}

/// Adds a call behind the last one of these methods, in the first chain that begins so: a type, and the text that its
/// `new` is given. None where there is no such chain, or none of the methods in it.
fn add_call(text: &str, begins: (&str, Option<&str>), methods: &[&str], call: &str) -> Result<Option<String>, String> {
    let file = parse(text)?;
    let Some(calls) = calls(&file, begins) else { return Ok(None) };
    let Some(last) = calls.iter().find(|call| methods.iter().any(|method| call.method == method)) else {
        return Ok(None);
    };
    let (dot, behind) = (start(last.dot_token.span()), end(last.paren_token.span.close()));
    let line = &text[line_start(text, dot)..dot];
    if line.trim().is_empty() {
        return Ok(Some(put(text, behind, &format!("\n{line}{call}"))));
    }
    let added = put(text, behind, call);
    let whole = &added[line_start(text, dot)..];
    if whole.lines().next().is_none_or(|line| line.chars().count() <= MAX_WIDTH) {
        return Ok(Some(added));
    }
    // A line a call. From the last to the first, so that places before stay what they are.
    let inner = format!("\n{}    ", indent(text, dot));
    let mut lines = text.to_owned();
    for one in &calls {
        if std::ptr::eq(*one, *last) {
            lines = put(&lines, behind, &format!("{inner}{call}"));
        }
        lines = put(&lines, start(one.dot_token.span()), &inner);
    }
    Ok(Some(lines))
}

/// The calls of the first chain that begins so, the last one first.
fn calls<'a>(file: &'a File, begins: (&str, Option<&str>)) -> Option<Vec<&'a ExprMethodCall>> {
    struct Finder<'a, 'n>((&'n str, Option<&'n str>), Option<&'a ExprMethodCall>);
    impl<'a> Visit<'a> for Finder<'a, '_> {
        // From the outside in, so the last call comes first.
        fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
            let (of, with) = self.0;
            let begins_so = root_of(&call.receiver).is_some_and(|(owner, word, text)| {
                owner == of && word == "new" && with.is_none_or(|with| text == with)
            });
            if begins_so && self.1.is_none() {
                self.1 = Some(call);
            }
            visit::visit_expr_method_call(self, call);
        }
    }
    let mut finder = Finder(begins, None);
    finder.visit_file(file);
    let mut calls = vec![finder.1?];
    while let Some(Expr::MethodCall(next)) = calls.last().map(|call| &*call.receiver) {
        calls.push(next);
    }
    Some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_comes_behind_the_last_one() {
        let one = "pub fn function() -> Function {\n    Function::new(\"a\").job(run).with_state(())\n}\n";
        assert_eq!(
            add_to_chain(one, "a", "send::send").unwrap(),
            one.replace(".job(run)", ".job(run).job(send::send)")
        );
        let lines = "fn f() -> Function {\n    lamplighter::Function::new(\"a\")\n        .job(run)\n        .job(|_: J| x(1, 2))\n        .with_state(())\n}\n";
        let added = add_to_chain(lines, "a", "send::send").unwrap();
        assert!(
            added.contains("        .job(|_: J| x(1, 2))\n        .job(send::send)\n        .with_state(())"),
            "{added}"
        );
    }

    #[test]
    fn a_chain_that_gets_too_long_becomes_a_line_a_call() {
        let about = "x".repeat(60);
        let text =
            format!("fn f() -> F {{\n    Function::new(\"a\").description(\"{about}\").job(run).with_state(())\n}}\n");
        let lines = format!(
            "fn f() -> F {{\n    Function::new(\"a\")\n        .description(\"{about}\")\n        .job(run)\n        \
             .job(send_again::send_again)\n        .with_state(())\n}}\n"
        );
        assert_eq!(add_to_chain(&text, "a", "send_again::send_again").unwrap(), lines);
    }

    #[test]
    fn a_function_comes_behind_the_last_one_of_the_app() {
        let text = "pub fn app() -> App {\n    App::new(\"shop\")\n        .function(a::function)\n        \
                    .function_with(b::function_from)\n        .definitions(jobs())\n}\n";
        let added = add_function(text, "c::function").unwrap();
        let expected = text.replace("b::function_from)\n", "b::function_from)\n        .function(c::function)\n");
        assert_eq!(added, expected);
        let missing = add_function("fn app() -> App { App::new(\"shop\").definitions(jobs()) }", "c::function");
        assert_eq!(missing.unwrap_err(), "there is no `App::new(…)….function(…)`");
    }

    #[test]
    fn only_the_functions_own_chain_is_taken() {
        let text = "fn f() -> Function {\n    Function::new(\"a\").job(x)\n}\nfn g() -> Function {\n    Function::new(\"b\").job(y)\n}\n";
        assert!(add_to_chain(text, "b", "z").unwrap().contains("Function::new(\"b\").job(y).job(z)"));
        let missing = add_to_chain(text, "c", "z").unwrap_err();
        assert_eq!(missing, "there is no `Function::new(\"c\")….job(…)`");
        assert!(add_to_chain("fn f() { Function::new(NAME).job(x) }", "a", "z").is_err());
        assert!(add_to_chain("fn f() { Function::new(\"a\") }", "a", "z").is_err());
    }
}
