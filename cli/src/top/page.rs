//! The pages, and the places in them.

/// A page. `g` and its letter open it, as in the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Overview,
    Jobs,
    Errors,
    Queues,
    Schedules,
    Types,
    Batches,
    DeadLetters,
    Operations,
    Health,
}

impl Page {
    pub(super) const ALL: [Self; 10] = [
        Self::Overview,
        Self::Jobs,
        Self::Errors,
        Self::Queues,
        Self::Schedules,
        Self::Types,
        Self::Batches,
        Self::DeadLetters,
        Self::Operations,
        Self::Health,
    ];

    /// The letter behind `g`.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Overview => 'o',
            Self::Jobs => 'j',
            Self::Errors => 'e',
            Self::Queues => 'q',
            Self::Schedules => 's',
            Self::Types => 't',
            Self::Batches => 'b',
            Self::DeadLetters => 'd',
            Self::Operations => 'p',
            Self::Health => 'h',
        }
    }

    pub(super) fn of(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.letter() == letter)
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Jobs => "Jobs",
            Self::Errors => "Errors",
            Self::Queues => "Queues",
            Self::Schedules => "Schedules",
            Self::Types => "Types",
            Self::Batches => "Batches",
            Self::DeadLetters => "Dead letters",
            Self::Operations => "Operations",
            Self::Health => "Health",
        }
    }
}

/// Where the viewer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A page, with the jobs of a query where it lists jobs.
    Page(Page, String),
    /// One thing of a page, by its key: a job's id, a fingerprint, a name.
    Item(Page, String),
}

impl Spot {
    /// A page without a query.
    pub(super) const fn page(page: Page) -> Self {
        Self::Page(page, String::new())
    }

    /// The page that it is on.
    pub(super) const fn on(&self) -> Page {
        match self {
            Self::Page(page, _) | Self::Item(page, _) => *page,
        }
    }

    /// The query, if there is one.
    pub(super) fn query(&self) -> Option<&str> {
        match self {
            Self::Page(_, query) if !query.is_empty() => Some(query),
            _ => None,
        }
    }
}
