//! Asking for an action, and the same as a command.

use lamplighter::{JobState, query::Query};

use super::{Effect, Mode, Preview, State};
use crate::top::{
    content::{Tone, Words},
    intent::{Intent, Subject, Verb, about, lamp, quoted},
    page::{Page, Spot},
};

impl State {
    /// Asks for consent to an action on what is marked, selected, or shown.
    pub(super) fn ask(&mut self, verb: Verb) -> Vec<Effect> {
        if self.refuses() {
            return Vec::new();
        }
        let Some(intent) = self.intent(verb) else {
            return self.nothing_here();
        };
        self.mode = Mode::Confirm(intent.clone(), None);
        vec![Effect::Preview(intent)]
    }

    fn refuses(&mut self) -> bool {
        if let Some(why) = &self.read_only {
            self.message = Some(Words::new(Tone::Warn, why));
        }
        self.read_only.is_some()
    }

    fn nothing_here(&mut self) -> Vec<Effect> {
        self.message = Some(Words::plain("there is nothing here that this key acts on; ? shows the keys"));
        Vec::new()
    }

    /// The key of what is shown, or selected.
    fn under_the_hand(&self) -> Option<String> {
        match self.spot() {
            Spot::Item(_, key) => Some(key.clone()),
            Spot::Page(..) => self.row().map(|row| row.key.clone()),
        }
    }

    fn intent(&self, verb: Verb) -> Option<Intent> {
        let key = self.under_the_hand()?;
        let (verb, subject) = match (self.spot().on(), verb) {
            (Page::Jobs, Verb::Retry | Verb::Cancel) if self.marks.are_all() => (verb, self.matching(verb)?),
            (Page::Jobs, Verb::Retry | Verb::Cancel) if self.marks.keys().len() > 0 => {
                (verb, Subject::Jobs(self.marks.keys().cloned().collect()))
            }
            (Page::Jobs, Verb::Retry | Verb::Cancel) => (verb, Subject::Jobs(vec![key])),
            (Page::Errors, Verb::Retry) => (verb, Subject::ErrorGroup(key)),
            (Page::Batches, Verb::Cancel) => (verb, Subject::Batch(key)),
            (Page::Queues | Page::Overview, Verb::Pause | Verb::Resume) => (verb, Subject::Queue(key)),
            (Page::Schedules, Verb::Pause | Verb::Resume) => (verb, Subject::Schedule(key)),
            (Page::DeadLetters, Verb::Retry) => (Verb::Redrive, Subject::DeadLetters(key)),
            (Page::Operations, Verb::Cancel) => (Verb::Stop, Subject::Operation(key)),
            _ => return None,
        };
        Some(Intent { verb, subject })
    }

    /// All jobs that match what is listed. As on the command line, those that failed run again where no state is named.
    fn matching(&self, verb: Verb) -> Option<Subject> {
        let query: Query = self.spot().query().unwrap_or_default().parse().ok()?;
        let means_failed = verb == Verb::Retry && query.states().is_empty();
        let query = if means_failed { query.state(JobState::Failed) } else { query };
        Some(Subject::Matching(query.to_string()))
    }

    /// Asks for the arguments of a job, to edit them.
    pub(super) fn edit(&mut self) -> Vec<Effect> {
        if self.refuses() {
            return Vec::new();
        }
        let Some(id) = self.under_the_hand().filter(|_| self.spot().on() == Page::Jobs) else {
            return self.nothing_here();
        };
        self.message = Some(Words::new(Tone::Busy, format!("reading the arguments of {id} …")));
        self.awaited = Some(id.clone());
        vec![Effect::Arguments(id)]
    }

    /// Takes the arguments of a job, which are then edited, if that is still wanted.
    pub(in crate::top) fn take_arguments(&mut self, id: &str, args: Result<String, String>) -> Vec<Effect> {
        if self.awaited.take_if(|awaited| awaited.as_str() == id).is_none() {
            return Vec::new();
        }
        self.message = None;
        match args {
            Ok(args) => vec![Effect::Edit { id: id.to_owned(), args }],
            Err(error) => {
                self.done(Err(error));
                Vec::new()
            }
        }
    }

    /// Takes what the editor left of arguments: as they are after this, the job may run with them.
    pub(in crate::top) fn edited(&mut self, id: String, before: &str, after: Result<String, String>) -> Vec<Effect> {
        let args = match after {
            Ok(args) => args.trim().to_owned(),
            Err(error) => {
                self.done(Err(error));
                return Vec::new();
            }
        };
        if args == before.trim() {
            self.message = Some(Words::plain("the arguments are as they were, so nothing runs; r retries the job"));
            return Vec::new();
        }
        let intent = Intent { verb: Verb::Edit, subject: Subject::Edited { id, args } };
        self.mode = Mode::Confirm(intent.clone(), None);
        vec![Effect::Preview(intent)]
    }

    pub(super) fn edit_again(&mut self, intent: Intent) -> Vec<Effect> {
        match intent.subject {
            Subject::Edited { id, args } => vec![Effect::Edit { id, args }],
            _ => Vec::new(),
        }
    }

    /// Takes the preview of an action.
    pub(crate) fn previewed(&mut self, of: &Intent, preview: Result<Preview, String>) {
        let Mode::Confirm(intent, shown) = &mut self.mode else { return };
        if intent != of {
            return;
        }
        match preview {
            Ok(preview) => *shown = Some(preview),
            // What was typed is not lost.
            Err(error) if matches!(of.subject, Subject::Edited { .. }) => self.mode = Mode::Misfit(of.clone(), error),
            Err(error) => {
                self.mode = Mode::Normal;
                self.done(Err(error));
            }
        }
    }

    /// The command that shows the same.
    pub(super) fn command(&self) -> String {
        let words = match self.spot() {
            Spot::Page(Page::Jobs, query) if !query.is_empty() => format!("jobs --query {}", quoted(query)),
            Spot::Item(Page::Jobs, id) => return about("job", &[id], &self.options),
            Spot::Item(Page::Errors, fingerprint) => return about("errors", &[fingerprint], &self.options),
            Spot::Item(Page::Batches, id) => return about("batch", &[id], &self.options),
            Spot::Item(Page::DeadLetters, queue) => return about("dead-letters", &[queue], &self.options),
            Spot::Item(Page::Operations, id) => return about("ops", &[id], &self.options),
            Spot::Item(Page::Types, job) => return about("definitions", &[job], &self.options),
            spot => match spot.on() {
                Page::Overview => "top".to_owned(),
                Page::Jobs => "jobs".to_owned(),
                Page::Errors => "errors".to_owned(),
                Page::Queues => "queues".to_owned(),
                Page::Schedules => "schedules".to_owned(),
                Page::Types => "stats".to_owned(),
                Page::Batches => format!("jobs --query {}", quoted("job:batch")),
                Page::DeadLetters => "dead-letters".to_owned(),
                Page::Operations => "ops".to_owned(),
                // The doctor looks at stacks.
                Page::Health if self.options.contains("--stack") => "doctor".to_owned(),
                Page::Health => "top".to_owned(),
            },
        };
        lamp(&words, &self.options)
    }
}
