//! `lamp doctor`.

use std::{
    env,
    io::{self, Write},
};

use clap::{Args, builder::NonEmptyStringValueParser};
use lamplighter_aws::{AwsClients, StackReader};
use lamplighter_infra::doctor::{Examination, Finding, Severity};

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, NAME, STRONG, WARN},
    place::STACK,
};

/// Compare a deployed stack with the definitions: what is missing, changed, switched off, forbidden or left behind.
///
/// It only reads. It asks each function for a description of its code, which runs no job. Each finding says what it
/// breaks and how to repair it. The exit code is 0 without findings, and 1 with any, even a warning.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp doctor --stack shop
  lamp doctor --stack shop --json")]
pub(crate) struct Doctor {
    /// The deployed CloudFormation stack [env: LAMPLIGHTER_STACK=]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stack: Option<String>,
    /// Print one finding per line as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let set = || env::var(STACK).ok().filter(|name| !name.is_empty());
        let Some(stack) = self.stack.or_else(set) else {
            return Err(Error::Usage(format!("say which stack to look at: --stack NAME, or set {STACK}")));
        };
        let expected = lamplighter_infra::expected(catalog.app()).map_err(Error::failed)?;
        let stack_reader = StackReader::new(AwsClients::chain(None, None));
        let examination = block_on(async { Ok(expected.examine(&stack_reader, &stack).await?) })?;
        if self.json {
            output::json_lines(&examination.findings)?;
        } else {
            output::print(|out| show(out, &examination, &stack))?;
        }
        if examination.is_well() { Ok(()) } else { Err(Error::Unwell) }
    }
}

fn show(out: &mut dyn Write, examination: &Examination, stack: &str) -> io::Result<()> {
    let Examination { findings, checks, resources } = examination;
    if findings.is_empty() {
        let stack = safe(stack);
        return writeln!(
            out,
            "{GOOD}all is well{GOOD:#} with {NAME}{stack}{NAME:#}: {checks} checks on {resources} resources"
        );
    }
    for finding in findings {
        let Finding { kind, severity, resource, name, found, expected, breaks, repair } = finding;
        let (resource, name) = (safe(resource), safe(name));
        let style = if *severity == Severity::Error { BAD } else { WARN };
        writeln!(out, "{style}{severity}{style:#} {STRONG}{resource}{STRONG:#} {FAINT}{name} [{kind}]{FAINT:#}")?;
        writeln!(out, "  found   {}", safe(found))?;
        writeln!(out, "  wanted  {}", safe(expected))?;
        writeln!(out, "  breaks  {}", safe(breaks))?;
        writeln!(out, "  repair  {}\n", safe(repair))?;
    }
    let found = if findings.len() == 1 { "one finding".into() } else { format!("{} findings", findings.len()) };
    writeln!(out, "{checks} checks on {resources} resources, {STRONG}{found}{STRONG:#}")
}

#[cfg(test)]
mod tests {
    use lamplighter_infra::doctor::Kind;

    use super::*;
    use crate::foreign::is_unsafe;

    /// Only our colours are control sequences: without them, no character is left that a terminal would interpret.
    #[test]
    fn findings_contain_no_terminal_commands() {
        let hostile = || "x\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}2J\u{7f}\u{202e}\u{200b}\r\nerror: y".to_owned();
        let finding = Finding {
            kind: Kind::OldCode,
            severity: Severity::Error,
            resource: hostile(),
            name: hostile(),
            found: hostile(),
            expected: hostile(),
            breaks: hostile(),
            repair: hostile(),
        };
        for findings in [vec![], vec![finding.clone()], vec![finding.clone(), finding]] {
            let mut out = Vec::new();
            let lines = if findings.is_empty() { 1 } else { findings.len() * 6 + 1 };
            show(&mut out, &Examination { findings, checks: 1, resources: 1 }, &hostile()).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), lines, "{text:?}");
            let plain = console::strip_ansi_codes(&text);
            assert!(!plain.chars().any(|letter| letter != '\n' && is_unsafe(letter)), "{plain:?}");
        }
    }
}
