//! Pauses and resumes a queue by its event source mapping, disabled or enabled.
//!
//! A disabled mapping receives no further message; batches that a function has already got continue to their end, and
//! are settled as usual (AWS Lambda API Reference, UpdateEventSourceMapping).

use std::time::Duration;

use aws_sdk_lambda::{error::ProvideErrorMetadata, types::EventSourceMappingConfiguration};
use lamplighter::backend::{ConsumerState, StoreError};
use tokio::time::{Instant, sleep};

use super::access::Access;
use crate::sdk::explain;

/// The pauses between two checks, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

fn state_of(mapping: &EventSourceMappingConfiguration) -> ConsumerState {
    match mapping.state.as_deref() {
        Some("Enabled") => ConsumerState::Active,
        Some("Disabled") => ConsumerState::Paused,
        _ => ConsumerState::Changing,
    }
}

/// Returns whether any mapping receives messages from the queue of that ARN.
pub(super) async fn state(access: &Access, arn: &str) -> Result<ConsumerState, StoreError> {
    let states: Vec<_> = all(access, arn).await?.iter().map(state_of).collect();
    let any = |state| states.contains(&state);
    Ok(match states.is_empty() {
        true => ConsumerState::Missing,
        false if any(ConsumerState::Changing) => ConsumerState::Changing,
        false if any(ConsumerState::Active) => ConsumerState::Active,
        false => ConsumerState::Paused,
    })
}

async fn all(access: &Access, arn: &str) -> Result<Vec<EventSourceMappingConfiguration>, StoreError> {
    let mut pages = access.lambda().await?.list_event_source_mappings().event_source_arn(arn).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| explain(&error, &format!("list the event source mappings of {arn}")))?;
        all.extend(page.event_source_mappings.unwrap_or_default());
    }
    Ok(all)
}

/// Switches all mappings of the queue of that name, and returns when Lambda reports the new state; `false` if there are
/// none.
pub(super) async fn switch(access: &Access, queue: &str, to: ConsumerState) -> Result<bool, StoreError> {
    let arn = access.arn(queue).await?;
    let mappings = all(access, &arn).await?;
    let until = Instant::now() + access.switch_limit;
    // Concurrently, since each switch takes time.
    let switches = mappings.into_iter().map(|mapping| switch_one(access, queue, mapping, to, until));
    let switched: Vec<()> = futures_util::future::join_all(switches).await.into_iter().collect::<Result<_, _>>()?;
    Ok(!switched.is_empty())
}

async fn switch_one(
    access: &Access,
    queue: &str,
    mut mapping: EventSourceMappingConfiguration,
    to: ConsumerState,
    until: Instant,
) -> Result<(), StoreError> {
    let enabled = to == ConsumerState::Active;
    let id = mapping.uuid.clone().unwrap_or_default();
    let mut asked = false;
    let mut pause = PAUSES.0;
    loop {
        let now = state_of(&mapping);
        if now == to {
            return Ok(());
        }
        // A mapping that is being changed accepts no other change.
        if now != ConsumerState::Changing && !asked {
            let update = access.lambda().await?.update_event_source_mapping().uuid(&id).enabled(enabled).send().await;
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
        let now = access.lambda().await?.get_event_source_mapping().uuid(&id).send().await;
        mapping.state = now.map_err(|error| explain(&error, &format!("read the event source mapping {id}")))?.state;
    }
}
