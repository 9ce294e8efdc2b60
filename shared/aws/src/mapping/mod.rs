//! Pausing and resuming a queue: its event source mapping, off and on.
//!
//! A disabled mapping takes no further message; batches that a function has been given go on to their end, and are
//! settled as ever (AWS Lambda API Reference, UpdateEventSourceMapping).

use std::{fmt, time::Duration};

use aws_sdk_lambda::{error::ProvideErrorMetadata, types::EventSourceMappingConfiguration};
use lamplighter::backend::{StoreError, StoreErrorKind};
use tokio::time::{Instant, sleep};

use crate::{operator::Operator, sdk::explain};

/// Whether Lambda takes messages from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingState {
    /// It does.
    Enabled,
    /// It does not: the queue is paused.
    Disabled,
    /// It is being switched, made or removed.
    Changing,
    /// No function is mapped to the queue.
    Missing,
}

impl MappingState {
    /// The state in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Changing => "changing",
            Self::Missing => "missing",
        }
    }

    fn of(mapping: &EventSourceMappingConfiguration) -> Self {
        match mapping.state.as_deref() {
            Some("Enabled") => Self::Enabled,
            Some("Disabled") => Self::Disabled,
            _ => Self::Changing,
        }
    }
}

impl fmt::Display for MappingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long a switch may take: Lambda needs seconds, at times a minute.
const LIMIT: Duration = Duration::from_secs(180);
/// The pauses between two looks, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

impl Operator {
    /// Pauses a queue: its function takes no message from it any more, while what runs goes on to its end. Returns when
    /// Lambda says that it is so, within three minutes.
    ///
    /// # Errors
    /// When there is no such queue, when no function is mapped to it, or when Lambda refuses, or takes longer.
    pub async fn pause(&self, queue: &str) -> Result<(), StoreError> {
        self.switch(queue, false, LIMIT).await
    }

    /// Lets a paused queue go on.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, queue: &str) -> Result<(), StoreError> {
        self.switch(queue, true, LIMIT).await
    }

    /// Whether the queue's function takes messages from it.
    ///
    /// # Errors
    /// When there is no such queue, or AWS cannot be asked.
    pub async fn mapping(&self, queue: &str) -> Result<MappingState, StoreError> {
        let arn = self.attributes(&self.urls(queue)?.url).await?.arn;
        self.state_of(&arn).await
    }

    pub(crate) async fn state_of(&self, arn: &str) -> Result<MappingState, StoreError> {
        let states: Vec<_> = self.mappings_of(arn).await?.iter().map(MappingState::of).collect();
        let any = |state| states.contains(&state);
        Ok(match states.is_empty() {
            true => MappingState::Missing,
            false if any(MappingState::Changing) => MappingState::Changing,
            false if any(MappingState::Enabled) => MappingState::Enabled,
            false => MappingState::Disabled,
        })
    }

    async fn mappings_of(&self, arn: &str) -> Result<Vec<EventSourceMappingConfiguration>, StoreError> {
        let mut pages = self.lambda().await?.list_event_source_mappings().event_source_arn(arn).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &format!("list the event source mappings of {arn}")))?;
            all.extend(page.event_source_mappings.unwrap_or_default());
        }
        Ok(all)
    }

    async fn switch(&self, queue: &str, enabled: bool, limit: Duration) -> Result<(), StoreError> {
        let arn = self.attributes(&self.urls(queue)?.url).await?.arn;
        let mappings = self.mappings_of(&arn).await?;
        if mappings.is_empty() {
            let text =
                format!("no function is mapped to queue {queue}, so nobody takes its messages; deploy its stack again");
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
        let until = Instant::now() + limit;
        // All at once: each takes its time.
        let switches = mappings.into_iter().map(|mapping| self.switch_one(queue, mapping, enabled, until));
        futures_util::future::join_all(switches).await.into_iter().collect()
    }

    async fn switch_one(
        &self,
        queue: &str,
        mut mapping: EventSourceMappingConfiguration,
        enabled: bool,
        until: Instant,
    ) -> Result<(), StoreError> {
        let wanted = if enabled { MappingState::Enabled } else { MappingState::Disabled };
        let id = mapping.uuid.clone().unwrap_or_default();
        let mut asked = false;
        let mut pause = PAUSES.0;
        loop {
            let settled = MappingState::of(&mapping) != MappingState::Changing;
            if settled && MappingState::of(&mapping) == wanted {
                return Ok(());
            }
            // One that is just being changed takes no other change.
            if settled && !asked {
                let update = self.lambda().await?.update_event_source_mapping().uuid(&id).enabled(enabled).send().await;
                match update {
                    Ok(answer) => {
                        asked = true;
                        mapping.state = answer.state;
                        continue;
                    }
                    Err(error) if error.code() == Some("ResourceInUseException") => {}
                    Err(error) => {
                        let doing = if enabled { "resume" } else { "pause" };
                        return Err(explain(&error, &format!("{doing} queue {queue} (event source mapping {id})")));
                    }
                }
            }
            if Instant::now() + pause > until {
                let state = mapping.state.as_deref().unwrap_or("without a state");
                let text = format!(
                    "the event source mapping {id} of queue {queue} is still {state}; Lambda goes on by itself, and \
                     `lamp queues` shows how it stands"
                );
                return Err(StoreError::unavailable(text));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            let now = self.lambda().await?.get_event_source_mapping().uuid(&id).send().await;
            mapping.state = now.map_err(|error| explain(&error, &format!("read the event source mapping {id}")))?.state;
        }
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;
    use crate::testing::FakeDeployment;

    #[tokio::test]
    async fn a_switch_that_takes_too_long_says_how_it_stands() {
        let fake = FakeDeployment::start().await.unwrap();
        fake.switch_takes("mapping-work", u32::MAX);
        let operator = Operator::new(fake.sdk(), fake.queues());
        let error = operator.switch("work", false, Duration::from_millis(600)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = error.to_string();
        assert!(
            text.contains("mapping-work of queue work is still Disabling") && text.contains("lamp queues"),
            "{text}"
        );
        assert!(!fake.is_enabled("mapping-work"), "it goes on by itself");
    }
}
