//! What keys do.

use std::mem;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, Marks, Mode, Preview, State};
use crate::top::{
    content::{Content, Loaded, Tone, Words},
    intent::{Intent, Subject, Verb},
    page::{Page, Spot},
};

/// The longest text that can be typed.
const LONGEST: usize = 1000;

/// Changes a text that is being typed, and returns whether the key was for that.
pub(super) fn typed(text: &mut String, key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char('u') if is_control => text.clear(),
        KeyCode::Char(letter) if !is_control && text.len() < LONGEST => text.push(letter),
        _ => return false,
    }
    true
}

impl State {
    /// Handles a key, and returns what is to be done.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return vec![Effect::Quit];
        }
        // Another key means that nobody waits for the editor any more.
        self.awaited = None;
        match mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal => self.normal(key),
            Mode::Go => match key.code {
                KeyCode::Char(letter) => Page::of(letter).map_or_else(Vec::new, |page| self.visit(Spot::page(page))),
                _ => Vec::new(),
            },
            Mode::Search(text) => self.search(text, key),
            Mode::Palette(palette) => self.palette(palette, key),
            Mode::Confirm(intent, preview) => self.confirm(intent, preview, key),
            Mode::Misfit(intent, why) => self.misfit(intent, why, key),
            Mode::Help => Vec::new(),
        }
    }

    fn normal(&mut self, key: KeyEvent) -> Vec<Effect> {
        (self.message, self.is_unread) = (None, false);
        let is_item = matches!(self.loaded, Some(Loaded { content: Content::Item(_), .. }));
        match key.code {
            KeyCode::Char('q') => return vec![Effect::Quit],
            KeyCode::Char('g') => self.mode = Mode::Go,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Search(self.spot().query().unwrap_or_default().to_owned()),
            KeyCode::Char(':') => return self.open_palette(),
            KeyCode::Char('j') | KeyCode::Down => return self.walk(1),
            KeyCode::Char('k') | KeyCode::Up => return self.walk(-1),
            KeyCode::PageDown => return self.walk(10),
            KeyCode::PageUp => return self.walk(-10),
            KeyCode::Home => return self.walk(isize::MIN),
            KeyCode::End => return self.walk(isize::MAX),
            KeyCode::Char('x') => self.mark(),
            KeyCode::Char('X') => self.mark_stretch(),
            KeyCode::Char('*') => self.mark_all(),
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
            KeyCode::Char('E') => return self.edit(),
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
            _ => typed(&mut text, key),
        };
        self.mode = Mode::Search(text);
        Vec::new()
    }

    fn confirm(&mut self, intent: Intent, preview: Option<Preview>, key: KeyEvent) -> Vec<Effect> {
        match (key.code, preview) {
            // Consent is to what was shown, so not before the preview is there.
            (KeyCode::Enter, Some(preview)) => {
                self.marks = Marks::default();
                self.message = Some(Words::new(Tone::Busy, format!("{intent} …")));
                return vec![Effect::Start(intent, preview)];
            }
            (KeyCode::Char('E'), _) if matches!(intent.subject, Subject::Edited { .. }) => {
                return self.edit_again(intent);
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

    /// Arguments that do not fit are edited again, or given up.
    fn misfit(&mut self, intent: Intent, why: String, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Enter | KeyCode::Char('E') => return self.edit_again(intent),
            KeyCode::Esc | KeyCode::Char('n' | 'u' | 'q') => {}
            _ => self.mode = Mode::Misfit(intent, why),
        }
        Vec::new()
    }
}
