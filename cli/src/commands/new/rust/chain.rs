//! Chains of calls: `Function::new("images").memory_mb(1024).job(thumbnails)`.

use syn::{
    Expr, ExprLit, ExprMethodCall, File, Lit,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{end, parse, put, start};

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
    let last = last_job(&file, name).ok_or_else(|| format!("there is no `Function::new(\"{name}\")….job(…)`"))?;
    let dot = start(last.dot_token.span());
    let line = &text[text[..dot].rfind('\n').map_or(0, |before| before + 1)..dot];
    let call = format!(".job({handler})");
    let call = if line.trim().is_empty() { format!("\n{line}{call}") } else { call };
    Ok(put(text, end(last.paren_token.span.close()), &call))
}

/// The last `.job(…)` of the first chain that begins so.
fn last_job<'a>(file: &'a File, name: &str) -> Option<&'a ExprMethodCall> {
    struct Finder<'a, 'n>(&'n str, Option<&'a ExprMethodCall>);
    impl<'a> Visit<'a> for Finder<'a, '_> {
        // From the outside in, so the last call comes first.
        fn visit_expr(&mut self, expression: &'a Expr) {
            if let Expr::MethodCall(call) = expression
                && self.1.is_none()
                && call.method == "job"
                && root_of(expression)
                    .is_some_and(|(owner, word, text)| (&*owner, &*word, &*text) == ("Function", "new", self.0))
            {
                self.1 = Some(call);
            }
            visit::visit_expr(self, expression);
        }
    }
    let mut finder = Finder(name, None);
    finder.visit_file(file);
    finder.1
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
    fn only_the_functions_own_chain_is_taken() {
        let text = "fn f() -> Function {\n    Function::new(\"a\").job(x)\n}\nfn g() -> Function {\n    Function::new(\"b\").job(y)\n}\n";
        assert!(add_to_chain(text, "b", "z").unwrap().contains("Function::new(\"b\").job(y).job(z)"));
        let missing = add_to_chain(text, "c", "z").unwrap_err();
        assert_eq!(missing, "there is no `Function::new(\"c\")….job(…)`");
        assert!(add_to_chain("fn f() { Function::new(NAME).job(x) }", "a", "z").is_err());
        assert!(add_to_chain("fn f() { Function::new(\"a\") }", "a", "z").is_err());
    }
}
