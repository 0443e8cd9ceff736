"""Resolves s.yaml of Serverless Devs: resources, inheritance, references.

Knows the file format (edition 3.0.0) and the forms of `${...}`, no properties. An unknown form is an error that lists
the known forms. `localyun.deploy.project` calls it.

Source: Serverless-Devs/Serverless-Devs, docs/zh/yaml.md, variables.md, extend.md, read 2026-11.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from localyun.deploy.cycles import resolving
from localyun.deploy.declared import BadDeployment

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_PATH = r"((?:\.[\w-]+)+)"
KNOWN_FORMS = (
    "${env('NAME')}, ${env('NAME', 'default')}, ${vars.NAME}, ${this.NAME}, "
    "${resources.NAME.props.NAME}, ${resources.NAME.output.NAME}"
)


def load_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raise `BadDeployment` for anything else."""
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise BadDeployment(f"{file}: cannot be read ({error.strerror}); is this the project's directory?") from error
    except yaml.YAMLError as error:
        raise BadDeployment(f"{file.name}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise BadDeployment(f"{file.name}: must be a mapping, not {type(document).__name__}")
    return document


class ServerlessFile:
    """An s.yaml whose references are resolved on demand.

    `output(resource, name)` returns an output of a deployed resource; it is called only for outputs that are used.
    """

    def __init__(self, document: Mapping[str, Any], env: Mapping[str, str], output: Callable[[str, str], str]) -> None:
        self._document = document
        self._env = env
        self._output = output
        self._outer: list[str] = []  # what is being resolved
        self._forms: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], Any]], ...] = (
            (re.compile(r"""env\(\s*['"]([^'"]*)['"]\s*(?:,\s*['"]([^'"]*)['"]\s*)?\)"""), self._env_form),
            (re.compile("vars" + _PATH), self._vars_form),
            (re.compile("this" + _PATH), self._this_form),
            (re.compile(r"resources\.([\w-]+)\.output\.([\w-]+)"), self._output_form),
            (re.compile(r"resources\.([\w-]+)\.props" + _PATH), self._props_form),
        )

    def names(self) -> list[str]:
        """Return the names of the resources, in the order of the file."""
        return list(self._document.get("resources") or {})

    def component(self, name: str) -> str:
        """Return a resource's component without its version."""
        return str(self._resource(name).get("component", "")).partition("@")[0]

    def props(self, name: str) -> dict[str, Any]:
        """Return a resource's resolved properties, including inherited ones; raise `BadDeployment` for errors."""
        props = self._value(self._merged(name), name, f"resources.{name}.props")
        assert isinstance(props, dict)
        return props

    def _resource(self, name: str) -> Mapping[str, Any]:
        resources = self._document.get("resources") or {}
        if name not in resources:
            raise BadDeployment(f"s.yaml: there is no resource {name!r}; known: {', '.join(resources)}")
        found = resources[name]
        return found if isinstance(found, Mapping) else {}

    def _merged(self, name: str) -> dict[str, Any]:
        """Return the properties of the extended template, overridden by the resource's own."""
        own, extend = self._resource(name).get("props") or {}, self._resource(name).get("extend")
        if not extend:
            return dict(own)
        templates = self._document.get("template") or {}
        if extend.get("name") not in templates:
            known = ", ".join(templates) or "none"
            raise BadDeployment(f"s.yaml: resources.{name}.extend: no template {extend.get('name')!r}; known: {known}")
        ignored = set(extend.get("ignore") or ())
        base = {key: value for key, value in templates[extend["name"]].items() if key not in ignored}
        return merge(base, own)

    def _value(self, node: Any, name: str, at: str) -> Any:
        """Resolve a node that belongs to the resource `name`."""
        if isinstance(node, Mapping):
            return {key: self._value(item, name, f"{at}.{key}") for key, item in node.items()}
        if isinstance(node, list):
            return [self._value(item, name, f"{at}[{index}]") for index, item in enumerate(node)]
        return self._string(node, name, at) if isinstance(node, str) else node

    def _string(self, text: str, name: str, at: str) -> Any:
        """Resolve the references in a string; the value of a single reference keeps its type."""
        if whole := _REFERENCE.fullmatch(text.strip()):
            return self._reference(whole[1].strip(), name, at)
        return _REFERENCE.sub(lambda match: str(self._reference(match[1].strip(), name, at)), text)

    def _reference(self, expression: str, name: str, at: str) -> Any:
        for form, resolve in self._forms:
            if match := form.fullmatch(expression):
                what = f"{name}: {expression}"
                with resolving(what, self._outer, lambda text: BadDeployment(f"s.yaml: {at}: {text}")):
                    return resolve(match, name)
        raise BadDeployment(f"s.yaml: {at}: ${{{expression}}} is unknown here; known forms: {KNOWN_FORMS}")

    def _env_form(self, match: re.Match[str], _name: str) -> str:
        value = self._env.get(match[1], match[2])
        if value is None:
            raise BadDeployment(f"s.yaml: the environment variable {match[1]} is needed and not set; set it")
        return value

    def _vars_form(self, match: re.Match[str], name: str) -> Any:
        return self._value(_walk(self._document.get("vars") or {}, match[1], "vars"), name, "vars" + match[1])

    def _this_form(self, match: re.Match[str], name: str) -> Any:
        if match[1] == ".name":
            return name
        own = {**self._resource(name), "props": self._merged(name)}
        return self._value(_walk(own, match[1], "this"), name, "this" + match[1])

    def _props_form(self, match: re.Match[str], _name: str) -> Any:
        at = f"resources.{match[1]}.props"
        return self._value(_walk(self._merged(match[1]), match[2], at), match[1], at + match[2])

    def _output_form(self, match: re.Match[str], _name: str) -> str:
        self._resource(match[1])
        return self._output(match[1], match[2])


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the values of another, recursively; lists are replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _walk(node: Any, path: str, at: str) -> Any:
    """Return the value at a path such as `.a.b`."""
    for step in path[1:].split("."):
        if not isinstance(node, Mapping) or step not in node:
            known = ", ".join(map(str, node)) if isinstance(node, Mapping) else "no mapping"
            raise BadDeployment(f"s.yaml: {at}{path} does not exist; at '{step}' there is: {known}")
        node = node[step]
    return node
