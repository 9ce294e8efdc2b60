//! Which changes of state were seen.

use std::fmt;

use lamplighter::JobState;

/// How often each change of state was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transitions([[u64; 8]; 8]);

impl Transitions {
    /// Notes a change, and returns whether it is one of [`JobState::TRANSITIONS`].
    pub(crate) fn see(&mut self, from: JobState, to: JobState) -> bool {
        self.0[index(from)][index(to)] += 1;
        JobState::TRANSITIONS.contains(&(from, to))
    }

    /// Adds what others have seen.
    pub(crate) fn add(&mut self, other: &Self) {
        for (row, others) in self.0.iter_mut().zip(&other.0) {
            for (count, more) in row.iter_mut().zip(others) {
                *count += more;
            }
        }
    }

    /// How often a change was seen.
    #[must_use]
    pub fn seen(&self, from: JobState, to: JobState) -> u64 {
        self.0[index(from)][index(to)]
    }
}

/// As a table of all changes that there are.
impl fmt::Display for Transitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (from, to) in JobState::TRANSITIONS {
            writeln!(f, "{:>10}  {from} → {to}", self.seen(*from, *to))?;
        }
        Ok(())
    }
}

fn index(state: JobState) -> usize {
    JobState::ALL.iter().position(|other| *other == state).unwrap_or_default()
}
