"""Resolves a native ROS template: parameters, conditions, functions, resources, outputs.

Everything unknown is an error that lists what is known. Knows no s.yaml. `localyun.deploy.project` calls it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localyun.deploy.cycles import resolving
from localyun.deploy.declared import BadDeployment
from localyun.deploy.ros_types import TYPES

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class StackLocation:
    """The account, region and name of a stack; `file` is the template's name in messages."""

    account_id: str
    region: str
    stack: str
    file: str = "template.yml"


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack, with resolved properties. `needs`: the resources that must exist before it."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    needs: frozenset[str] = frozenset()
    is_retained: bool = False


class Stack:
    """A template with values for its parameters."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any], location: StackLocation) -> None:
        self._template = template
        self._location = location
        self._outer: list[str] = []  # what is being resolved
        self._functions: Mapping[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::And": lambda args, at: all(self._conditions(args, at)),
            "Fn::Or": lambda args, at: any(self._conditions(args, at)),
            "Fn::Not": self._not,
        }
        self._parameters = self._bind(parameters)

    def resources(self) -> list[StackResource]:
        """Return the resources whose condition is true, in the order of the template."""
        return [self._resource(logical_id) for logical_id in self._section("Resources") if self._exists(logical_id)]

    def in_order(self) -> list[StackResource]:
        """Return the resources so that each follows those that it needs; otherwise in the order of the template."""
        resources = {resource.logical_id: resource for resource in self.resources()}
        sorter = TopologicalSorter({name: sorted(resource.needs) for name, resource in resources.items()})
        try:
            return [resources[name] for name in sorter.static_order() if name in resources]
        except CycleError as error:
            raise self._bad("Resources", f"they need each other: {error.args[1]}", "remove a DependsOn") from error

    def outputs(self) -> dict[str, str]:
        """Return all outputs."""
        return {name: self.output(name) for name in self._section("Outputs")}

    def output(self, name: str) -> str:
        """Return one output."""
        declared = self._entry("Outputs", name, f"output {name}")
        return str(self._value(declared.get("Value"), f"Outputs.{name}"))

    def named(self, logical_id: str, kind: str) -> str:
        """Return a resource's name, or a parameter's value; raise `BadDeployment` for a resource of another type."""
        if logical_id in self._parameters:
            return str(self._parameters[logical_id])
        resource = self._entry("Resources", logical_id, "Metadata.clipstitch.attach")
        if resource.get("Type") != kind:
            raise self._bad(
                "Metadata.clipstitch.attach", f"{logical_id} is not of type {kind}", "use a logical id of that type"
            )
        return self._attribute(logical_id, next(iter(TYPES[kind])))

    def metadata(self) -> Mapping[str, Any]:
        """Return the template's metadata for clipstitch."""
        found = self._section("Metadata").get("clipstitch", {})
        return found if isinstance(found, Mapping) else {}

    def _bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all parameters; raise `BadDeployment` for unknown, missing and invalid values."""
        declared = self._section("Parameters")
        if unknown := sorted(set(given) - set(declared)):
            raise self._bad("Parameters", f"{', '.join(unknown)} is not declared", f"known: {', '.join(declared)}")
        values = {name: given.get(name, spec.get("Default")) for name, spec in declared.items()}
        for name, value in values.items():
            self._check(name, value, declared[name])
        return values

    def _check(self, name: str, value: Any, spec: Mapping[str, Any]) -> None:
        """Raise `BadDeployment` for a parameter value that ROS would reject."""
        at = f"Parameters.{name}"
        if value is None:
            raise self._bad(at, "has neither a value nor a Default", "pass it in s.yaml under `parameters`")
        remedy = _english(spec.get("ConstraintDescription")) or "choose another value"
        if (allowed := spec.get("AllowedValues")) and _comparable(value) not in map(_comparable, allowed):
            raise self._bad(at, f"{value!r} is not allowed; one of {allowed}", remedy)
        if (pattern := spec.get("AllowedPattern")) and not re.search(pattern, str(value)):
            raise self._bad(at, f"{value!r} does not match {pattern}", remedy)
        if spec.get("Type") == "Boolean" and _comparable(value).lower() not in ("true", "false"):
            raise self._bad(at, f"{value!r} is not a Boolean", "write true or false")
        if spec.get("Type") == "Number":
            self._check_number(at, value, spec, remedy)

    def _check_number(self, at: str, value: Any, spec: Mapping[str, Any], remedy: str) -> None:
        try:
            number = float(str(value))
        except ValueError:
            raise self._bad(at, f"{value!r} is not a number", remedy) from None
        least, most = spec.get("MinValue", number), spec.get("MaxValue", number)
        if not least <= number <= most:
            raise self._bad(at, f"{value!r} is not between {least} and {most}", remedy)

    def _resource(self, logical_id: str) -> StackResource:
        spec = self._entry("Resources", logical_id, "Resources")
        self._kind(logical_id, spec)
        properties = self._value(spec.get("Properties") or {}, f"Resources.{logical_id}")
        depends = spec.get("DependsOn") or []
        needs = {depends} if isinstance(depends, str) else set(depends)
        needs |= set(_references(spec.get("Properties") or {})) & set(self._section("Resources"))
        retained = spec.get("DeletionPolicy") == "Retain"
        return StackResource(logical_id, spec["Type"], properties, frozenset(needs), retained)

    def _kind(self, logical_id: str, spec: Mapping[str, Any]) -> Mapping[str, str]:
        if (kind := str(spec.get("Type"))) not in TYPES:
            raise self._bad(f"Resources.{logical_id}", f"type {kind} is unknown here", f"known: {', '.join(TYPES)}")
        return TYPES[kind]

    def _exists(self, logical_id: str) -> bool:
        condition = self._section("Resources")[logical_id].get("Condition")
        return condition is None or self._condition(condition, f"Resources.{logical_id}.Condition")

    def _attribute(self, logical_id: str, name: str) -> str:
        at = f"{logical_id}.{name}"
        attributes = self._kind(logical_id, self._section("Resources")[logical_id])
        if name not in attributes:
            raise self._bad(at, "there is no such attribute", f"known: {', '.join(attributes)}")
        with self._resolving(at):
            here = {"account": self._location.account_id, "region": self._location.region}
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
        """Ref: a parameter, a pseudo parameter, or the first attribute of a resource."""
        pseudo = {
            "ALIYUN::TenantId": self._location.account_id,
            "ALIYUN::AccountId": self._location.account_id,
            "ALIYUN::Region": self._location.region,
            "ALIYUN::StackName": self._location.stack,
        }
        if name in (values := {**self._parameters, **pseudo}):
            return values[name]
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
        """Fn::Sub: a string with ${name} and ${resource.attribute}, optionally with local names."""
        template, local = (args, {}) if isinstance(args, str) else args

        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if name in local:
                return str(self._value(local[name], at))
            logical_id, dot, attribute = name.partition(".")
            return self._get_att([logical_id, attribute], at) if dot else str(self._ref(name, at))

        return _VARIABLE.sub(replacement, template)

    def _join(self, args: Any, at: str) -> str:
        """Fn::Join: [separator, [parts]]."""
        separator, parts = self._value(args, at)
        return str(separator).join(str(part) for part in parts)

    def _if(self, args: Any, at: str) -> Any:
        """Fn::If: [condition, then, else]; only the selected branch is resolved."""
        condition, then, otherwise = args
        return self._value(then if self._condition(condition, at) else otherwise, at)

    def _equals(self, args: Any, at: str) -> bool:
        """Fn::Equals: [left, right]; true and "true" are equal, because parameters are strings."""
        left, right = (_comparable(value) for value in self._value(args, at))
        return left == right

    def _not(self, args: Any, at: str) -> bool:
        """Fn::Not: condition (ROS, "Fn::Not", 2026-09), or a list of one, as ROS's own classes write it."""
        conditions = args if isinstance(args, list) else [args]
        if len(conditions) != 1:
            raise self._bad(at, f"Fn::Not has {len(conditions)} conditions", "write one")
        return not self._condition(conditions[0], at)

    def _conditions(self, args: Any, at: str) -> Iterator[bool]:
        return (self._condition(arg, at) for arg in args)

    def _condition(self, node: Any, at: str) -> bool:
        """Evaluate a condition, which is a name or a function."""
        if isinstance(node, str):
            with self._resolving(f"Conditions.{node}"):
                return bool(self._value(self._entry("Conditions", node, at, scalar=True), f"Conditions.{node}"))
        return bool(self._value(node, at))

    def _resolving(self, what: str) -> AbstractContextManager[None]:
        return resolving(what, self._outer, lambda text: self._bad(what, text, "remove one of the references"))

    def _section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the template, empty if it is missing."""
        return self._template.get(name) or {}

    def _entry(self, section: str, name: Any, at: str, *, scalar: bool = False) -> Any:
        entries = self._section(section)
        if name not in entries:
            raise self._bad(at, f"there is no {name!r} in {section}", f"known: {', '.join(entries)}")
        return entries[name] if scalar else (entries[name] or {})

    def _bad(self, at: str, what: str, remedy: str) -> BadDeployment:
        """Return an error with the file, the place, the error and the remedy."""
        return BadDeployment(f"{self._location.file}: {at}: {what}; {remedy}")


def _references(node: Any) -> Iterator[str]:
    """Yield the names that a node of the template refers to, and some other strings."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("Ref", "Fn::GetAtt"):
                yield value if isinstance(value, str) else value[0]
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from (match[1].partition(".")[0] for match in _VARIABLE.finditer(text))
                yield from _references(value)
            else:
                yield from _references(value)


def _english(text: Any) -> str:
    """Return a description, in English if it has several languages."""
    return str(text.get("en", "")) if isinstance(text, Mapping) else str(text or "")


def _comparable(value: Any) -> str:
    """Return a scalar as ROS compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
