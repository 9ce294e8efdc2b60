//! Changes since a deployment, as CloudFormation's drift detection reports them.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudformation::types::{
    DifferenceType, StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus as Status,
};
use lamplighter::backend::StoreError;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{StackReader, Unreadable, parsed};
use crate::sdk::explain;

/// A resource's difference from the template that it was deployed from.
#[derive(Debug, Clone, PartialEq)]
pub enum Drift {
    /// It was deleted.
    Deleted,
    /// It was changed.
    Changed(Vec<DriftedProperty>),
}

/// A property that was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftedProperty {
    /// Its place, as a JSON pointer.
    pub at: String,
    /// Its current value.
    pub found: Value,
    /// Its deployed value.
    pub deployed: Value,
}

/// The maximum number of resources in one detection (AWS CloudFormation API Reference, DetectStackDrift).
const MOST: usize = 200;
/// The time limit of a detection. Its duration grows with the number of resources, up to several minutes for a whole
/// stack.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl StackReader {
    /// Lets CloudFormation compare resources, by their logical ids, with the template that their stack was deployed
    /// from, and returns those that differ. No deployment of the stack may be in progress, and the resources' types
    /// must support drift detection (AWS CloudFormation User Guide, "Resource type support").
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn drift(
        &self,
        stack: &str,
        resources: &[String],
    ) -> Result<(BTreeMap<String, Drift>, Vec<Unreadable>), StoreError> {
        let (mut drifts, mut unreadable) = (BTreeMap::new(), Vec::new());
        for resources in resources.chunks(MOST) {
            let (found, failed) = self.drift_of(stack, resources).await?;
            drifts.extend(found);
            unreadable.extend(failed);
        }
        Ok((drifts, unreadable))
    }

    async fn drift_of(
        &self,
        stack: &str,
        resources: &[String],
    ) -> Result<(BTreeMap<String, Drift>, Option<Unreadable>), StoreError> {
        let client = self.cloudformation().await?;
        let doing = format!("compare the stack {stack} with its template");
        let failed = |action, why| Ok((BTreeMap::new(), Some(Unreadable { action, why })));
        let asked = client.detect_stack_drift().stack_name(stack).set_logical_resource_ids(Some(resources.to_vec()));
        let detection = match asked.send().await {
            Ok(answer) => answer.stack_drift_detection_id.unwrap_or_default(),
            Err(error) => return failed("cloudformation:DetectStackDrift", explain(&error, &doing)),
        };
        let end = Instant::now() + LIMIT;
        let status = loop {
            let asked = client.describe_stack_drift_detection_status().stack_drift_detection_id(&detection);
            let action = "cloudformation:DescribeStackDriftDetectionStatus";
            match asked.send().await {
                Ok(status) if status.detection_status != Some(StackDriftDetectionStatus::DetectionInProgress) => {
                    break status;
                }
                Ok(_) if Instant::now() >= end => {
                    let text = format!("cannot {doing}: CloudFormation has not finished in {} s", LIMIT.as_secs());
                    return failed(action, StoreError::unavailable(text));
                }
                Ok(_) => sleep(LOOK_AGAIN).await,
                Err(error) => return failed(action, explain(&error, &doing)),
            }
        };
        let mut drifts = BTreeMap::new();
        let pages = client.describe_stack_resource_drifts().stack_name(stack);
        let pages = pages.stack_resource_drift_status_filters(Status::Modified);
        let mut pages = pages.stack_resource_drift_status_filters(Status::Deleted).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return failed("cloudformation:DescribeStackResourceDrifts", explain(&error, &doing));
                }
            };
            // CloudFormation keeps the results of earlier detections.
            let new = |one: &StackResourceDrift| one.timestamp >= status.timestamp;
            let all = page.stack_resource_drifts.unwrap_or_default().into_iter().filter(new);
            let ours = all.filter(|one| one.logical_resource_id.as_ref().is_some_and(|id| resources.contains(id)));
            drifts.extend(ours.filter_map(drift));
        }
        // The other resources have been compared all the same.
        let reason = status.detection_status_reason.filter(|reason| !reason.is_empty());
        let unreadable = reason.map(|reason| Unreadable {
            action: "cloudformation:DetectStackDrift",
            why: StoreError::unavailable(format!("cannot {doing}: {reason}")),
        });
        Ok((drifts, unreadable))
    }
}

fn drift(one: StackResourceDrift) -> Option<(String, Drift)> {
    let id = one.logical_resource_id?;
    if one.stack_resource_drift_status == Some(Status::Deleted) {
        return Some((id, Drift::Deleted));
    }
    // An added element of a list may be a default of the service (AWS CloudFormation User Guide, "Considerations when
    // detecting drift").
    let all = one.property_differences.unwrap_or_default().into_iter();
    let all = all.filter(|difference| difference.difference_type != Some(DifferenceType::Add));
    let all = all.map(|difference| DriftedProperty {
        at: difference.property_path.unwrap_or_default(),
        found: value(difference.actual_value),
        deployed: value(difference.expected_value),
    });
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then_some((id, Drift::Changed(all)))
}

fn value(text: Option<String>) -> Value {
    text.as_deref().map_or(Value::Null, parsed)
}
