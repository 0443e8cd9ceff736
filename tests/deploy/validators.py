"""Validators of the deployment files, most of them by the vendor. Each returns its complaints as strings.

docs/deploy-checks.md says what each of them checks, and what it does not.
"""

import ast
import copy
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.settings import read_settings
from localyun.deploy.declared import BadDeployment
from localyun.deploy.project import read
from localyun.fc.values import ObjectTrigger
from tests.deploy import tools

PREVIEW, VERIFY = "s preview", "s verify"
SCHEMA, SDK = "fc3 schema", "FC SDK"
CLASSES, TYPES = "ROS classes", "ROS types"
CROSS, LOCALYUN = "cross-check", "localyun"
VALIDATORS = (PREVIEW, VERIFY, SCHEMA, SDK, CLASSES, TYPES, CROSS, LOCALYUN)
JSON = dict[str, Any]
OUTPUT = re.compile(r"\$\{resources\.infra\.output\.([\w-]+)\}")
TRIGGER_DEFINITIONS = {"oss": "IOssTriggerConfig", "mns_topic": "IMnsTriggerConfig", "timer": "ITimerTriggerConfig"}


@dataclass(frozen=True)
class Files:
    """The contents of the two deployment files."""

    serverless: str
    template: str

    @classmethod
    def unchanged(cls) -> "Files":
        """Return the files of the project."""
        return cls((tools.ROOT / "s.yaml").read_text("utf-8"), (tools.ROOT / "template.yml").read_text("utf-8"))

    def with_replacement(self, name: str, old: str, new: str) -> "Files":
        """Return the files with the first occurrence of a string replaced. Raises AssertionError if there is none."""
        text = self.serverless if name == "s.yaml" else self.template
        assert old in text, f"{name} no longer has {old!r}"
        changed = text.replace(old, new, 1)
        return replace(self, serverless=changed) if name == "s.yaml" else replace(self, template=changed)

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, link the functions beside them, and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "s.yaml").write_text(self.serverless, "utf-8")
        (folder / "template.yml").write_text(self.template, "utf-8")
        for name in ("functions", "shared"):
            if not (folder / name).exists():
                (folder / name).symlink_to(tools.ROOT / name)
        return folder


class Serverless:
    """The program Serverless Devs, with a home folder of its own that has the schema of the component fc3."""

    def __init__(self, home: Path) -> None:
        tools.require(tools.SERVERLESS, "Serverless Devs")
        tools.require(
            tools.FC3_SCHEMA, "the schema of fc3", "put fc3.schema.json beside the checkout, in shared/schemas"
        )
        self._home = home
        components = home / ".s" / "components" / "devsapp.cn" / "v3"
        schema = tools.FC3_SCHEMA.read_text("utf-8")
        _component(components / "fc3", f"module.exports = class {{ getSchema () {{ return {json.dumps(schema)} }} }}")
        _component(components / "ros", "module.exports = class {}")

    def run(self, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the program in a folder, without this user's settings."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self._home), "serverless_devs_config_home": str(self._home)}
        command = ["node", str(tools.SERVERLESS), *arguments]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)

    def preview(self, folder: Path) -> tuple[JSON, list[str]]:
        """Return the rendered s.yaml and the complaints; outputs of a deployment are not rendered."""
        done = self.run(folder, "preview", "-t", "s.yaml", "-o", "json", "--silent")
        return (json.loads(done.stdout), []) if done.returncode == 0 else ({}, [_output(done)])

    def verify(self, folder: Path) -> list[str]:
        """Return the complaints about s.yaml by the schema of the component."""
        done = self.run(folder, "verify")
        return [] if done.returncode == 0 else [_output(done)]


def _component(folder: Path, code: str) -> None:
    """Write a stub among the downloaded components, marked so that the program looks for no newer one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": folder.name, "main": "index.js"}))
    (folder / "index.js").write_text(code)
    (folder / ".s.lock").write_text(json.dumps({"version": "0", "lastUpdateCheck": 4102444800000}))


def _output(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the output of a program, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", f"{done.stdout}\n{done.stderr}").strip()


def functions_of(rendered: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield name and properties of every function."""
    for name, resource in rendered.get("resources", {}).items():
        if resource["component"] == "fc3":
            yield name, resource["props"]


def fc3_schema(rendered: JSON) -> list[str]:
    """Return the complaints of fc3's JSON Schema about every function, with unknown keys and triggers checked too.

    The original schema allows every triggerConfig and all unknown keys, and so does a deployment.
    """
    tools.require(tools.FC3_SCHEMA, "the schema of fc3", "put fc3.schema.json beside the checkout, in shared/schemas")
    try:
        import jsonschema
    except ImportError:
        tools.skip_or_fail("jsonschema is not installed; install the project's extra `deploy`")
    schema = _closed(json.loads(tools.FC3_SCHEMA.read_text("utf-8")))
    validator = jsonschema.Draft7Validator(schema)
    return [
        f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
        for name, props in functions_of(rendered)
        for error in validator.iter_errors(props)
    ]


def _closed(schema: JSON) -> JSON:
    """Return the schema without unknown keys, and with the configuration of a trigger checked by its type."""
    closed = copy.deepcopy(schema)
    _close(closed)
    closed["properties"]["customDomain"] = {}
    trigger = closed["definitions"]["ITrigger"]
    trigger["properties"]["triggerConfig"] = {}
    trigger["allOf"] = [
        {
            "if": {"properties": {"triggerType": {"const": kind}}},
            "then": {"properties": {"triggerConfig": {"$ref": f"#/definitions/{definition}"}}},
        }
        for kind, definition in TRIGGER_DEFINITIONS.items()
    ]
    return closed


def _close(node: Any) -> None:
    """Forbid unknown keys in every object that lists its properties, except in conditions."""
    if isinstance(node, list):
        for item in node:
            _close(item)
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
        for key, item in node.items():
            if key not in ("if", "then", "else"):
                _close(item)


def fc_sdk(rendered: JSON, template: JSON) -> list[str]:
    """Return the fields of functions, triggers and asynchronous configurations that the SDK's models drop."""
    complaints = []
    for name, props in functions_of(rendered):
        complaints += [f"{name}: {key} is unknown to the FC API" for key in _dropped_by_sdk(props)]
    for name, resource in template.get("Resources", {}).items():
        if resource.get("Type") == "ALIYUN::FC3::Trigger":
            properties = resource["Properties"]
            model = _trigger_model(str(properties.get("TriggerType")))
            complaints += [
                f"{name}: TriggerConfig.{key} is unknown to the FC API"
                for key in _dropped(model, properties.get("TriggerConfig", {}))
            ]
    return complaints


def _dropped_by_sdk(props: JSON) -> Iterator[str]:
    """Yield the fields of a function that the SDK's models drop."""
    from alibabacloud_fc20230330 import models

    separate = ("region", "code", "triggers", "asyncInvokeConfig", "functionName")
    own = {key: value for key, value in props.items() if key not in separate}
    yield from _dropped(models.CreateFunctionInput, {"functionName": props.get("functionName"), **own})
    for index, trigger in enumerate(props.get("triggers", ())):
        config = trigger.get("triggerConfig", {})
        rest = {key: value for key, value in trigger.items() if key != "triggerConfig"}
        yield from (f"triggers[{index}].{key}" for key in _dropped(models.CreateTriggerInput, rest))
        model = _trigger_model(trigger.get("triggerType", ""))
        yield from (f"triggers[{index}].triggerConfig.{key}" for key in _dropped(model, config))
    config = props.get("asyncInvokeConfig", {})
    yield from (f"asyncInvokeConfig.{key}" for key in _dropped(models.PutAsyncInvokeConfigInput, config))


def _trigger_model(kind: str) -> Any:
    """Return the SDK's model of a trigger's configuration."""
    from alibabacloud_fc20230330 import models

    known = {
        "oss": models.OSSTriggerConfig,
        "mns_topic": models.MNSTopicTriggerConfig,
        "timer": models.TimerTriggerConfig,
    }
    return known.get(kind, models.HTTPTriggerConfig)


def _dropped(model: Any, given: Mapping[str, Any]) -> list[str]:
    """Return the paths of the fields that change in a round trip through a model."""
    returned = model().from_map(copy.deepcopy(dict(given))).to_map()
    return list(_differences(given, returned, ""))


def _differences(given: Any, returned: Any, at: str) -> Iterator[str]:
    """Yield the paths of the values in the first tree that differ in the second."""
    if isinstance(given, Mapping) and isinstance(returned, Mapping):
        for key, value in given.items():
            yield from _differences(value, returned.get(key), f"{at}.{key}" if at else key)
    elif given != returned:
        yield at


def ros_classes(templates: Iterable[str]) -> list[list[str]]:
    """Return the complaints of the vendor's ROS classes about each template; Node is started once."""
    tools.require(tools.CDK_MODULES, "the ROS classes (ros-cdk-*)")
    script = Path(__file__).parent / "ros_classes.js"
    documents = json.dumps([yaml.safe_load(template) for template in templates], default=str)
    command = ["node", str(script), str(tools.CDK_MODULES.parent)]
    done = subprocess.run(command, input=documents, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def ros_types(template: JSON) -> list[str]:
    """Return the complaints about types, properties and attributes that the ROS API does not have."""
    tools.require(tools.ROS_TYPES, "the list of ROS types", "put it beside the checkout, in shared/schemas")
    types = json.loads(tools.ROS_TYPES.read_text("utf-8"))["resourceTypes"]
    complaints = []
    for name, resource in template["Resources"].items():
        if (kind := resource.get("Type")) not in types:
            complaints += [f"{name}: type {kind} is not in the list"] if kind not in NOT_IN_SUBSET else []
            continue
        known, given = types[kind]["properties"], resource.get("Properties", {})
        complaints += [f"{name}: {kind} has no property {key}" for key in given if key not in known]
        required = [key for key, spec in known.items() if spec["required"]]
        complaints += [f"{name}: {key} is required" for key in required if key not in given]
    for resource, attribute in _attributes(template):
        kind = template["Resources"].get(resource, {}).get("Type")
        if kind in types and attribute not in types[kind].get("attributes", {}):
            complaints.append(f"{resource}: {kind} has no attribute {attribute}")
    return complaints


# Missing in the subset of the list that the tests have; the ROS classes check them.
NOT_IN_SUBSET = frozenset({"ALIYUN::SLS::Alert", "ALIYUN::CMS::ResourceMetricRule"})


def _attributes(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the resource and the attribute of every reference in a template."""
    if isinstance(node, list):
        for item in node:
            yield from _attributes(item)
    elif isinstance(node, Mapping):
        if "Fn::GetAtt" in node:
            yield tuple(node["Fn::GetAtt"])
        elif isinstance(text := node.get("Fn::Sub"), str):
            names = re.findall(r"\$\{(\w+)\.([\w.]+)\}", text)
            yield from ((resource, attribute) for resource, attribute in names)
        else:
            yield from _attributes(list(node.values()))


def localyun(folder: Path, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return the complaint of the local cloud about both files."""
    try:
        read(folder, variables or {})
    except BadDeployment as error:
        return [str(error)]
    return []


def cross_check(rendered: JSON, template: JSON, folder: Path) -> list[str]:
    """Return complaints that no other validator has: about both files together, the handlers and the settings."""
    return [
        *_access(folder),
        *_outputs_and_parameters(rendered, template),
        *(complaint for name, props in functions_of(rendered) for complaint in _handler(name, props, folder)),
        *_settings(folder),
        *_same_functions(rendered, template),
    ]


def _access(folder: Path) -> Iterator[str]:
    """Check that the alias of the key is no variable: `s preview` renders it, the commands do not (s 3.1.10)."""
    alias = yaml.safe_load((folder / "s.yaml").read_text("utf-8")).get("access", "default")
    if "${" in alias:
        yield f"access: {alias} is not rendered; write an alias"


def _outputs_and_parameters(rendered: JSON, template: JSON) -> Iterator[str]:
    """Check that s.yaml uses existing outputs, and passes declared parameters."""
    for used in sorted(set(OUTPUT.findall(json.dumps(rendered)))):
        if used not in template.get("Outputs", {}):
            yield f"s.yaml uses the output {used}, which is not in template.yml"
    for passed in rendered["resources"]["infra"]["props"].get("parameters", {}):
        if passed not in template.get("Parameters", {}):
            yield f"s.yaml passes the parameter {passed}, which is not in template.yml"


def _handler(name: str, props: JSON, folder: Path) -> Iterator[str]:
    """Check that build.py builds the code, and that the handler is a function in it."""
    module, _, function = str(props["handler"]).rpartition(".")
    source = folder / "functions" / name / f"{module}.py"
    if props["code"] != f"./build/{name}":
        yield f"{name}: code is {props['code']}, but build.py makes ./build/{name}"
    if not source.is_file():
        yield f"{name}: handler {props['handler']}: there is no functions/{name}/{module}.py"
    elif function not in {n.name for n in ast.parse(source.read_bytes()).body if isinstance(n, ast.FunctionDef)}:
        yield f"{name}: handler {props['handler']}: functions/{name}/{module}.py has no function {function}"


def _settings(folder: Path) -> Iterator[str]:
    """Check that every variable of a function is a documented setting, and that the settings are valid."""
    documented = (tools.ROOT / "docs" / "settings.md").read_text("utf-8")
    known = set(re.findall(r"`((?:CLIPSTITCH|OSS|MNS|IMM)_[A-Z_]+)`", documented))
    try:
        deployment = read(folder, {})
    except BadDeployment:
        return  # the validator localyun complains
    triggers = [trigger for trigger in deployment.triggers if isinstance(trigger, ObjectTrigger)]
    for function in deployment.functions:
        given = function.environment
        yield from (f"{function.name}: no setting is called {name}" for name in given if name not in known)
        try:
            yield from _triggers_fit(triggers, read_settings(given).manifest_prefix)
        except InvalidSettings as error:
            yield f"{function.name}: {error}"


def _triggers_fit(triggers: Iterable[ObjectTrigger], prefix: str) -> Iterator[str]:
    """Check that triggers have the prefix of the settings, and do not fire for parts of an upload."""
    for trigger in triggers:
        if trigger.prefix != prefix:
            yield f"{trigger.name}: the trigger's prefix is {trigger.prefix}, the setting's {prefix}"
        if parts := [event for event in trigger.events if event.endswith(("*", ":UploadPart", ":UploadPartCopy"))]:
            yield f"{trigger.name}: {parts[0]} fires for every part of an upload"


def _same_functions(rendered: JSON, template: JSON) -> Iterator[str]:
    """Check that the functions in template.yml equal those in s.yaml."""
    of_template = template_functions(template)
    for name, props in functions_of(rendered):
        if name not in of_template:
            yield f"{name}: template.yml has no function of that code"
            continue
        left, right = _comparable(props), _comparable(of_template[name])
        for key in sorted({*left, *right}):
            if left.get(key) != right.get(key):
                yield f"{name}: {key} is {left.get(key)!r} in s.yaml, {right.get(key)!r} in template.yml"


def template_functions(template: JSON) -> dict[str, JSON]:
    """Return the functions of a template by the name of their code, in the format of fc3."""
    found: dict[str, JSON] = {}
    ids: dict[str, str] = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "ALIYUN::FC3::Function" and "OssObjectName" in properties["Code"]:
            code = str(properties["Code"]["OssObjectName"]["Fn::Sub"]).rpartition("}")[2].removesuffix(".zip")
            found[code], ids[name] = {**_camel(properties), "triggers": []}, code
            found[code]["environmentVariables"] = properties["EnvironmentVariables"]
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] not in ("ALIYUN::FC3::Trigger", "ALIYUN::FC3::AsyncInvokeConfig"):
            continue
        code = ids[properties["FunctionName"]["Fn::GetAtt"][0]]
        if resource["Type"] == "ALIYUN::FC3::Trigger":
            trigger = {**_camel(properties), "triggerConfig": properties["TriggerConfig"]}
            found[code]["triggers"].append(trigger)
        else:
            found[code]["asyncInvokeConfig"] = _camel(properties)
    return found


def _camel(node: Any) -> Any:
    """Return the tree with keys in camelCase, as in the FC API."""
    if isinstance(node, list):
        return [_camel(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {key if key.startswith("Fn::") else key[:1].lower() + key[1:]: _camel(value) for key, value in node.items()}


def _comparable(props: JSON) -> JSON:
    """Return the fields that must be equal in both files; names and references are written differently."""
    plain = ("handler", "cpu", "memorySize", "diskSize", "timeout", "internetAccess", "description")
    triggers = [
        {key: trigger[key] for key in ("triggerName", "triggerType", "qualifier", "triggerConfig")}
        for trigger in props.get("triggers", ())
    ]
    rules = props.get("asyncInvokeConfig", {})
    log = props.get("logConfig", {})
    return {
        **{key: props.get(key) for key in plain},
        "triggers": triggers,
        "variables": sorted(props.get("environmentVariables", {})),
        "retries": (rules.get("maxAsyncRetryAttempts"), rules.get("maxAsyncEventAgeInSeconds")),
        "dead letters": "DeadLetterQueue" in json.dumps(rules.get("destinationConfig")),
        "logs": (log.get("enableRequestMetrics"), log.get("enableInstanceMetrics"), log.get("logBeginRule")),
    }
