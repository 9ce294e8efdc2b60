//! `lamp definitions`.

use std::io::{self, Write};

use clap::Args;
use comfy_table::Cell;
use lamplighter::{Definition, Retry};
use lamplighter_dashboard::view::DefinitionView;
use serde_json::Value;

use crate::{
    catalog::Catalog,
    error::Error,
    output::{self, FAINT, STRONG},
    when,
};

/// List the defined jobs, or show one with the JSON Schema of its arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp definitions
  lamp definitions invoices.send
  lamp definitions --json")]
pub(crate) struct Definitions {
    /// Show this job only, with its schema.
    job: Option<String>,
    /// Print one definition per line as JSON, with its schema.
    #[arg(long)]
    json: bool,
}

impl Definitions {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let chosen = match &self.job {
            Some(name) => vec![catalog.definition(name)?],
            None => catalog.definitions(),
        };
        if self.json {
            return output::json_lines(chosen.iter().map(DefinitionView::from));
        }
        match (&self.job, chosen.first()) {
            (Some(_), Some(one)) => output::print(|out| describe(out, one)),
            _ => list(&chosen),
        }
    }
}

fn list(definitions: &[Definition]) -> Result<(), Error> {
    let mut table = output::table(&["JOB", "QUEUE", "TIMEOUT", "TRIES", "ARGUMENTS"]);
    for definition in definitions {
        table.add_row([
            Cell::new(definition.name),
            Cell::new(definition.queue.name()),
            Cell::new(when::short(definition.options.timeout)),
            Cell::new(definition.options.retry.max_attempts()),
            Cell::new(fields(definition)),
        ]);
    }
    output::print_table(&table)?;
    output::hint("`lamp definitions JOB` shows one with its JSON Schema");
    Ok(())
}

fn describe(out: &mut dyn Write, definition: &Definition) -> io::Result<()> {
    let Definition { name, queue, options, .. } = definition;
    let retention = options.retention;
    let schema = definition.schema().to_value();
    writeln!(out, "{STRONG}{name}{STRONG:#}")?;
    if let Some(about) = schema.get("description").and_then(Value::as_str) {
        about.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    let mut line = |name: &str, value: String| writeln!(out, "  {FAINT}{name:<10}{FAINT:#} {value}");
    line("queue", format!("{}{}", queue.name(), if queue.is_fifo() { " (FIFO)" } else { "" }))?;
    line("timeout", when::short(options.timeout))?;
    line("attempts", options.retry.max_attempts().to_string())?;
    let waits: Vec<_> = waits(&options.retry).map(when::short).collect();
    if !waits.is_empty() {
        line("waits", format!("at most {}", waits.join(", ")))?;
    }
    let kept = [("success", retention.succeeded), ("failure", retention.failed), ("cancel", retention.cancelled)];
    let kept: Vec<_> = kept.iter().map(|(after, time)| format!("{} after {after}", when::short(*time))).collect();
    line("kept", if options.is_tracked() { kept.join(", ") } else { "no record".into() })?;
    writeln!(out, "\n{STRONG}schema{STRONG:#}")?;
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Returns the longest wait before each further attempt; the first eight, which show how a policy grows.
fn waits(retry: &Retry) -> impl Iterator<Item = std::time::Duration> + '_ {
    (1..retry.max_attempts()).take(8).map(|attempt| retry.ceiling(attempt))
}

/// Returns the fields of a job's arguments in a line; those with a question mark are optional.
fn fields(definition: &Definition) -> String {
    let (schema, redaction) = (definition.schema().to_value(), definition.redaction());
    let required: Vec<_> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields = properties.into_iter().flat_map(|properties| properties.keys());
    fields
        .map(|field| {
            let optional = if required.contains(&field.as_str()) { "" } else { "?" };
            let sensitive = redaction.as_ref().is_some_and(|redaction| redaction.is_sensitive(field));
            format!("{field}{optional}{}", if sensitive { " (sensitive)" } else { "" })
        })
        .collect::<Vec<_>>()
        .join(", ")
}
