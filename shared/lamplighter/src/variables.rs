//! Environment variables as a value.

use std::fmt;

/// What functions read their settings from: the environment variables of the process, with values of one's own on top.
///
/// ```
/// use lamplighter::Variables;
///
/// let variables = Variables::system().with("LAMPLIGHTER_OBJECTS", "memory:///");
/// assert_eq!(variables.get("LAMPLIGHTER_OBJECTS").as_deref(), Some("memory:///"));
/// assert_eq!(Variables::none().get("PATH"), None);
/// ```
#[derive(Clone, Default)]
pub struct Variables {
    system: bool,
    own: Vec<(String, String)>,
}

impl Variables {
    /// The variables of this process.
    #[must_use]
    pub fn system() -> Self {
        Self { system: true, own: Vec::new() }
    }

    /// No variable at all, whatever the process has: what a template is derived with.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With this value, whatever the process has.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.own.retain(|(known, _)| *known != name);
        self.own.push((name, value));
        self
    }

    /// The value of a variable, where it has one that is text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        match self.own.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Some(value.clone()),
            None if self.system => std::env::var(name).ok(),
            None => None,
        }
    }
}

impl fmt::Debug for Variables {
    /// Without values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own: Vec<_> = self.own.iter().map(|(name, _)| name).collect();
        f.debug_struct("Variables").field("system", &self.system).field("own", &own).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_values_stand_before_those_of_the_process() {
        assert!(Variables::system().get("PATH").is_some());
        let variables = Variables::system().with("PATH", "a").with("PATH", "b");
        assert_eq!(variables.get("PATH").as_deref(), Some("b"));
        assert_eq!(Variables::none().with("A", "1").get("A").as_deref(), Some("1"));
        assert_eq!(Variables::none().get("PATH"), None);
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Variables::system().with("TOKEN", "hunter2"));
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }
}
