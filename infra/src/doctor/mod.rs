//! The doctor: compares a deployed stack with the definitions.
//!
//! Reading and comparing are separate. [`Expected::examine`] reads through a [`StackReader`]; the result is plain data,
//! which is compared without any further call.

mod compare;
mod deployed;
mod expected;
mod finding;
mod policy;
mod resolve;

use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_aws::{DeployedStack, StackReader};

use self::{compare::compare, deployed::Deployed, expected::Resource};
pub use self::{
    expected::Expected,
    finding::{Examination, Finding, Kind, Severity},
};

impl Expected {
    /// Compares a deployed stack with the expected one. It only reads, and asks each function for the version of its
    /// code, which runs no job. A resource that the caller may not read is a finding too.
    ///
    /// # Errors
    /// When the stack does not exist, when it was not deployed from these definitions at all, or when CloudFormation
    /// cannot be called.
    pub async fn examine(&self, stack_reader: &StackReader, stack: &str) -> Result<Examination, StoreError> {
        let stack = stack_reader.stack(stack).await?;
        let resources = self.resources(&stack);
        check_is_ours(&stack, &resources)?;
        let deployed = Deployed::read(stack_reader, stack, &resources).await?;
        Ok(compare(self, &resources, &deployed))
    }
}

/// Refuses a stack without any resource of the template: every resource would be reported as missing.
fn check_is_ours(stack: &DeployedStack, resources: &[Resource]) -> Result<(), StoreError> {
    if stack.resources.is_empty() || resources.iter().any(|resource| stack.resources.contains_key(&resource.id)) {
        return Ok(());
    }
    let text = format!(
        "the stack {} has no resource of these definitions: it was not deployed from the template that `lamp infra` writes; \
         name another stack",
        stack.name
    );
    Err(StoreError::new(StoreErrorKind::Invalid, text))
}

#[cfg(test)]
mod tests {
    use lamplighter_aws::StackResource;

    use super::*;

    #[test]
    fn a_stack_of_another_app_is_refused() {
        let mut stack = DeployedStack { name: "theirs".into(), ..DeployedStack::default() };
        let resources = crate::expected(&crate::test_app::shop()).unwrap().resources(&stack);
        assert!(check_is_ours(&stack, &resources).is_ok(), "a stack whose creation failed is examined");
        let resource = StackResource { kind: "AWS::SQS::Queue".into(), physical_id: "u".into(), status: "x".into() };
        stack.resources.insert("TheirQueue".into(), resource.clone());
        let refused = check_is_ours(&stack, &resources).unwrap_err().to_string();
        assert!(refused.contains("stack theirs has no resource of these definitions"), "{refused}");
        stack.resources.insert("MailsQueue".into(), resource);
        assert!(check_is_ours(&stack, &resources).is_ok());
    }
}
