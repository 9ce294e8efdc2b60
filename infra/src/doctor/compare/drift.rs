//! Resources that doctor itself does not read: CloudFormation compares them with the template that the stack was
//! deployed from.

use lamplighter_aws::Drift;

use super::{Compare, Difference, Kind, REVERT, Resource, Severity, property::told};

/// The types of resources that are compared this way, and the consequence of a change. Drift detection supports them
/// (AWS CloudFormation User Guide, "Resource type support").
const TYPES: &[(&str, &str)] = &[
    ("AWS::CloudWatch::Alarm", "nobody is told when it goes wrong, or told too early or too late"),
    ("AWS::Logs::LogGroup", "logs are kept for another time than they should be, or are encrypted otherwise"),
    ("AWS::S3::Bucket", "objects are kept, shown or encrypted otherwise than they should be"),
];

/// Returns whether CloudFormation compares resources of a type.
pub(in crate::doctor) fn is_compared(kind: &str) -> bool {
    TYPES.iter().any(|(compared, _)| *compared == kind)
}

impl Compare<'_> {
    pub(super) fn drift(&mut self, resource: &Resource) {
        let Some((_, breaks)) = TYPES.iter().find(|(kind, _)| *kind == resource.kind) else { return };
        // A deleted resource has been reported as missing.
        let Some(drifts) = self.deployed.drifts.as_ref().filter(|_| self.is_there(resource)) else { return };
        let difference = drifts.get(&resource.id).and_then(|drift| match drift {
            Drift::Deleted => None,
            Drift::Changed(properties) => {
                let all = |values: Vec<String>| values.join(", ");
                Some(Difference {
                    kind: Kind::ResourceDrifted,
                    severity: Severity::Warning,
                    found: all(properties.iter().map(|one| told(&one.at, &one.found)).collect()),
                    expected: all(properties.iter().map(|one| told(&one.at, &one.deployed)).collect()),
                    breaks: (*breaks).into(),
                    repair: REVERT.into(),
                })
            }
        });
        self.check(resource, difference);
    }
}
