//! A page of a list that is read as a whole: of queues, job types, schedules. Most have one page; some have thousands of names.

use serde::Deserialize;

use super::ui::encode;

/// The rows of a page.
const ROWS: usize = 100;

/// What an address asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// A text that names have.
    #[serde(default)]
    pub(super) q: String,
    /// The name with which the page begins.
    #[serde(default)]
    pub(super) from: String,
}

/// The rows of a page, in the order of their names.
#[derive(Debug)]
pub(super) struct Portion<T> {
    pub(super) items: Vec<T>,
    /// The text that is searched for.
    pub(super) text: String,
    /// The address of the next page, if there is one.
    pub(super) more: Option<String>,
    /// Whether names are worth searching.
    pub(super) is_long: bool,
}

impl<T> Portion<T> {
    /// The rows that an address asks for. `name` is what they are ordered and searched by.
    pub(super) fn of(mut all: Vec<T>, asked: &Asked, address: &str, name: impl Fn(&T) -> &str) -> Self {
        let text = asked.q.trim().to_lowercase();
        let is_long = all.len() > ROWS || !text.is_empty() || !asked.from.is_empty();
        all.retain(|item| name(item) >= &*asked.from && (text.is_empty() || name(item).to_lowercase().contains(&text)));
        all.sort_by(|a, b| name(a).cmp(name(b)));
        let mut more = None;
        if let (Some(last), Some(next)) = (all.get(ROWS - 1), all.get(ROWS)) {
            // Several rows of one name are on one page: it is where the next one begins.
            let next = if name(last) == name(next) {
                all.iter().map(&name).find(|other| *other > name(last))
            } else {
                Some(name(next))
            };
            let next = next.map(str::to_owned);
            let end = next.as_ref().map_or(all.len(), |next| all.partition_point(|item| name(item) < next.as_str()));
            let address =
                if asked.q.is_empty() { address.to_owned() } else { format!("{address}?q={}", encode(&asked.q)) };
            let join = if address.contains('?') { '&' } else { '?' };
            more = next.map(|next| format!("{address}{join}from={}", encode(&next)));
            all.truncate(end);
        }
        Self { items: all, text: asked.q.clone(), more, is_long }
    }

    /// The rows, and the rest.
    pub(super) fn split(self) -> (Vec<T>, Portion<()>) {
        let Self { items, text, more, is_long } = self;
        (items, Portion { items: Vec::new(), text, more, is_long })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(q: &str, from: &str) -> Asked {
        Asked { q: q.into(), from: from.into() }
    }

    #[test]
    fn each_name_is_on_one_page() {
        let all: Vec<String> = (0..10_000).rev().map(|number| format!("queue-{number:05}")).collect();
        let (mut seen, mut from, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let portion = Portion::of(all.clone(), &asked("", &from), "/queues", |name| name);
            assert!(portion.items.len() <= ROWS && portion.is_long);
            seen.extend(portion.items);
            pages += 1;
            let Some(more) = portion.more else { break };
            from = more.strip_prefix("/queues?from=").unwrap().to_owned();
        }
        assert_eq!((seen.len(), pages), (10_000, 100));
        assert!(seen.is_sorted());
    }

    #[test]
    fn a_short_list_is_whole() {
        let portion = Portion::of(vec!["b", "a"], &asked("", ""), "/queues", |name| name);
        assert_eq!((portion.items, portion.more, portion.is_long), (vec!["a", "b"], None, false));
    }

    #[test]
    fn names_are_searched() {
        let all: Vec<String> = (0..500).map(|number| format!("Mails {number}")).collect();
        let portion = Portion::of(all, &asked("mails 4&", ""), "/queues", |name| name);
        assert!(portion.items.is_empty());
        let all: Vec<String> = (0..500).map(|number| format!("Mails {number}")).collect();
        let portion = Portion::of(all, &asked("MAILS 4", ""), "/queues", |name| name);
        assert_eq!(portion.items.len(), 100);
        assert!(portion.more.unwrap().starts_with("/queues?q=MAILS%204&from=Mails%204"));
    }

    #[test]
    fn rows_of_one_name_stay_together() {
        let all: Vec<(String, usize)> =
            (0..150).map(|row| (if row < 90 { format!("a{row:02}") } else { "b".into() }, row)).collect();
        let portion = Portion::of(all, &asked("", ""), "/types", |(name, _)| name);
        assert_eq!((portion.items.len(), portion.more), (150, None), "all of b");
    }
}
