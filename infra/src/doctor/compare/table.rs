//! The table of records.

use serde_json::Value;

use super::{Compare, Difference, Kind, REVERT, Resource, Severity, property::Property};

const ROWS: &[Property] = &[
    Property::error("/KeySchema", "no record can be read or written"),
    Property::error("/GlobalSecondaryIndexes", "jobs cannot be listed, and due jobs are not found"),
    Property::warning("/TimeToLiveSpecification", "records never expire: the table and its cost grow"),
    Property::warning("/PointInTimeRecoverySpecification", "deleted records cannot be restored"),
];

impl Compare<'_> {
    pub(super) fn table(&mut self, resource: &Resource, seen: &Value) {
        let name = self.id(&resource.id);
        if let Some(status) = seen["TableStatus"].as_str() {
            self.check(
                resource,
                (!matches!(status, "ACTIVE" | "UPDATING")).then(|| Difference {
                    kind: Kind::TableDrifted,
                    severity: Severity::Error,
                    found: format!("it is {status}"),
                    expected: "ACTIVE".into(),
                    breaks: "no record can be read or written".into(),
                    repair: format!(
                        "`aws dynamodb describe-table --table-name {name}` shows more; look again in a minute"
                    ),
                }),
            );
        }
        self.properties(resource, seen, Kind::TableDrifted, ROWS, |property, _| match property.at {
            "/TimeToLiveSpecification" => format!(
                "`aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification \
                 Enabled=true,AttributeName=ttl`"
            ),
            "/PointInTimeRecoverySpecification" => format!(
                "`aws dynamodb update-continuous-backups --table-name {name} --point-in-time-recovery-specification \
                 PointInTimeRecoveryEnabled=true`"
            ),
            _ => REVERT.into(),
        });
    }
}
