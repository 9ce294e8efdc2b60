use std::fmt::Display;
use std::time::{Duration, Instant};

/// The minimum time between two checks of a condition.
const INTERVAL: Duration = Duration::from_millis(50);
/// The same, as a multiple of the duration of the last check: checks must not slow down what the test waits for.
const REST: u32 = 4;

/// The time limit of every wait. It ends a test that hangs, and measures no speed: even a busy machine must not reach
/// it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A condition that did not become true in time.
#[derive(thiserror::Error)]
#[error("waited {waited:.1?} until {what}; last seen: {last}")]
pub struct NeverHappened {
    /// The condition.
    pub what: String,
    /// The time that the test waited.
    pub waited: Duration,
    /// The last value seen instead.
    pub last: String,
}

/// The same as `Display`, since `unwrap` and a test that returns the error show `Debug`.
impl std::fmt::Debug for NeverHappened {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, out)
    }
}

/// Calls `probe` every 50 ms, or less often where a call takes long, until it returns a value, and for `limit` at most.
///
/// `probe` returns `Ok` with the value, or `Err` with what it saw instead, which becomes the text of the failure. A
/// probe that hangs counts as one that saw nothing.
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
/// When the limit is reached.
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
