//! Resolves a template's functions (`Ref`, `GetAtt`, `Sub`, `If`) for a deployed stack.

use lamplighter_aws::{DeployedStack, dns_suffix};
use serde_json::{Map, Value};

/// A placeholder for a value that cannot be resolved: no text of a template contains it.
const UNKNOWN: &str = "\0";

/// Resolves a template's values for a deployed stack.
pub(super) struct Resolver<'a> {
    template: &'a Value,
    stack: &'a DeployedStack,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Value, stack: &'a DeployedStack) -> Self {
        Self { template, stack }
    }

    /// Returns the value; `None` for `AWS::NoValue`. A value that cannot be resolved is not [known](is_known).
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(fields) => match fields.iter().next() {
                Some((name, argument)) if fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.call(name, argument)
                }
                _ => {
                    let fields = fields.iter().filter_map(|(name, value)| Some((name.clone(), self.value(value)?)));
                    Some(Value::Object(fields.collect::<Map<_, _>>()))
                }
            },
            other => Some(other.clone()),
        }
    }

    /// Returns whether a resource's condition holds.
    pub(super) fn is_made(&self, resource: &Value) -> bool {
        resource["Condition"].as_str().is_none_or(|condition| self.holds(&self.template["Conditions"][condition]))
    }

    fn call(&self, name: &str, argument: &Value) -> Option<Value> {
        let text = match (name, argument) {
            ("Ref", Value::String(id)) if id == "AWS::NoValue" => return None,
            ("Ref", Value::String(id)) => self.reference(id),
            ("Fn::GetAtt", Value::Array(path)) => match (path.first(), path.get(1)) {
                (Some(Value::String(id)), Some(Value::String(attribute))) if attribute == "Arn" => self.arn(id),
                _ => None,
            },
            ("Fn::Sub", Value::String(text)) => self.sub(text, &Value::Null),
            ("Fn::Sub", Value::Array(both)) => {
                both.first().and_then(Value::as_str).and_then(|text| self.sub(text, both.get(1)?))
            }
            ("Fn::Split", Value::Array(parts)) => {
                let separator = parts.first().and_then(Value::as_str).unwrap_or_default();
                match parts.get(1).and_then(|whole| self.text(whole)) {
                    Some(whole) => return Some(whole.split(separator).map(Value::from).collect()),
                    None => None,
                }
            }
            ("Fn::If", Value::Array(parts)) => {
                let condition = parts.first().and_then(Value::as_str).unwrap_or_default();
                let chosen = if self.holds(&self.template["Conditions"][condition]) { 1 } else { 2 };
                return self.value(parts.get(chosen)?);
            }
            _ => None,
        };
        Some(text.map_or_else(unknown, Value::String))
    }

    fn holds(&self, condition: &Value) -> bool {
        if let Some([one]) = condition["Fn::Not"].as_array().map(Vec::as_slice) {
            return !self.holds(one);
        }
        if let Some(all) = condition["Fn::And"].as_array() {
            return all.iter().all(|one| self.holds(one));
        }
        match condition["Fn::Equals"].as_array().map(Vec::as_slice) {
            Some([a, b]) => self.value(a) == self.value(b),
            _ => false,
        }
    }

    /// Resolves text with `${…}` in it; `None` if one of them cannot be resolved.
    fn sub(&self, text: &str, own: &Value) -> Option<String> {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            resolved.push_str(before);
            let value = match (own.get(name), name.split_once('.')) {
                (Some(own), _) => self.value(own)?.as_str().map(ToOwned::to_owned),
                (None, Some((id, "Arn"))) => self.arn(id),
                (None, Some(_)) => None,
                (None, None) => self.reference(name),
            };
            resolved.push_str(&value.filter(|value| value != UNKNOWN)?);
            rest = after;
        }
        resolved.push_str(rest);
        Some(resolved)
    }

    /// Returns the value of a `Ref`: a parameter's value, a pseudo parameter, or a resource's physical id.
    fn reference(&self, id: &str) -> Option<String> {
        let part = |index: usize| self.stack.id.split(':').nth(index).map(ToOwned::to_owned);
        match id {
            "AWS::StackName" => return Some(self.stack.name.clone()),
            "AWS::StackId" => return Some(self.stack.id.clone()),
            "AWS::Partition" => return part(1),
            "AWS::Region" => return part(3),
            "AWS::AccountId" => return part(4),
            "AWS::URLSuffix" => return part(1).map(|name| dns_suffix(&name).into()),
            _ => {}
        }
        let parameter = &self.template["Parameters"][id];
        if parameter.is_object() {
            // CloudFormation returns asterisks instead of these values.
            if parameter["NoEcho"] == true {
                return None;
            }
            let default = match &parameter["Default"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            return Some(self.stack.parameters.get(id).cloned().unwrap_or(default));
        }
        let physical = self.stack.resources.get(id).map(|resource| resource.physical_id.clone());
        physical.filter(|id| !id.is_empty()).or_else(|| self.given_name(id))
    }

    /// Returns the name that the template itself sets for a resource. A queue's id is its URL, so its name is not
    /// enough.
    fn given_name(&self, id: &str) -> Option<String> {
        let properties = &self.template["Resources"][id]["Properties"];
        let name = ["FunctionName", "Name", "LogGroupName"].into_iter().find(|name| !properties[*name].is_null())?;
        self.text(&properties[name])
    }

    fn text(&self, value: &Value) -> Option<String> {
        self.value(value)?.as_str().map(ToOwned::to_owned).filter(|text| text != UNKNOWN)
    }

    /// Returns a resource's ARN, even if the resource does not exist.
    pub(super) fn arn(&self, id: &str) -> Option<String> {
        let resource = &self.template["Resources"][id];
        let properties = &resource["Properties"];
        let at = |service: &str, rest: String| {
            let part = |index: usize| self.stack.id.split(':').nth(index);
            Some(format!("arn:{}:{service}:{}:{}:{rest}", part(1)?, part(3)?, part(4)?))
        };
        let everywhere = |service: &str, account: bool, rest: String| {
            let part = |index: usize| self.stack.id.split(':').nth(index);
            Some(format!("arn:{}:{service}::{}:{rest}", part(1)?, if account { part(4)? } else { "" }))
        };
        match resource["Type"].as_str()? {
            "AWS::SQS::Queue" => at("sqs", self.text(&properties["QueueName"])?),
            "AWS::Serverless::Function" => at("lambda", format!("function:{}", self.reference(id)?)),
            "AWS::Events::Rule" => at("events", format!("rule/{}", self.text(&properties["Name"])?)),
            "AWS::Events::EventBus" => at("events", format!("event-bus/{}", self.reference(id)?)),
            "AWS::DynamoDB::Table" => at("dynamodb", format!("table/{}", self.reference(id)?)),
            "AWS::Logs::LogGroup" => at("logs", format!("log-group:{}:*", self.reference(id)?)),
            "AWS::IAM::Role" => everywhere("iam", true, format!("role/{}", self.reference(id)?)),
            "AWS::S3::Bucket" => everywhere("s3", false, self.reference(id)?),
            _ => None,
        }
    }
}

fn unknown() -> Value {
    UNKNOWN.into()
}

/// Returns whether all parts of a value could be resolved.
pub(super) fn is_known(value: &Value) -> bool {
    match value {
        Value::String(text) => text != UNKNOWN,
        Value::Array(items) => items.iter().all(is_known),
        Value::Object(fields) => fields.values().all(is_known),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use lamplighter_aws::StackResource;
    use serde_json::json;

    use super::*;

    fn resolved(value: Value) -> Option<Value> {
        let template = json!({
            "Parameters": {
                "Key": {"Default": ""}, "Days": {"Default": 30}, "Secret": {"NoEcho": true, "Default": ""},
            },
            "Conditions": {
                "HasKey": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Key"}, ""]}]},
                "HasNone": {"Fn::Equals": [{"Ref": "Key"}, ""]},
            },
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-work"}}},
                "Jobs": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
                "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
                "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/x"}},
            },
        });
        let resource = |kind: &str, id: &str| StackResource {
            kind: kind.into(),
            physical_id: id.into(),
            status: "CREATE_COMPLETE".into(),
        };
        let stack = DeployedStack {
            name: "shop".into(),
            id: "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1".into(),
            parameters: [("Days".to_owned(), "7".to_owned())].into(),
            resources: [("Jobs".to_owned(), resource("AWS::DynamoDB::Table", "shop-Jobs-1"))].into(),
            ..DeployedStack::default()
        };
        Resolver::new(&template, &stack).value(&value)
    }

    #[test]
    fn functions_resolve_to_the_stacks_values() {
        for (value, expected) in [
            (json!({"Ref": "Days"}), json!("7")),
            (json!({"Ref": "Jobs"}), json!("shop-Jobs-1")),
            (json!({"Ref": "Logs"}), json!("/aws/x")),
            (json!({"Fn::GetAtt": ["Queue", "Arn"]}), json!("arn:aws:sqs:eu-west-1:123456789012:shop-work")),
            (
                json!({"Fn::Sub": "${Jobs.Arn}/index/due"}),
                json!("arn:aws:dynamodb:eu-west-1:123456789012:table/shop-Jobs-1/index/due"),
            ),
            (
                json!({"Fn::Sub": ["s3://${Bucket}", {"Bucket": {"Fn::If": ["HasNone", "one", "two"]}}]}),
                json!("s3://one"),
            ),
            (json!([{"Fn::If": ["HasKey", 1, {"Ref": "AWS::NoValue"}]}, {"a": {"Ref": "AWS::NoValue"}}]), json!([{}])),
            (json!({"Fn::Sub": "sqs.${AWS::Region}.${AWS::URLSuffix}"}), json!("sqs.eu-west-1.amazonaws.com")),
            (json!({"Fn::Split": [",", {"Fn::Sub": "a,${Jobs}"}]}), json!(["a", "shop-Jobs-1"])),
            (json!({"Fn::GetAtt": ["Logs", "Arn"]}), json!("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/x:*")),
        ] {
            assert_eq!(resolved(value.clone()), Some(expected), "{value}");
        }
        assert_eq!(resolved(json!({"Ref": "AWS::NoValue"})), None);
    }

    #[test]
    fn unresolvable_values_are_unknown() {
        for value in [
            json!({"Ref": "Secret"}),
            json!({"Ref": "Queue"}),
            json!({"Fn::Sub": "a${Role}"}),
            json!({"Fn::GetAtt": ["Role", "Arn"]}),
            json!([{"Fn::Join": ["", []]}]),
            json!({"Fn::Split": [",", {"Ref": "Secret"}]}),
        ] {
            assert!(!is_known(&resolved(value.clone()).unwrap()), "{value}");
        }
    }
}
