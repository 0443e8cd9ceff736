"""Reads a native ROS template: parameters, conditions, functions, resources, outputs.

Knows which resource types the local cloud has and what their attributes are; everything it does not know is an
error that lists what it knows. Knows nothing of s.yaml. Called by `localyun.deploy.project`.

Types and attributes: ROS GetResourceType and ros-cdk 1.15.0, read 2026-11.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from localyun.deploy.declared import BadDeployment

_MNS = "http://{account}.mns.{region}.aliyuncs.com"
# Type -> attribute -> value, spelled with the resource's own properties. The first is what Ref gives.
TYPES: Mapping[str, Mapping[str, str]] = {
    "ALIYUN::OSS::Bucket": {
        "Name": "{BucketName}",
        "DomainName": "{BucketName}.oss-{region}.aliyuncs.com",
        "InternalDomainName": "{BucketName}.oss-{region}-internal.aliyuncs.com",
        "Arn": "acs:oss:{region}:{account}:{BucketName}",
    },
    "ALIYUN::MNS::Topic": {
        "TopicName": "{TopicName}",
        "TopicUrl": _MNS + "/topics/{TopicName}",
        "ARN.WithSlash": "acs:mns:{region}:{account}:/topics/{TopicName}",
    },
    "ALIYUN::MNS::Queue": {
        "QueueName": "{QueueName}",
        "QueueUrl": _MNS + "/queues/{QueueName}",
        "ARN.WithSlash": "acs:mns:{region}:{account}:/queues/{QueueName}",
    },
    "ALIYUN::MNS::Subscription": {
        "SubscriptionName": "{SubscriptionName}",
        "TopicName": "{TopicName}",
        "SubscriptionUrl": _MNS + "/topics/{TopicName}/subscriptions/{SubscriptionName}",
    },
    "ALIYUN::IMM::Project2": {"ProjectName": "{ProjectName}"},
    "ALIYUN::RAM::Role": {
        "RoleName": "{RoleName}",
        "RoleId": "{RoleName}",
        "Arn": "acs:ram::{account}:role/{RoleName}",
    },
    "ALIYUN::SLS::Project": {"Name": "{Name}"},
    "ALIYUN::SLS::Logstore": {"LogstoreName": "{LogstoreName}", "ProjectName": "{ProjectName}"},
    "ALIYUN::SLS::Index": {},
    "ALIYUN::SLS::Alert": {},
    "ALIYUN::CMS::ResourceMetricRule": {"RuleId": "{RuleId}", "RuleName": "{RuleName}"},
    "ALIYUN::FC3::Function": {
        "FunctionName": "{FunctionName}",
        "FunctionId": "{FunctionName}",
        "ARN": "acs:fc:{region}:{account}:functions/{FunctionName}",
    },
    "ALIYUN::FC3::Trigger": {"TriggerName": "{TriggerName}", "FunctionName": "{FunctionName}"},
    "ALIYUN::FC3::AsyncInvokeConfig": {"FunctionName": "{FunctionName}"},
    "ALIYUN::FC3::FunctionInvoker": {},
}
_IN_TEXT = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Place:
    """Where a stack lives; `file` names the template in messages."""

    account_id: str
    region: str
    stack: str
    file: str = "template.yml"


@dataclass(frozen=True)
class StackResource:
    """One resource of a stack, its properties resolved."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]


class Stack:
    """A template with values for its parameters."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any], place: Place) -> None:
        self._template = template
        self._place = place
        self._resolving: list[str] = []
        self._functions: Mapping[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::And": lambda args, at: all(self._truths(args, at)),
            "Fn::Or": lambda args, at: any(self._truths(args, at)),
            "Fn::Not": self._not,
        }
        self._parameters = self._bind(parameters)

    def resources(self) -> list[StackResource]:
        """Return the resources whose condition holds, in the order of the template."""
        return [self._resource(logical_id) for logical_id in self._section("Resources") if self._exists(logical_id)]

    def outputs(self) -> dict[str, str]:
        """Return all outputs."""
        return {name: self.output(name) for name in self._section("Outputs")}

    def output(self, name: str) -> str:
        """Return one output."""
        declared = self._entry("Outputs", name, f"output {name}")
        return str(self._value(declared.get("Value"), f"Outputs.{name}"))

    def named(self, logical_id: str, kind: str) -> str:
        """Return the name of a resource that must be of one type, or the value of a parameter that names one."""
        if logical_id in self._parameters:
            return str(self._parameters[logical_id])
        resource = self._entry("Resources", logical_id, "Metadata.clipstitch.attach")
        if resource.get("Type") != kind:
            raise self._bad(
                "Metadata.clipstitch.attach", f"{logical_id} is no {kind}", "name a logical id of that type"
            )
        return self._attribute(logical_id, next(iter(TYPES[kind])))

    def metadata(self) -> Mapping[str, Any]:
        """Return what the template says to clipstitch beyond its resources."""
        found = self._section("Metadata").get("clipstitch", {})
        return found if isinstance(found, Mapping) else {}

    def _bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give every parameter its value; complain about those that are unknown, missing or not allowed."""
        declared = self._section("Parameters")
        if unknown := sorted(set(given) - set(declared)):
            raise self._bad("Parameters", f"{', '.join(unknown)} is not declared", f"known: {', '.join(declared)}")
        values = {name: given.get(name, spec.get("Default")) for name, spec in declared.items()}
        for name, value in values.items():
            self._check(name, value, declared[name])
        return values

    def _check(self, name: str, value: Any, spec: Mapping[str, Any]) -> None:
        """Refuse a parameter value that ROS would refuse."""
        at = f"Parameters.{name}"
        if value is None:
            raise self._bad(at, "has neither a value nor a Default", "pass it in s.yaml under `parameters`")
        remedy = _english(spec.get("ConstraintDescription")) or "choose another value"
        if (allowed := spec.get("AllowedValues")) and _plain(value) not in map(_plain, allowed):
            raise self._bad(at, f"{value!r} is not allowed; one of {allowed}", remedy)
        if (pattern := spec.get("AllowedPattern")) and not re.search(pattern, str(value)):
            raise self._bad(at, f"{value!r} does not match {pattern}", remedy)
        if spec.get("Type") == "Boolean" and _plain(value).lower() not in ("true", "false"):
            raise self._bad(at, f"{value!r} is no Boolean", "write true or false")
        if spec.get("Type") == "Number":
            self._check_number(at, value, spec, remedy)

    def _check_number(self, at: str, value: Any, spec: Mapping[str, Any], remedy: str) -> None:
        """Refuse what is no number, or lies outside of the bounds."""
        try:
            number = float(str(value))
        except ValueError:
            raise self._bad(at, f"{value!r} is no number", remedy) from None
        least, most = spec.get("MinValue", number), spec.get("MaxValue", number)
        if not least <= number <= most:
            raise self._bad(at, f"{value!r} is not between {least} and {most}", remedy)

    def _resource(self, logical_id: str) -> StackResource:
        """Resolve one resource."""
        spec = self._entry("Resources", logical_id, "Resources")
        self._kind(logical_id, spec)
        properties = self._value(spec.get("Properties") or {}, f"Resources.{logical_id}")
        return StackResource(logical_id, spec["Type"], properties)

    def _kind(self, logical_id: str, spec: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the attributes of a resource's type."""
        if (kind := str(spec.get("Type"))) not in TYPES:
            raise self._bad(f"Resources.{logical_id}", f"type {kind} is unknown here", f"known: {', '.join(TYPES)}")
        return TYPES[kind]

    def _exists(self, logical_id: str) -> bool:
        """Tell whether a resource's condition holds."""
        condition = self._section("Resources")[logical_id].get("Condition")
        return condition is None or self._truth(condition, f"Resources.{logical_id}.Condition")

    def _attribute(self, logical_id: str, name: str) -> str:
        """Return an attribute of a resource."""
        at = f"{logical_id}.{name}"
        attributes = self._kind(logical_id, self._section("Resources")[logical_id])
        if name not in attributes:
            raise self._bad(at, "there is no such attribute", f"known: {', '.join(attributes)}")
        with self._once(at):
            here = {"account": self._place.account_id, "region": self._place.region}
            properties = self._resource(logical_id).properties
        try:
            return attributes[name].format_map({**properties, **here})
        except KeyError as error:
            raise self._bad(f"Resources.{logical_id}", f"property {error} is missing", "add it") from error

    def _value(self, node: Any, at: str) -> Any:
        """Resolve a node of the template."""
        if isinstance(node, list):
            return [self._value(item, f"{at}[{index}]") for index, item in enumerate(node)]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1 and (name := next(iter(node))) and (name == "Ref" or str(name).startswith("Fn::")):
            if name not in self._functions:
                raise self._bad(at, f"{name} is unknown here", f"known: {', '.join(self._functions)}")
            return self._functions[name](node[name], at)
        return {key: self._value(item, f"{at}.{key}") for key, item in node.items()}

    def _ref(self, name: Any, at: str) -> Any:
        """Ref: a parameter, a pseudo parameter, or a resource's name."""
        pseudo = {
            "ALIYUN::TenantId": self._place.account_id,
            "ALIYUN::AccountId": self._place.account_id,
            "ALIYUN::Region": self._place.region,
            "ALIYUN::StackName": self._place.stack,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._parameters:
            return self._parameters[name]
        if name in self._section("Resources"):
            kind = self._kind(name, self._section("Resources")[name])
            return self._attribute(name, next(iter(kind), ""))
        known = [*self._parameters, *self._section("Resources"), *pseudo]
        raise self._bad(at, f"{name!r} is neither a parameter nor a resource", f"known: {', '.join(known)}")

    def _get_att(self, args: Any, at: str) -> str:
        """Fn::GetAtt: [resource, attribute]."""
        logical_id, attribute = args
        self._entry("Resources", logical_id, at)
        return self._attribute(logical_id, attribute)

    def _sub(self, args: Any, at: str) -> str:
        """Fn::Sub: text with ${name} and ${resource.attribute}, perhaps with names of its own."""
        text, own = (args, {}) if isinstance(args, str) else args

        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(self._value(own[name], at))
            logical_id, dot, attribute = name.partition(".")
            return self._get_att([logical_id, attribute], at) if dot else str(self._ref(name, at))

        return _IN_TEXT.sub(replaced, text)

    def _join(self, args: Any, at: str) -> str:
        """Fn::Join: [separator, [parts]]."""
        separator, parts = self._value(args, at)
        return str(separator).join(str(part) for part in parts)

    def _if(self, args: Any, at: str) -> Any:
        """Fn::If: [condition, then, else]; only the chosen branch is looked at."""
        condition, then, otherwise = args
        return self._value(then if self._truth(condition, at) else otherwise, at)

    def _equals(self, args: Any, at: str) -> bool:
        """Fn::Equals: [left, right]; true and "true" are equal, as parameters come as text."""
        left, right = (_plain(value) for value in self._value(args, at))
        return left == right

    def _not(self, args: Any, at: str) -> bool:
        """Fn::Not: condition (ROS, "Fn::Not", 2026-09); ROS's own classes write it as a list of one."""
        conditions = args if isinstance(args, list) else [args]
        if len(conditions) != 1:
            raise self._bad(at, f"Fn::Not has {len(conditions)} conditions", "write one")
        return not self._truth(conditions[0], at)

    def _truths(self, args: Any, at: str) -> Iterator[bool]:
        """Evaluate a list of conditions."""
        return (self._truth(arg, at) for arg in args)

    def _truth(self, node: Any, at: str) -> bool:
        """Evaluate a condition: a name, or a function."""
        if isinstance(node, str):
            with self._once(f"Conditions.{node}"):
                return bool(self._value(self._entry("Conditions", node, at, plain=True), f"Conditions.{node}"))
        return bool(self._value(node, at))

    @contextmanager
    def _once(self, what: str) -> Iterator[None]:
        """Stop where something is defined by itself."""
        if what in self._resolving:
            raise self._bad(what, f"goes in a circle: {' -> '.join([*self._resolving, what])}", "break it")
        self._resolving.append(what)
        try:
            yield
        finally:
            self._resolving.pop()

    def _section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the template; one that is absent is empty."""
        return self._template.get(name) or {}

    def _entry(self, section: str, name: Any, at: str, *, plain: bool = False) -> Any:
        """Return an entry of a section."""
        entries = self._section(section)
        if name not in entries:
            raise self._bad(at, f"there is no {name!r} in {section}", f"known: {', '.join(entries)}")
        return entries[name] if plain else (entries[name] or {})

    def _bad(self, at: str, what: str, remedy: str) -> BadDeployment:
        """Make an error that names the place."""
        return BadDeployment(f"{self._place.file}: {at}: {what}; {remedy}")


def _english(text: Any) -> str:
    """Return a text that may be given in several languages."""
    return str(text.get("en", "")) if isinstance(text, Mapping) else str(text or "")


def _plain(value: Any) -> str:
    """Spell a scalar as ROS compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
