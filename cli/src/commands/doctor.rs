//! `lamp doctor`.

use std::env;

use clap::{Args, builder::NonEmptyStringValueParser};
use lamplighter_aws::{Examiner, Sdk};
use lamplighter_infra::doctor::{Examination, Finding, Severity};

use super::block_on;
use crate::{
    error::Error,
    output::{self, BAD, FAINT, GOOD, NAME, STRONG, WARN},
    place::STACK,
};

/// Compare a deployed stack with the definitions: what is missing, changed, switched off, forbidden or left lying.
///
/// It reads only, and asks each function what code it runs, which runs no job. Each finding says what it breaks and how to
/// mend it. The exit code is 0 when there is none, and 1 when there is one, were it but a warning.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The deployed CloudFormation stack [env: LAMPLIGHTER_STACK=]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stack: Option<String>,
    /// One finding a line as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Error> {
        let set = || env::var(STACK).ok().filter(|name| !name.is_empty());
        let Some(stack) = self.stack.or_else(set) else {
            return Err(Error::Usage(format!("say which stack to look at: --stack NAME, or set {STACK}")));
        };
        let wanted = lamplighter_infra::wanted().map_err(Error::failed)?;
        let examiner = Examiner::new(Sdk::chain(None, None));
        let examination = block_on(async { Ok(wanted.examine(&examiner, &stack).await?) })?;
        if self.json {
            output::json_lines(&examination.findings)?;
        } else {
            show(&examination, &stack)?;
        }
        if examination.is_well() { Ok(()) } else { Err(Error::Unwell) }
    }
}

fn show(examination: &Examination, stack: &str) -> Result<(), Error> {
    let Examination { findings, checks, resources } = examination;
    output::print(|out| {
        if findings.is_empty() {
            return writeln!(
                out,
                "{GOOD}all is well{GOOD:#} with {NAME}{stack}{NAME:#}: {checks} checks on {resources} resources"
            );
        }
        for finding in findings {
            let Finding { kind, severity, resource, name, found, wanted, breaks, mend } = finding;
            let style = if *severity == Severity::Error { BAD } else { WARN };
            writeln!(out, "{style}{severity}{style:#} {STRONG}{resource}{STRONG:#} {FAINT}{name} [{kind}]{FAINT:#}")?;
            writeln!(out, "  found   {found}")?;
            writeln!(out, "  wanted  {wanted}")?;
            writeln!(out, "  breaks  {breaks}")?;
            writeln!(out, "  mend    {mend}\n")?;
        }
        let found = if findings.len() == 1 { "one finding".into() } else { format!("{} findings", findings.len()) };
        writeln!(out, "{checks} checks on {resources} resources, {STRONG}{found}{STRONG:#}")
    })
}
