//! The state of the view, and how keys change it. It knows neither the terminal nor the store.

use std::{collections::BTreeSet, mem};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    content::{Content, Loaded, Row, Table, Tone, Words},
    intent::{Intent, Subject, Verb, lamp, quoted},
    page::{Page, Spot},
};

/// Rows that a list begins with, and that are added when its end is passed.
pub(crate) const ROWS: usize = 200;
/// The longest query that can be typed.
const LONGEST_QUERY: usize = 1000;

/// What keys are for at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Normal,
    /// After `g`: the next letter chooses a page.
    Go,
    /// A query is being typed.
    Search(String),
    /// An action waits for its preview, or for consent. The preview says how many things it changes.
    Confirm(Intent, Option<Preview>),
    Help,
}

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Preview {
    /// A sentence each, the first says how much.
    pub(crate) lines: Vec<String>,
    /// The number that was shown.
    pub(crate) expected: Option<u64>,
    /// The target as it was counted, as JSON: what the action then changes is what was shown.
    pub(crate) target: Option<String>,
}

/// What is to be done outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Read the present spot again.
    Load,
    /// Count what an action would change.
    Preview(Intent),
    /// Carry the action out.
    Start(Intent, Preview),
    /// Put a command into the clipboard.
    Copy(String),
    Quit,
}

/// The state of the view.
#[derive(Debug)]
pub(crate) struct State {
    trail: Vec<Spot>,
    /// Counts the spots that were visited: what was read for an earlier one is not shown.
    visit: u64,
    pub(super) loaded: Option<Loaded>,
    pub(super) selected: usize,
    selected_key: Option<String>,
    pub(super) marks: BTreeSet<String>,
    pub(super) limit: usize,
    pub(super) held: bool,
    pub(super) mode: Mode,
    pub(super) message: Option<Words>,
    /// The options that choose this place, for commands.
    options: String,
    /// The name of this place.
    pub(super) place: String,
    /// Why nothing can be changed here.
    pub(super) read_only: Option<String>,
}

impl State {
    /// Creates the state at the first page. `options` choose the place on a command line.
    pub(crate) fn new(place: &str, options: String) -> Self {
        Self {
            trail: vec![Spot::page(Page::Overview)],
            visit: 0,
            loaded: None,
            selected: 0,
            selected_key: None,
            marks: BTreeSet::new(),
            limit: ROWS,
            held: false,
            mode: Mode::Normal,
            message: None,
            options,
            place: Words::plain(place).as_str().to_owned(),
            read_only: None,
        }
    }

    /// Forbids changes, for this reason.
    pub(crate) fn read_only(self, why: impl Into<String>) -> Self {
        Self { read_only: Some(why.into()), ..self }
    }

    /// Where the viewer is.
    pub(crate) fn spot(&self) -> &Spot {
        const START: &Spot = &Spot::page(Page::Overview);
        self.trail.last().unwrap_or(START)
    }

    /// The number of this visit, and of rows that are wanted.
    pub(crate) const fn wanted(&self) -> (u64, usize) {
        (self.visit, self.limit)
    }

    /// Whether the view is not to be read again by itself.
    pub(crate) const fn is_held(&self) -> bool {
        self.held
    }

    /// Takes what was read for a visit.
    pub(crate) fn take(&mut self, visit: u64, read: Result<Loaded, String>) {
        if visit != self.visit {
            return;
        }
        match read {
            Ok(loaded) => {
                self.loaded = Some(loaded);
                if self.message.as_ref().is_some_and(|message| message.tone == Tone::Bad) {
                    self.message = None;
                }
                self.keep_selection();
            }
            Err(error) => self.message = Some(Words::new(Tone::Bad, error)),
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
            Err(error) => {
                self.mode = Mode::Normal;
                self.message = Some(Words::new(Tone::Bad, error));
            }
        }
    }

    /// Shows how an action went.
    pub(crate) fn done(&mut self, said: Result<String, String>) {
        self.message = Some(match said {
            Ok(text) => Words::new(Tone::Good, text),
            Err(text) => Words::new(Tone::Bad, text),
        });
    }

    /// The list that is shown, if it is one. The overview's is that of its queues.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.loaded.as_ref()?.content {
            Content::Overview(overview) => Some(&overview.queues),
            Content::Table(table) => Some(table),
            Content::Item(_) => None,
        }
    }

    fn row(&self) -> Option<&Row> {
        self.table()?.rows.get(self.selected)
    }

    /// Keeps the selected row under the hand, wherever it has moved to; marks of rows that are gone are dropped.
    fn keep_selection(&mut self) {
        let Some(table) = self.table() else { return };
        let keys: Vec<_> = table.rows.iter().map(|row| row.key.clone()).collect();
        let same = self.selected_key.as_ref().and_then(|key| keys.iter().position(|one| one == key));
        self.selected = same.unwrap_or(self.selected).min(keys.len().saturating_sub(1));
        self.selected_key = keys.get(self.selected).cloned();
        self.marks.retain(|mark| keys.contains(mark));
    }

    /// Handles a key, and returns what is to be done.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return vec![Effect::Quit];
        }
        match mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal => self.normal(key),
            Mode::Go => match key.code {
                KeyCode::Char(letter) => Page::of(letter).map_or_else(Vec::new, |page| self.visit(Spot::page(page))),
                _ => Vec::new(),
            },
            Mode::Search(text) => self.search(text, key),
            Mode::Confirm(intent, preview) => self.confirm(intent, preview, key),
            Mode::Help => Vec::new(),
        }
    }

    fn normal(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.message = None;
        let is_item = matches!(self.loaded, Some(Loaded { content: Content::Item(_), .. }));
        match key.code {
            KeyCode::Char('q') => return vec![Effect::Quit],
            KeyCode::Char('g') => self.mode = Mode::Go,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Search(self.spot().query().unwrap_or_default().to_owned()),
            KeyCode::Char('j') | KeyCode::Down => return self.walk(1),
            KeyCode::Char('k') | KeyCode::Up => return self.walk(-1),
            KeyCode::PageDown => return self.walk(10),
            KeyCode::PageUp => return self.walk(-10),
            KeyCode::Home => return self.walk(isize::MIN),
            KeyCode::End => return self.walk(isize::MAX),
            KeyCode::Char('x') => self.mark(),
            KeyCode::Char('u') | KeyCode::Esc | KeyCode::Backspace => return self.up(),
            KeyCode::Enter => return self.open(),
            KeyCode::Char('.') => {
                self.held = !self.held;
                if !self.held {
                    return vec![Effect::Load];
                }
            }
            KeyCode::Char('y') => {
                let command = self.command();
                self.message = Some(Words::plain(format!("copied: {command}")));
                return vec![Effect::Copy(command)];
            }
            KeyCode::Char('r') => return self.ask(Verb::Retry),
            KeyCode::Char('c') => return self.ask(Verb::Cancel),
            KeyCode::Char('P') => {
                let item = |loaded: &Loaded| matches!(&loaded.content, Content::Item(item) if item.paused);
                let paused = match is_item {
                    true => self.loaded.as_ref().is_some_and(item),
                    false => self.row().is_some_and(|row| row.paused),
                };
                return self.ask(if paused { Verb::Resume } else { Verb::Pause });
            }
            _ => {}
        }
        Vec::new()
    }

    fn search(&mut self, mut text: String, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter => return self.visit(Spot::Page(Page::Jobs, text.trim().to_owned())),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
            KeyCode::Char(letter) if !key.modifiers.contains(KeyModifiers::CONTROL) && text.len() < LONGEST_QUERY => {
                text.push(letter);
            }
            _ => {}
        }
        self.mode = Mode::Search(text);
        Vec::new()
    }

    fn confirm(&mut self, intent: Intent, preview: Option<Preview>, key: KeyEvent) -> Vec<Effect> {
        match (key.code, preview) {
            // Consent is to what was shown, so not before the preview is there.
            (KeyCode::Enter, Some(preview)) => {
                self.marks.clear();
                self.message = Some(Words::new(Tone::Busy, format!("{intent} …")));
                return vec![Effect::Start(intent, preview)];
            }
            (KeyCode::Char('y'), preview) => {
                let command = intent.command(&self.options);
                self.mode = Mode::Confirm(intent, preview);
                return vec![Effect::Copy(command)];
            }
            (KeyCode::Esc | KeyCode::Char('n' | 'u' | 'q'), _) => {}
            (_, preview) => self.mode = Mode::Confirm(intent, preview),
        }
        Vec::new()
    }

    fn walk(&mut self, by: isize) -> Vec<Effect> {
        let Some(table) = self.table() else {
            // Of one thing, the first line that is shown.
            let lines = match &self.loaded {
                Some(Loaded { content: Content::Item(item), .. }) => item.lines.len(),
                _ => 0,
            };
            self.selected = self.selected.saturating_add_signed(by).min(lines.saturating_sub(1));
            return Vec::new();
        };
        let last = table.rows.len().saturating_sub(1);
        let is_end = table.more && self.selected == last && by > 0;
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.selected_key = self.row().map(|row| row.key.clone());
        if is_end {
            self.limit += ROWS;
            return vec![Effect::Load];
        }
        Vec::new()
    }

    fn mark(&mut self) {
        if self.spot().on() != Page::Jobs {
            self.message = Some(Words::plain("jobs are marked; other things are acted on one by one"));
            return;
        }
        let Some(key) = self.row().map(|row| row.key.clone()) else { return };
        if !self.marks.remove(&key) {
            self.marks.insert(key);
        }
        self.walk(1);
    }

    fn visit(&mut self, spot: Spot) -> Vec<Effect> {
        if matches!(spot, Spot::Page(..)) {
            self.trail.clear();
            if spot.on() != Page::Overview {
                self.trail.push(Spot::page(Page::Overview));
            }
        }
        self.trail.push(spot);
        self.arrive()
    }

    fn up(&mut self) -> Vec<Effect> {
        if self.trail.len() < 2 {
            return Vec::new();
        }
        let left = self.trail.pop();
        let effects = self.arrive();
        if let Some(Spot::Item(_, key)) = left {
            self.selected_key = Some(key);
        }
        effects
    }

    fn arrive(&mut self) -> Vec<Effect> {
        self.visit += 1;
        (self.loaded, self.selected, self.selected_key, self.limit) = (None, 0, None, ROWS);
        self.marks.clear();
        vec![Effect::Load]
    }

    fn open(&mut self) -> Vec<Effect> {
        let Some(key) = self.row().map(|row| row.key.clone()) else { return Vec::new() };
        let page = match self.spot().on() {
            // Its list is that of the queues.
            Page::Overview => Page::Queues,
            Page::Health => return Vec::new(),
            page => page,
        };
        self.visit(Spot::Item(page, key))
    }

    /// Asks for consent to an action on what is marked, selected, or shown.
    fn ask(&mut self, verb: Verb) -> Vec<Effect> {
        if let Some(why) = &self.read_only {
            self.message = Some(Words::new(Tone::Warn, why));
            return Vec::new();
        }
        let Some(intent) = self.intent(verb) else {
            self.message = Some(Words::plain("there is nothing here that this key acts on; ? shows the keys"));
            return Vec::new();
        };
        self.mode = Mode::Confirm(intent.clone(), None);
        vec![Effect::Preview(intent)]
    }

    fn intent(&self, verb: Verb) -> Option<Intent> {
        let key = match self.spot() {
            Spot::Item(_, key) => key.clone(),
            Spot::Page(..) => self.row()?.key.clone(),
        };
        let (verb, subject) = match (self.spot().on(), verb) {
            (Page::Jobs, Verb::Retry | Verb::Cancel) if !self.marks.is_empty() => {
                (verb, Subject::Jobs(self.marks.iter().cloned().collect()))
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

    /// The command that shows the same.
    fn command(&self) -> String {
        let words = match self.spot() {
            Spot::Page(Page::Jobs, query) if !query.is_empty() => format!("jobs --query {}", quoted(query)),
            Spot::Item(Page::Jobs, id) => format!("job {}", quoted(id)),
            Spot::Item(Page::Errors, fingerprint) => format!("errors {}", quoted(fingerprint)),
            Spot::Item(Page::Batches, id) => format!("batch {}", quoted(id)),
            Spot::Item(Page::DeadLetters, queue) => format!("dead-letters {}", quoted(queue)),
            Spot::Item(Page::Operations, id) => format!("ops {}", quoted(id)),
            Spot::Item(Page::Types, job) => format!("definitions {}", quoted(job)),
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
                Page::Health => "doctor".to_owned(),
            },
        };
        lamp(&words, &self.options)
    }
}
