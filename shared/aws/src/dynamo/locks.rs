//! Locks that one job at a time may hold: an item for each held key, with its own lease.
//!
//! A lock is taken before the job is claimed and released after the job is settled: so a running job always has it, and
//! a crash in between leaves it taken for no longer than the lease.

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::ReturnValuesOnConditionCheckFailure};
use lamplighter::{
    JobState, Timestamp,
    backend::{Claim, ClaimRequest, Lock, OnBusy, StoreError},
};

use super::{
    Dynamo,
    claim::{Answer, Claimed, foreign},
    item::{Item, number, text, time},
    keys::RECORD,
};
use crate::sdk::explain;

/// How soon a job that waits for a lock tries again: the other job may end at any time.
const TRY_AGAIN: std::time::Duration = std::time::Duration::from_secs(15);

/// The longest time for releasing a lock.
const RELEASE_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether a lock was taken.
enum Taken {
    Ours,
    /// Another job, or another attempt of this one, holds it until then.
    Held {
        by: String,
        until: Timestamp,
    },
}

fn lock_key(key: &str) -> String {
    format!("LOCK#{key}")
}

impl Dynamo {
    /// Claims a job that needs a lock.
    pub(super) async fn claim_with_lock(&self, request: &ClaimRequest, lock: &Lock) -> Result<Claimed, StoreError> {
        let (by, until) = match self.take(request, lock, None).await? {
            Taken::Ours => return self.claim_holding(request, lock).await,
            Taken::Held { by, until } => (by, until),
        };
        if by == request.id.as_str() {
            // Its own attempt still runs, which the claim shows; or it ended without releasing, and the next one takes
            // over.
            let claimed = self.claim_job(request).await?;
            if matches!(claimed.claim, Claim::Run { .. }) {
                self.take(request, lock, Some(&by)).await?;
            }
            return Ok(claimed);
        }
        let now = self.env().now();
        let begun = match self.read_item(request.id.as_str()).await? {
            Some(item) if foreign(&item, request).is_some() => {
                return Ok(Claimed::alone(Claim::Foreign(item.owner_job())));
            }
            Some(item) if item.state().is_final() => return Ok(Claimed::of(Claim::Ended(item.state()), &item)),
            Some(item) if item.state() == JobState::Running && item.lease_until() > now => {
                return Ok(Claimed::alone(Claim::Busy(item.lease_until())));
            }
            Some(item) => !item.has_not_begun(),
            None => false,
        };
        match &lock.on_busy {
            OnBusy::Cancel { reason } if !begun => self.cancel_unbegun(request, reason, Answer::Skipped).await,
            _ => {
                let again = until.min(now.saturating_add(TRY_AGAIN).unwrap_or(until));
                Ok(Claimed::alone(Claim::Locked(again)))
            }
        }
    }

    /// Claims the job while holding the lock, which is kept only if the job runs.
    async fn claim_holding(&self, request: &ClaimRequest, lock: &Lock) -> Result<Claimed, StoreError> {
        let claimed = self.claim_job(request).await;
        if !matches!(claimed, Ok(Claimed { claim: Claim::Run { .. }, .. })) {
            self.release_lock(&lock.key, request.owner).await;
        }
        claimed
    }

    /// Takes a lock that is free, or that `from` holds.
    async fn take(&self, request: &ClaimRequest, lock: &Lock, from: Option<&str>) -> Result<Taken, StoreError> {
        let call = self.client().await?.update_item().table_name(self.table());
        let call = call.key("pk", text(lock_key(&lock.key))).key("sk", text(RECORD));
        let sent = call
            .update_expression("SET #o = :owner, #l = :until, #j = :id, #ttl = :ttl")
            .condition_expression("attribute_not_exists(pk) OR #l <= :now OR #o = :owner OR #j = :from")
            .expression_attribute_names("#o", "o")
            .expression_attribute_names("#l", "l")
            .expression_attribute_names("#j", "j")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":owner", number(request.owner))
            .expression_attribute_values(":until", time(request.lease_until))
            .expression_attribute_values(":id", text(request.id.as_str()))
            .expression_attribute_values(":from", text(from.unwrap_or("#")))
            .expression_attribute_values(":now", time(self.env().now()))
            .expression_attribute_values(":ttl", super::expiry(request.lease_until, std::time::Duration::ZERO))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Taken::Ours),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let held = Item(refused.item.clone().unwrap_or_default());
                    let by = held.job().to_owned();
                    Ok(Taken::Held { by, until: held.lease_until() })
                }
                _ => Err(explain(&error, &format!("take {:?} in table {}", lock.key, self.table()))),
            },
        }
    }

    /// Extends a lock, if that owner holds it.
    pub(super) async fn renew_lock(&self, key: &str, owner: u64, until: Timestamp) -> Result<(), StoreError> {
        let call = self.client().await?.update_item().table_name(self.table());
        let call = call.key("pk", text(lock_key(key))).key("sk", text(RECORD));
        let sent = call
            .update_expression("SET #l = :until, #ttl = :ttl")
            .condition_expression("#o = :owner")
            .expression_attribute_names("#o", "o")
            .expression_attribute_names("#l", "l")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":owner", number(owner))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":ttl", super::expiry(until, std::time::Duration::ZERO))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Another job holds it: this one was silent for longer than its lease, and has just renewed it.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                tracing::warn!(key, "the lock is held by another job, since this one did not renew it in time");
                Ok(())
            }
            Err(error) => Err(explain(&error, &format!("extend {key:?} in table {}", self.table()))),
        }
    }

    /// Releases a lock, if that owner holds it. If that takes too long, the lock ends with its lease: writes that are
    /// done already are not delayed by it.
    pub(super) async fn release_lock(&self, key: &str, owner: u64) {
        if tokio::time::timeout(RELEASE_LIMIT, self.delete_lock(key, owner)).await.is_err() {
            tracing::warn!(key, "the lock stays held until its lease ends: the table did not answer");
        }
    }

    async fn delete_lock(&self, key: &str, owner: u64) {
        let delete = async {
            let delete = self.client().await?.delete_item().table_name(self.table());
            let delete = delete.key("pk", text(lock_key(key))).key("sk", text(RECORD));
            let delete = delete
                .condition_expression("#o = :owner")
                .expression_attribute_names("#o", "o")
                .expression_attribute_values(":owner", number(owner));
            match delete.send().await {
                Ok(_) => Ok(()),
                Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                    Ok(())
                }
                Err(error) => Err(explain(&error, &format!("release {key:?} in table {}", self.table()))),
            }
        };
        if let Err(error) = delete.await {
            tracing::warn!(key, %error, "the lock stays held until its lease ends");
        }
    }
}
