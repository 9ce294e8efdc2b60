//! Advances the time for schedules only.

use std::time::Duration;

use hyper::Request;
use url::form_urlencoded;

use super::MiniStack;
use super::error::{Error, Result};

impl MiniStack {
    /// Advances the time for the recurring schedules of a stack, in whole seconds: its rules, and those of the schedule
    /// group of its name. Each schedule that becomes due fires once, even if several of its ticks have passed, and its
    /// message is in the queue when this returns. Tests need not wait for the next full minute, and only the schedules
    /// of the test fire.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn pass(&self, stack: &str, time: Duration) -> Result<()> {
        let stack: String = form_urlencoded::byte_serialize(stack.as_bytes()).collect();
        let path = format!("/_lamplighter/pass?stack={stack}&seconds={}", time.as_secs());
        let failed = |reason: String| Error::Request { what: format!("letting {time:?} pass for {stack}"), reason };
        let request = Request::post(path).body(Vec::new()).map_err(|error| failed(error.to_string()))?;
        let answer = self.request(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(failed(answer.status().to_string())) }
    }
}
