//! Data that a running attempt reports.

use lamplighter::{
    JobId, JobState,
    backend::{JobData, LeaseStatus, StoreError, Token},
};

use super::{
    Dynamo, Written,
    expression::Update,
    item::{Item, json, number, text},
    keys::Class,
    listed,
};

impl Dynamo {
    /// Writes job data. An attempt that reports anything runs for a while, and is listed among long ones.
    pub(crate) async fn write_job_data(
        &self,
        id: &JobId,
        token: Token,
        data: JobData,
    ) -> Result<LeaseStatus, StoreError> {
        if !data.log.is_empty() {
            self.write_log(id, token.owner, &data.log).await?;
            if data.progress.is_none() && data.checkpoint.is_none() {
                return Ok(LeaseStatus::Held);
            }
        }
        let update = held(token)
            .set_some("p", data.progress.as_ref().and_then(json))
            .set_some("k", data.checkpoint.as_ref().map(|checkpoint| text(checkpoint.get())))
            // Something must be written: the number stays the same.
            .set("n", number(token.attempt));
        let item = match self.update(id.as_str(), update).await? {
            Written::Applied(item) => item,
            Written::Refused(_) => return Ok(LeaseStatus::Lost),
        };
        self.list_as_long(id, token, &item).await
    }

    pub(super) async fn list_as_long(&self, id: &JobId, token: Token, item: &Item) -> Result<LeaseStatus, StoreError> {
        let Some(listing_key) = item.listing_key() else { return Ok(LeaseStatus::Held) };
        if item.text("lpk") == Some(listing_key.partition(Class::Long).as_str()) {
            return Ok(LeaseStatus::Held);
        }
        match self.update(id.as_str(), listed(held(token), Some((&listing_key, Class::Long)))).await? {
            Written::Applied(_) => Ok(LeaseStatus::Held),
            Written::Refused(_) => Ok(LeaseStatus::Lost),
        }
    }
}

/// Adds the condition that the attempt holds its lease.
pub(super) fn held(token: Token) -> Update {
    Update::new()
        .when("#st = :running AND #n = :attempt AND #o = :owner")
        .name("st")
        .name("n")
        .name("o")
        .value("running", text(JobState::Running.as_str()))
        .value("attempt", number(token.attempt))
        .value("owner", number(token.owner))
}
