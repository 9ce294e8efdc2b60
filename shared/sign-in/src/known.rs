//! Who somebody is, as others have proved it.

use std::collections::BTreeSet;

/// Somebody whom AWS or an OpenID provider has identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The name under which operations are recorded.
    pub name: String,
    /// The names that rules are compared with: an ARN, or a verified address and `sub:` with the subject.
    pub names: Vec<String>,
    /// The groups.
    pub groups: BTreeSet<String>,
}

impl Known {
    /// Somebody of this name.
    pub fn as_name(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { names: vec![name.clone()], name, groups: BTreeSet::new() }
    }

    /// With another name that rules are compared with.
    #[must_use]
    pub fn also(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// With these groups.
    #[must_use]
    pub fn groups<G: Into<String>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        self.groups.extend(groups.into_iter().map(Into::into));
        self
    }
}
