use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long nobody looks between two looks at a condition, at least.
const INTERVAL: Duration = Duration::from_millis(50);
/// The same, in times of what the look before took: looking must not slow down what is waited for.
const REST: u32 = 4;

/// How long anything is waited for. It keeps a test that hangs from hanging for ever, and measures nobody's speed: a machine
/// that has other things to do as well must not reach it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A condition that did not come true in time.
#[derive(thiserror::Error)]
#[error("waited {waited:.1?} until {what}; last seen: {last}")]
pub struct NeverHappened {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// The last thing seen instead.
    pub last: String,
}

/// As the text: this is what `unwrap` and a test that returns the error show.
impl std::fmt::Debug for NeverHappened {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, out)
    }
}

/// Looks every 50 ms, or less often where a look takes long, until `probe` gives a value, and no longer than `limit`.
///
/// `probe` answers `Ok` with what was waited for, or `Err` with what it saw instead: that becomes the text of the
/// failure. A probe that hangs counts as one that saw nothing.
///
/// ```no_run
/// # async fn example() -> Result<(), lamplighter_tests::ministack::NeverHappened> {
/// # async fn count() -> usize { 3 }
/// use lamplighter_tests::ministack::{PATIENCE, eventually};
///
/// eventually("three jobs have run", PATIENCE, async || match count().await {
///     3 => Ok(()),
///     other => Err(format!("{other} have")),
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the time is over.
pub async fn eventually<T, S: Display>(
    what: impl Into<String>,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, S>,
) -> Result<T, NeverHappened> {
    let begin = Instant::now();
    let mut last = String::from("nothing, the first look did not end");
    loop {
        let look = Instant::now();
        match tokio::time::timeout(limit.saturating_sub(begin.elapsed()), probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen.to_string(),
            Err(_) => {}
        }
        if begin.elapsed() >= limit {
            return Err(NeverHappened { what: what.into(), waited: begin.elapsed(), last });
        }
        tokio::time::sleep(INTERVAL.max(look.elapsed() * REST)).await;
    }
}
