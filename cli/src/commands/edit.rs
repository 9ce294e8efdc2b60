//! `lamp edit`.

use std::io::{self, IsTerminal};

use clap::Args;
use futures_util::FutureExt;
use lamplighter::{
    JobId, RawValue,
    operation::{self, Action, Operation, OperationError},
    redaction::Redactions,
};
use lamplighter_dashboard::raw;

use super::block_on;
use crate::{
    arguments,
    catalog::Catalog,
    editor::Editor,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, FAINT, GOOD, NAME},
    place::Place,
    signals,
};

/// Edit the arguments of a job, and run a copy of it with them. The job itself stays as it is.
///
/// Without JSON, the arguments open in the editor that VISUAL or EDITOR names, and are checked when it has ended; those that
/// do not fit open once more. Sensitive values are hidden there, and stay as they were where they are left so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp edit order-42
  lamp edit order-42 '{\"number\": 43}' --reason 'a typo'
  jq '.args | .number += 1' order.json | lamp edit order-42 - --stack shop")]
pub(crate) struct Edit {
    /// The job's id.
    id: JobId,
    /// The arguments of the copy: a JSON object, @FILE, or - for standard input; by default, from the editor.
    #[arg(value_name = "JSON")]
    args: Option<String>,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON: id, job and queue of the copy, and parent, which it is a copy of.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        if self.args.is_none() && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(Error::Usage(
                "an editor needs a terminal, and this is none; give the arguments: JSON, @FILE or -".into(),
            ));
        }
        block_on(async {
            let target = self.place.open().await?;
            let client = target.records()?;
            let record = target.record(&client, &self.id).await?;
            let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
            let (name, queue) = (&record.message.job, &record.queue);
            if record.is_batch() {
                return Err(Error::failed(format_args!("{} is a batch, and has no arguments", self.id)));
            }
            catalog.definition(name)?;
            let ended = match &self.args {
                Some(typed) => self.enqueue(&operating, &arguments::text(typed)?).await?,
                None => {
                    let shown = Redactions::of(&catalog.definitions()).record(record.clone());
                    self.ask(&operating, &raw::pretty(shown.message.args.get())).await?
                }
            };
            let copy = ended.results.first();
            let copy = copy.ok_or_else(|| Error::failed(format_args!("operation {} names no job", ended.id)))?;
            let printed = match self.json {
                true => output::json_lines([
                    serde_json::json!({ "id": copy, "job": name, "queue": queue, "parent": self.id }),
                ]),
                false => output::print(|out| {
                    let (name, of) = (safe(name), &self.id);
                    writeln!(out, "{GOOD}enqueued{GOOD:#} {NAME}{copy}{NAME:#} {FAINT}{name}, a copy of {of}{FAINT:#}")
                }),
            };
            printed.map_err(|error| error.after(format_args!("job {copy} was enqueued")))
        })
    }

    /// Opens the arguments in the editor until they fit, or are left as they are.
    async fn ask(&self, operating: &Operating<'_>, args: &str) -> Result<Operation, Error> {
        let (editor, mut signals) = (Editor::of_user(), signals::listen("ended at once")?);
        let (mut shown, mut problem) = (args.to_owned(), None::<Error>);
        loop {
            let remark = problem.as_ref().map(|problem| format!("// {problem}\n// Leave this as it is to give up.\n"));
            let text = format!("{}{shown}", remark.unwrap_or_default());
            let edited = editor.edit(&text).await.map_err(Error::Failed)?;
            if signals.asked().now_or_never().is_some() {
                return Err(Error::failed("interrupted, so nothing was enqueued"));
            }
            let edited = without_remarks(&edited);
            if edited == shown.trim() {
                let unchanged = || Error::failed("the arguments are as they were, so nothing was enqueued");
                return Err(problem.unwrap_or_else(unchanged));
            }
            match self.enqueue(operating, edited).await {
                Err(error @ (Error::Operation(OperationError::Arguments { .. }) | Error::Usage(_))) => {
                    (shown, problem) = (edited.to_owned(), Some(error));
                }
                done => return done,
            }
        }
    }

    async fn enqueue(&self, operating: &Operating<'_>, text: &str) -> Result<Operation, Error> {
        let args: Box<RawValue> = serde_json::from_str(text)
            .map_err(|error| Error::Usage(format!("the arguments are not JSON ({error}); pass an object")))?;
        let action = Action::EditAndRun { args: args.into() };
        operating.once(action, operation::Target::Job { id: self.id.clone() }).await
    }
}

/// The text below the lines that say why it was refused.
fn without_remarks(text: &str) -> &str {
    let mut rest = text.trim();
    while rest.starts_with("//") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_no_arguments() {
        assert_eq!(without_remarks("// no\n// Leave it\n{\n  \"a\": \"//\"\n}\n"), "{\n  \"a\": \"//\"\n}");
        assert_eq!((without_remarks("{}"), without_remarks("// all")), ("{}", ""));
    }
}
