//! Which quota of AWS a load reaches first, and at what rate.
//!
//! ```
//! use lamplighter_infra::{cost::Mode, limits::{Load, Report}};
//!
//! let report = Report::of(Load::new(1_000, Mode::Lean))?;
//! assert_eq!(
//!     report.verdict(),
//!     "1,000 jobs a second: no quota is reached; the first is lambda-concurrency, at 10,000 jobs a second"
//! );
//! # Ok::<(), lamplighter_infra::limits::LoadError>(())
//! ```

mod burst;
mod day;
mod load;
mod need;
mod page;
mod plans;
pub mod quotas;
mod reached;
mod report;
mod rise;
pub mod text;

pub use self::{
    burst::{Drain, MOST_MESSAGES, Phase, Variant},
    day::Day,
    load::{Fifo, Host, Load, LoadError, Mapping, Pollers},
    page::page,
    quotas::{Quota, Quotas, Source},
    reached::Limit,
    report::Report,
    rise::Rise,
};
