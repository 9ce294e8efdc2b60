"""Writes a SAM template as CloudFormation deploys it: functions translated, conditions decided, parameters filled in.

    python resolve.py TEMPLATE.yaml OUT.json [Parameter=value ...]
"""

import json
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

NO_VALUE = object()


class NoManagedPolicies:
    """Functions here have their own roles, so no managed policy is looked up."""

    def load(self):
        return {}


def translate(template):
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam deploy` uploads the folder and sets its location here.
            resource["Properties"]["CodeUri"] = "s3://code/function.zip"
    return transform(template, {}, NoManagedPolicies())


class Resolver:
    def __init__(self, template, given):
        self.conditions = template.get("Conditions", {})
        self.values = {}
        for name, about in template["Parameters"].items():
            value = given.pop(name, about["Default"])
            self.values[name] = int(value) if about["Type"] == "Number" else value
        if given:
            sys.exit(f"the template has no parameter {', '.join(sorted(given))}")

    def holds(self, condition):
        if isinstance(condition, str):
            return self.holds(self.conditions[condition])
        ((name, argument),) = condition.items()
        match name:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = (self.resolve(side) for side in argument)
                return left == right
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Or":
                return any(map(self.holds, argument))
        sys.exit(f"the condition {name} is unknown")

    def resolve(self, node):
        if isinstance(node, list):
            items = [self.resolve(item) for item in node]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        match node:
            case {"Fn::If": [condition, then, otherwise]}:
                return self.resolve(then if self.holds(condition) else otherwise)
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
            case {"Ref": name} if name in self.values:
                return self.values[name]
        fields = {name: self.resolve(value) for name, value in node.items()}
        return {name: value for name, value in fields.items() if value is not NO_VALUE}

    def resources(self, resources):
        there = {id: dict(one) for id, one in resources.items() if "Condition" not in one or self.holds(one["Condition"])}
        for one in there.values():
            one.pop("Condition", None)
        return self.resolve(there)


def main():
    source, out, *given = sys.argv[1:]
    with open(source) as file:
        template = yaml_parse(file.read())
    resolver = Resolver(template, dict(pair.split("=", 1) for pair in given))
    translated = translate(template)
    with open(out, "w") as file:
        json.dump({"Resources": resolver.resources(translated["Resources"])}, file, indent=1)


main()
