//! CloudFormation: the Query protocol, with answers in XML.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::Value;

use super::FakeDeployment;
use crate::testing::http::{Reply, reply, with_header};

pub(super) fn describe(outputs: &BTreeMap<String, String>, asked: &Value) -> Reply {
    let name = asked["StackName"].as_str().unwrap_or_default();
    if name != FakeDeployment::STACK {
        let message = format!("Stack with id {name} does not exist");
        return refused(StatusCode::BAD_REQUEST, "ValidationError", &message);
    }
    let output = |(name, value): (&String, &String)| {
        let value = value.replace('&', "&amp;").replace('<', "&lt;");
        format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>")
    };
    let outputs: String = outputs.iter().map(output).collect();
    let body = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><StackName>{name}</StackName><CreationTime>2026-11-23T12:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{outputs}</Outputs></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    );
    with_header(reply(StatusCode::OK, body), "content-type", "text/xml")
}

pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    with_header(reply(status, body), "content-type", "text/xml")
}
