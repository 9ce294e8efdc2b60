//! CloudFormation: one stack and its outputs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::StatusCode;

use crate::{
    call::Call,
    endpoint::Service,
    http::{Reply, Request, refused, xml},
};

/// One stack.
#[derive(Debug, Default)]
pub struct CloudFormation(Mutex<BTreeMap<String, String>>);

impl CloudFormation {
    /// The stack's name.
    pub const STACK: &'static str = "shop";

    /// Sets an output of the stack, or removes it.
    pub fn set_output(&self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.outputs().insert(name.into(), value.into()),
            None => self.outputs().remove(name),
        };
    }

    /// Returns an output of the stack.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<String> {
        self.outputs().get(name).cloned()
    }

    fn outputs(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for CloudFormation {
    type Measure = ();

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let name = call.body["StackName"].as_str().unwrap_or_default();
        if call.action != "DescribeStacks" {
            let message = format!("the action {} is not valid here", call.action);
            return refused(&request, 400, "InvalidAction", &message);
        }
        if name != Self::STACK {
            return refused(&request, 400, "ValidationError", &format!("Stack with id {name} does not exist"));
        }
        let output = |(name, value): (&String, &String)| {
            let value = value.replace('&', "&amp;").replace('<', "&lt;");
            format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>")
        };
        let outputs: String = self.outputs().iter().map(output).collect();
        xml(
            StatusCode::OK,
            format!(
                "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
                 <DescribeStacksResult><Stacks><member><StackName>{name}</StackName>\
                 <CreationTime>2026-11-23T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
                 <Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
            ),
        )
    }
}
