//! The project's limits for its bootstraps.

use serde::Serialize;

use super::Compared;

/// The limits of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// The size of the stripped file, in bytes.
    pub bytes: u64,
    /// Wall time, as a multiple of the hello world's.
    pub wall_ratio: f64,
    /// CPU time, as a multiple of the hello world's.
    pub cpu_ratio: Option<f64>,
    /// The peak of the resident set, in bytes.
    pub peak: Option<u64>,
}

impl Limits {
    /// The limits of the smallest function without records.
    pub const STATELESS: Self = Self { bytes: 6_000_000, wall_ratio: 1.3, cpu_ratio: Some(2.0), peak: None };
    /// The limits of the smallest function with records.
    pub const TRACKED: Self = Self { bytes: 9_000_000, wall_ratio: 1.5, cpu_ratio: None, peak: Some(12_000_000) };

    /// Returns the limits of a bootstrap. A deployment's functions have none: their dependencies (codecs, an HTTP
    /// client, templates) are their own choice.
    #[must_use]
    pub fn of(bootstrap: &str) -> Option<Self> {
        match bootstrap {
            "stateless" => Some(Self::STATELESS),
            "tracked" => Some(Self::TRACKED),
            _ => None,
        }
    }

    /// Returns the limits that a bootstrap exceeds, a few words each.
    pub(super) fn beyond(&self, one: &Compared) -> Vec<String> {
        let mut beyond = Vec::new();
        if one.own.bytes >= self.bytes {
            beyond.push(format!("{} bytes, below {}", one.own.bytes, self.bytes));
        }
        if one.wall_ratio > self.wall_ratio {
            beyond.push(format!("{:.2} × wall, at most {}", one.wall_ratio, self.wall_ratio));
        }
        if let Some(most) = self.cpu_ratio.filter(|most| one.cpu_ratio > *most) {
            beyond.push(format!("{:.2} × CPU, at most {most}", one.cpu_ratio));
        }
        if let Some(most) = self.peak.filter(|most| one.own.peak_kib * 1024 >= *most) {
            beyond.push(format!("{} bytes of memory, below {most}", one.own.peak_kib * 1024));
        }
        beyond
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Figures, *};

    #[test]
    fn each_limit_is_checked_separately() {
        let good = Figures { bytes: 5_999_999, wall_ms: 1.3, cpu_ms: 2.0, peak_kib: 11_718 };
        let compared = |own: Figures| Compared {
            name: "stateless".into(),
            own,
            hello: Figures { bytes: 1, wall_ms: 1.0, cpu_ms: 1.0, peak_kib: 1 },
            wall_ratio: own.wall_ms,
            cpu_ratio: own.cpu_ms,
            limits: None,
            beyond: Vec::new(),
        };
        assert!(Limits::STATELESS.beyond(&compared(good)).is_empty());
        assert!(Limits::TRACKED.beyond(&compared(good)).is_empty());
        let bad = [
            (Limits::STATELESS, Figures { bytes: 6_000_000, ..good }, "bytes"),
            (Limits::STATELESS, Figures { wall_ms: 1.31, ..good }, "wall"),
            (Limits::STATELESS, Figures { cpu_ms: 2.01, ..good }, "CPU"),
            (Limits::TRACKED, Figures { bytes: 9_000_000, ..good }, "bytes"),
            (Limits::TRACKED, Figures { wall_ms: 1.51, ..good }, "wall"),
            (Limits::TRACKED, Figures { peak_kib: 11_719, ..good }, "memory"),
        ];
        for (limits, own, word) in bad {
            let beyond = limits.beyond(&compared(own));
            assert!(beyond.len() == 1 && beyond[0].contains(word), "{beyond:?}");
        }
    }
}
