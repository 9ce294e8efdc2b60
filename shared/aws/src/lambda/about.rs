//! A description of the code that a deployed function runs.

use lamplighter::{Function, host::Route};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The field and the value that request it.
pub(crate) const ABOUT: (&str, &str) = ("lamplighter", "about");

/// A description of a function's code. It is the answer to the payload `{"lamplighter":"about"}` only: it runs no job,
/// makes no call, and contains no setting. Compare it with the definitions to find out whether the deployed code
/// matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The function's name in the definitions.
    pub function: String,
    /// The version of the library that it was built with.
    pub version: String,
    /// The jobs that it runs, by name.
    pub jobs: Vec<AboutJob>,
}

/// A job in the deployed code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AboutJob {
    /// Its name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// The time limit of an attempt.
    pub timeout_ms: u64,
    /// The number of attempts.
    pub attempts: u32,
    /// Whether it has a record.
    pub tracked: bool,
    /// The JSON Schema of its arguments, without titles and descriptions.
    pub schema: Value,
}

impl About {
    /// The description of this function's code.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        Self {
            function: function.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            jobs: function.routes().map(AboutJob::of).collect(),
        }
    }
}

impl AboutJob {
    fn of(route: &Route) -> Self {
        let mut schema = route.schema().to_value();
        without_words(&mut schema, false);
        Self {
            job: route.job.to_owned(),
            queue: route.queue.name().to_owned(),
            timeout_ms: route.options.timeout.as_millis().try_into().unwrap_or(u64::MAX),
            attempts: route.options.retry.max_attempts(),
            tracked: route.options.is_tracked(),
            schema,
        }
    }
}

/// Removes titles and descriptions from a schema: a changed comment is not a change of code. The keys below
/// `properties` and similar keywords are the author's names, and stay.
fn without_words(schema: &mut Value, names: bool) {
    match schema {
        Value::Object(fields) => {
            if !names {
                fields.retain(|name, _| !matches!(name.as_str(), "title" | "description" | "$schema"));
            }
            for (name, value) in fields {
                let below = !names && matches!(name.as_str(), "properties" | "$defs" | "patternProperties");
                if names || !matches!(name.as_str(), "default" | "const" | "enum" | "examples") {
                    without_words(value, below);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_words(item, false)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{Context, Job, JobError, Queue};
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;

    /// Words for people.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Shelve {
        /// More of them.
        title: String,
        #[serde(default)]
        copies: u32,
    }

    impl Job for Shelve {
        const NAME: &'static str = "book.shelve";
        const QUEUE: Queue = Queue::standard("books");
    }

    async fn shelve(_job: Shelve, _ctx: Context) -> Result<(), JobError> {
        Ok(())
    }

    #[test]
    fn about_describes_jobs_without_texts() {
        let about = About::of(&Function::new("library").job(shelve).with_state(()));
        assert_eq!((&*about.function, about.jobs.len()), ("library", 1));
        let job = &about.jobs[0];
        assert_eq!((&*job.job, &*job.queue, job.tracked), ("book.shelve", "books", true));
        let properties = &job.schema["properties"];
        assert_eq!(properties["title"], json!({"type": "string"}), "a field with that name is not a title");
        assert_eq!((&properties["copies"]["default"], &job.schema["required"]), (&json!(0), &json!(["title"])));
        assert!(!job.schema.to_string().contains("for people") && !job.schema.to_string().contains("More of"));
        let written = serde_json::to_string(&about).unwrap();
        assert_eq!(serde_json::from_str::<About>(&written).unwrap(), about);
    }
}
