//! Stacks of CloudFormation: their state, their resources, and their template.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::{error::ProvideErrorMetadata, types::TemplateStage};
use lamplighter::backend::{StoreError, StoreErrorKind};
use serde_json::Value;

use super::{StackReader, Unreadable};
use crate::sdk::explain;

/// A stack as CloudFormation describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeployedStack {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub id: String,
    /// Its state: `UPDATE_COMPLETE`.
    pub status: String,
    /// The reason for that state, if CloudFormation has one.
    pub reason: Option<String>,
    /// The parameters of its deployment. Hidden ones are asterisks.
    pub parameters: BTreeMap<String, String>,
    /// Its resources, by logical id.
    pub resources: BTreeMap<String, StackResource>,
}

/// A resource as CloudFormation describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Its type: `AWS::SQS::Queue`.
    pub kind: String,
    /// A queue's URL, most others' name; empty if it was never created.
    pub physical_id: String,
    /// Its state: `CREATE_COMPLETE`.
    pub status: String,
}

impl StackReader {
    /// Reads a stack and its resources.
    ///
    /// # Errors
    /// When there is no such stack, or when CloudFormation cannot be read.
    pub async fn stack(&self, name: &str) -> Result<DeployedStack, StoreError> {
        let client = self.cloudformation().await?;
        let described = client.describe_stacks().stack_name(name).send().await;
        let stack = match described {
            Ok(answer) => answer.stacks.unwrap_or_default().pop(),
            // CloudFormation has no error code of its own for it.
            Err(error) if error.message().is_some_and(|message| message.contains("does not exist")) => None,
            Err(error) => return Err(explain(&error, &format!("read the stack {name}"))),
        };
        let Some(stack) = stack else { return Err(self.no_stack(name).await) };
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let parameters =
            parameters.filter_map(|one| Some((one.parameter_key?, one.parameter_value.unwrap_or_default())));
        Ok(DeployedStack {
            name: stack.stack_name.unwrap_or_else(|| name.to_owned()),
            id: stack.stack_id.unwrap_or_default(),
            status: stack.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            reason: stack.stack_status_reason.filter(|reason| !reason.is_empty()),
            parameters: parameters.collect(),
            resources: self.resources(name).await?,
        })
    }

    async fn no_stack(&self, name: &str) -> StoreError {
        let region = self.0.sdk.config().await.ok().and_then(|config| config.region()).map(ToString::to_string);
        let region = region.as_deref().unwrap_or("this region");
        let text = format!(
            "there is no stack {name:?} in {region}; check the name, the region (AWS_REGION) and the account, or deploy \
             it first"
        );
        StoreError::new(StoreErrorKind::Invalid, text)
    }

    async fn resources(&self, name: &str) -> Result<BTreeMap<String, StackResource>, StoreError> {
        let mut all = BTreeMap::new();
        let mut pages = self.cloudformation().await?.list_stack_resources().stack_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &format!("list the resources of the stack {name}")))?;
            for one in page.stack_resource_summaries.unwrap_or_default() {
                let resource = StackResource {
                    kind: one.resource_type.unwrap_or_default(),
                    physical_id: one.physical_resource_id.unwrap_or_default(),
                    status: one.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
                };
                all.insert(one.logical_resource_id.unwrap_or_default(), resource);
            }
        }
        Ok(all)
    }

    /// The template of a stack, after its transforms; `None` if it is not JSON.
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn template(&self, stack: &str) -> Result<Result<Option<Value>, Unreadable>, StoreError> {
        let asked = self.cloudformation().await?.get_template().stack_name(stack);
        let answer = asked.template_stage(TemplateStage::Processed).send().await;
        Ok(match answer {
            Ok(answer) => Ok(answer.template_body.and_then(|body| serde_json::from_str(&body).ok())),
            Err(error) => {
                let why = explain(&error, &format!("read the template of the stack {stack}"));
                Err(Unreadable { action: "cloudformation:GetTemplate", why })
            }
        })
    }
}
