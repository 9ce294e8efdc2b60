//! Errors in cron expressions.

use super::field::CronField;

/// Why a cron expression was refused, or could not be expressed in the other dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// Neither five fields (Unix) nor six (AWS).
    #[error(
        "cron `{expression}`: it has {found} fields; write five (minutes hours day-of-month month day-of-week) or, \
         for AWS cron, six (the same and a year, with `?` in one of the day fields); inside `cron(…)` always six"
    )]
    FieldCount {
        /// The expression as given.
        expression: String,
        /// The number of its fields.
        found: usize,
    },
    /// One field cannot be read.
    #[error("cron `{expression}`: {field} `{text}`: {problem}; allowed: {allowed}")]
    Field {
        /// The expression as given.
        expression: String,
        /// Which field.
        field: CronField,
        /// The field's text.
        text: String,
        /// The problem.
        problem: String,
        /// The allowed values.
        allowed: &'static str,
    },
    /// An AWS expression in which not exactly one of the two day fields is `?`.
    #[error(
        "cron `{expression}`: AWS cron needs `?` in exactly one of day-of-month and day-of-week; it is in \
         {found}. Six fields are always AWS cron: a Unix expression has five{hint}"
    )]
    QuestionMark {
        /// The expression as given.
        expression: String,
        /// "neither" or "both".
        found: &'static str,
        /// The likely intention, as the end of the sentence; or empty.
        hint: String,
    },
    /// A form of other programs.
    #[error("cron `{expression}`: {problem}{}", .instead.as_ref().map(|text| format!("; write `{text}`")).unwrap_or_default())]
    Foreign {
        /// The expression as given.
        expression: String,
        /// The foreign part.
        problem: String,
        /// The same in a supported form, if known.
        instead: Option<String>,
    },
    /// A word after `@` that is not one of the macros.
    #[error(
        "cron `{expression}`: unknown macro; allowed: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
    )]
    Macro {
        /// The expression as given.
        expression: String,
    },
    /// `cron(` without its closing parenthesis.
    #[error("cron `{expression}`: the parenthesis after `cron` is never closed")]
    Unclosed {
        /// The expression as given.
        expression: String,
    },
    /// Longer than [`Cron`](super::Cron) or AWS accepts.
    #[error("cron expression of {length} characters: at most 256 are allowed")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// No date between 1970 and 2199 fits.
    #[error("cron `{expression}`: it can never fire; no date from 1970 to 2199 fits its day, month and year")]
    NeverFires {
        /// The expression as given.
        expression: String,
    },
    /// The two day fields of a Unix expression cannot be expressed in one AWS expression.
    #[error(
        "cron `{expression}`: AWS cron cannot restrict day-of-month and day-of-week together, as this does (it runs \
         when {how} fits). {repair}"
    )]
    NotAws {
        /// The expression as given.
        expression: String,
        /// "either" or "both".
        how: &'static str,
        /// The expression to write instead.
        repair: String,
    },
    /// An AWS expression uses something that Unix cron cannot express.
    #[error("cron `{expression}`: Unix cron cannot express {what}")]
    NotUnix {
        /// The expression as given.
        expression: String,
        /// The part that has no equivalent.
        what: &'static str,
    },
    /// The expression uses something that NCRONTAB cannot express.
    #[error("cron `{expression}`: NCRONTAB, which Azure's timers read, cannot express {what}. {repair}")]
    NotNcrontab {
        /// The expression as given.
        expression: String,
        /// The part that has no equivalent.
        what: &'static str,
        /// What to do about it.
        repair: String,
    },
}
