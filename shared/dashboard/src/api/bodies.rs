//! The bodies of writes as the document describes them. They are read by the core's own types, with which a test compares these.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::view::schema;

/// What an operation does.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schema(as = Action)]
#[expect(dead_code, reason = "describes JSON that the core reads")]
pub(crate) enum ActionBody {
    /// Runs jobs that have ended again.
    Retry,
    /// Cancels jobs that have not ended.
    Cancel,
    /// Deletes jobs that have ended, with their history.
    Delete,
    /// Makes jobs that wait for their time run now.
    RunNow,
    /// Gives jobs that wait for their time another one.
    Reschedule {
        /// When they run.
        #[schema(schema_with = schema::moment)]
        at: Timestamp,
    },
    /// Enqueues a copy of a job with other arguments. The job itself stays as it is.
    EditAndRun {
        /// The arguments of the copy.
        args: JobArguments,
    },
    /// Enqueues a job.
    Enqueue {
        /// The job's name.
        job: String,
        /// Its arguments.
        args: JobArguments,
        /// When it runs; at once by default.
        #[schema(schema_with = schema::moment)]
        at: Option<Timestamp>,
        /// Its id.
        #[schema(schema_with = schema::id)]
        id: Option<String>,
    },
    /// Pauses a queue.
    PauseQueue,
    /// Resumes a queue.
    ResumeQueue,
    /// Moves dead letters back to their queue.
    Redrive {
        /// How many at most.
        limit: Option<u64>,
    },
    /// Deletes dead letters.
    DeleteDeadLetters,
    /// Pauses a schedule.
    PauseSchedule,
    /// Resumes a schedule.
    ResumeSchedule,
    /// Starts a schedule's job now.
    TriggerSchedule,
    /// Removes a schedule that was added at run time.
    RemoveSchedule,
    /// Starts a schedule's job for each of its times in a stretch.
    Backfill {
        /// The first moment.
        #[schema(schema_with = schema::moment)]
        from: Timestamp,
        /// The last moment.
        #[schema(schema_with = schema::moment)]
        to: Timestamp,
    },
    /// Writes a note beside an error group; none removes it.
    NoteError {
        /// The note.
        note: Option<String>,
    },
    /// Mutes an error group until a moment; none ends that.
    MuteError {
        /// Until when.
        #[schema(schema_with = schema::moment)]
        until: Option<Timestamp>,
    },
}

/// What an operation is done to.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schema(as = Target)]
#[expect(dead_code, reason = "describes JSON that the core reads")]
pub(crate) enum TargetBody {
    /// One job.
    Job {
        /// Its id.
        #[schema(schema_with = schema::id)]
        id: String,
    },
    /// These jobs.
    Jobs {
        /// Their ids.
        #[schema(max_items = 500)]
        ids: Vec<String>,
    },
    /// All jobs that match a query.
    Query {
        /// The query.
        query: String,
        /// What came later is left alone. A preview says when.
        #[schema(schema_with = schema::moment)]
        end: Option<Timestamp>,
    },
    /// The jobs of a batch.
    Batch {
        /// Its id.
        #[schema(schema_with = schema::id)]
        id: String,
    },
    /// A queue.
    Queue {
        /// Its name.
        queue: String,
    },
    /// Dead letters.
    DeadLetters {
        /// The queue.
        queue: String,
        /// Of this job.
        job: Option<String>,
        /// Dead for this reason.
        reason: Option<String>,
        /// The one with this key.
        key: Option<KeyBody>,
        /// Dead since this moment.
        #[schema(schema_with = schema::moment)]
        since: Option<Timestamp>,
        /// Dead before this moment.
        #[schema(schema_with = schema::moment)]
        before: Option<Timestamp>,
    },
    /// A schedule.
    Schedule {
        /// Its name.
        schedule: String,
    },
    /// An error group.
    ErrorGroup {
        /// Its fingerprint.
        #[schema(schema_with = schema::fingerprint)]
        fingerprint: String,
    },
    /// Nothing that is there yet.
    New,
}

/// The key of a dead letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterKey)]
#[expect(dead_code, reason = "describes JSON that the core reads")]
pub(crate) enum KeyBody {
    /// Its number, embedded.
    Number(i64),
    /// Its message id, on SQS.
    MessageId(String),
}

/// The arguments of a job.
#[derive(Serialize)]
pub(crate) struct JobArguments;

impl PartialSchema for JobArguments {
    fn schema() -> RefOr<Schema> {
        let object = utoipa::openapi::ObjectBuilder::new().description(Some("The arguments of a job."));
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for JobArguments {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lamplighter::operation::{Action, Target};
    use serde_json::{Value, json};

    use super::super::document::document;
    use crate::viewer::ActionKind;

    fn kinds(document: &Value, name: &str) -> BTreeSet<String> {
        let variants = document["components"]["schemas"][name]["oneOf"].as_array().unwrap();
        let kind = |variant: &Value| {
            let direct = variant.pointer("/properties/kind/enum/0");
            let in_parts =
                || variant["allOf"].as_array()?.iter().find_map(|part| part.pointer("/properties/kind/enum/0"));
            direct.or_else(in_parts).unwrap().as_str().unwrap().to_owned()
        };
        variants.iter().map(kind).collect()
    }

    #[test]
    fn the_document_has_the_actions_of_the_core() {
        let named: BTreeSet<_> = ActionKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
        assert_eq!(kinds(&document(), "Action"), named);
        for kind in ActionKind::ALL {
            let body = json!({
                "kind": kind.as_str(), "at": "2026-11-28T10:00:00Z", "from": "2026-11-28T10:00:00Z",
                "to": "2026-11-28T10:00:00Z", "job": "a", "args": {},
            });
            let action: Action = serde_json::from_value(body).unwrap();
            assert_eq!(action.as_str(), kind.as_str());
        }
    }

    #[test]
    fn the_document_has_the_targets_of_the_core() {
        let (document, id) = (document(), "a");
        let all = kinds(&document, "Target");
        assert_eq!(all.len(), 9);
        for kind in all {
            let body = json!({
                "kind": kind, "id": id, "ids": [id], "query": "", "end": "2026-11-28T10:00:00Z", "queue": "q",
                "schedule": "s", "fingerprint": "0123456789abcdef",
            });
            assert_eq!(serde_json::from_value::<Target>(body).unwrap().kind(), kind);
        }
    }
}
