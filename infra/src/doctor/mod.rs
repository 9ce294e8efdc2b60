//! What is wrong with a deployed stack: what is there, compared with what the definitions want.
//!
//! Reading and comparing are apart. [`Expected::examine`] reads through an [`StackReader`]; what it read is plain data, and
//! what follows from that is told without asking anybody.

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
    /// Compares a deployed stack with what is wanted. It only reads, and asks each function what code it runs, which runs
    /// no job. What the caller may not look at is a finding too.
    ///
    /// # Errors
    /// When there is no such stack, when it is another one's altogether, or when CloudFormation cannot be asked.
    pub async fn examine(&self, stack_reader: &StackReader, stack: &str) -> Result<Examination, StoreError> {
        let stack = stack_reader.stack(stack).await?;
        let resources = self.resources(&stack);
        check_is_ours(&stack, &resources)?;
        let deployed = Deployed::read(stack_reader, stack, &resources).await?;
        Ok(compare(self, &resources, &deployed))
    }
}

/// Refuses a stack that has nothing of the template: all of it would be missing there.
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
    fn a_stack_of_somebody_else_is_refused_in_one_sentence() {
        let mut stack = DeployedStack { name: "theirs".into(), ..DeployedStack::default() };
        let resources = crate::expected().unwrap().resources(&stack);
        assert!(check_is_ours(&stack, &resources).is_ok(), "one whose making has failed is examined");
        let resource = StackResource { kind: "AWS::SQS::Queue".into(), physical_id: "u".into(), status: "x".into() };
        stack.resources.insert("TheirQueue".into(), resource.clone());
        let refused = check_is_ours(&stack, &resources).unwrap_err().to_string();
        assert!(refused.contains("stack theirs has no resource of these definitions"), "{refused}");
        stack.resources.insert("WebhooksQueue".into(), resource);
        assert!(check_is_ours(&stack, &resources).is_ok());
    }
}
