//! Extends the leases of running attempts, with the places that they have in limits.

use lamplighter::backend::{LeaseStatus, RenewRequest, StoreError};

use super::{Dynamo, Written, item::time, job_data::held};

impl Dynamo {
    pub(super) async fn renew_one(&self, request: &RenewRequest) -> Result<LeaseStatus, StoreError> {
        let (id, token) = (&request.id, request.token);
        let item = match self.update(id.as_str(), held(token).set("l", time(request.lease_until))).await? {
            Written::Applied(item) => item,
            Written::Refused(_) => return Ok(LeaseStatus::Lost),
        };
        for key in &request.limits {
            self.renew_place(key, id.as_str(), token.owner, request.lease_until).await?;
        }
        self.list_as_long(id, token, &item).await
    }
}
