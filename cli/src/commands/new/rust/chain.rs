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
    let file = parse(text)?;
    let missing = || format!("there is no `Function::new(\"{name}\")….job(…)`");
    let calls = calls(&file, name).ok_or_else(missing)?;
    let last = calls.iter().find(|call| call.method == "job").ok_or_else(missing)?;
    let call = format!(".job({handler})");
    let (dot, behind) = (start(last.dot_token.span()), end(last.paren_token.span.close()));
    let line = &text[line_start(text, dot)..dot];
    if line.trim().is_empty() {
        return Ok(put(text, behind, &format!("\n{line}{call}")));
    }
    let added = put(text, behind, &call);
    let whole = &added[line_start(text, dot)..];
    if whole.lines().next().is_none_or(|line| line.chars().count() <= MAX_WIDTH) {
        return Ok(added);
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
    Ok(lines)
}

/// The calls of the first chain that begins so, the last one first.
fn calls<'a>(file: &'a File, name: &str) -> Option<Vec<&'a ExprMethodCall>> {
    struct Finder<'a, 'n>(&'n str, Option<&'a ExprMethodCall>);
    impl<'a> Visit<'a> for Finder<'a, '_> {
        // From the outside in, so the last call comes first.
        fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
            let begins_so = root_of(&call.receiver)
                .is_some_and(|(owner, word, text)| (&*owner, &*word, &*text) == ("Function", "new", self.0));
            if begins_so && self.1.is_none() {
                self.1 = Some(call);
            }
            visit::visit_expr_method_call(self, call);
        }
    }
    let mut finder = Finder(name, None);
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
    fn only_the_functions_own_chain_is_taken() {
        let text = "fn f() -> Function {\n    Function::new(\"a\").job(x)\n}\nfn g() -> Function {\n    Function::new(\"b\").job(y)\n}\n";
        assert!(add_to_chain(text, "b", "z").unwrap().contains("Function::new(\"b\").job(y).job(z)"));
        let missing = add_to_chain(text, "c", "z").unwrap_err();
        assert_eq!(missing, "there is no `Function::new(\"c\")….job(…)`");
        assert!(add_to_chain("fn f() { Function::new(NAME).job(x) }", "a", "z").is_err());
        assert!(add_to_chain("fn f() { Function::new(\"a\") }", "a", "z").is_err());
    }
}
