"""A local cloud without functions, and the vendor's client that creates them: alibabacloud-fc20230330."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oss2
import pytest
from alibabacloud_fc20230330 import models
from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions

from localyun.fc.code import zipped_source
from localyun.ram.credentials import Credential
from localyun.server import LocalCloud
from localyun.services import Services
from tests.child_process import wait_until

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Resources:
  B: {Type: 'ALIYUN::OSS::Bucket', Properties: {BucketName: bkt}}
  T: {Type: 'ALIYUN::MNS::Topic', Properties: {TopicName: jobs}}
  Q: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: events}}
  X:
    Type: ALIYUN::RAM::Role
    Properties:
      RoleName: x
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: [oss.aliyuncs.com, mns.aliyuncs.com]}}]
      PolicyAttachments: {System: [AliyunFCInvocationAccess]}
"""
SERVERLESS = """
edition: 3.0.0
name: x
resources:
  infra: {component: ros, props: {region: cn-hangzhou, name: x, template: ./template.yml}}
"""
ROLE = """
  Manager:
    Type: ALIYUN::RAM::Role
    Properties:
      RoleName: manager
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: [fc.aliyuncs.com]}}]
      Policies: [{PolicyName: p, PolicyDocument: {Statement: [STATEMENT]}}]
"""
SERVE = """
import json, sys, threading
from pathlib import Path
from localyun.server import LocalCloud

endpoints = LocalCloud(Path(sys.argv[1]), data=Path(sys.argv[2]), time_scale=100).start()
key = [endpoints.credential.access_key_id, endpoints.credential.access_key_secret]
print(json.dumps([endpoints.fc, endpoints.oss, key]), flush=True)
threading.Event().wait()
"""
MANAGER_ARN = "acs:ram::1234567890123456:role/manager"
# Appends each event, after the tag in the environment, to a file; returns the tag.
RECORDER = """
import os, time

def handler(event, context):
    if event.startswith(b"sleep "):
        time.sleep(float(event[6:]))
    with open(os.environ["OUT"], "ab") as out:
        out.write(os.environ["TAG"].encode() + b" " + event + b"\\n")
    return os.environ["TAG"]
"""


def write_project(root: Path, statement: str = "") -> Path:
    """Write a project that declares a bucket, a topic and a queue; with a statement, also the role `manager`."""
    root.mkdir(exist_ok=True)
    (root / "s.yaml").write_text(SERVERLESS)
    (root / "template.yml").write_text(TEMPLATE + (ROLE.replace("STATEMENT", statement) if statement else ""))
    return root


def fc_client(url: str, key: Credential) -> Client:
    """Return the vendor's client for the URL of an endpoint."""
    config = Config(
        access_key_id=key.access_key_id,
        access_key_secret=key.access_key_secret,
        security_token=key.security_token or None,
        endpoint=url.removeprefix("http://"),
        protocol="http",
    )
    return Client(config)


class FcWorld:
    """A running local cloud, and short calls of the vendor's client."""

    def __init__(self, urls: tuple[str, ...], key: Credential, folder: Path, cloud: LocalCloud | None = None) -> None:
        self.fc_url, self.oss_url, *others = urls
        self.mns_url = others[0] if others else ""
        self.key, self._cloud = key, cloud
        self.fc = fc_client(self.fc_url, key)
        self.out = folder / "out"
        self.bucket = oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), self.oss_url, "bkt")

    @property
    def services(self) -> Services:
        """The services of a cloud in this process."""
        assert self._cloud
        return self._cloud.services

    def create(self, name: str, source: str = RECORDER, tag: str = "first", **more: Any) -> models.Function:
        """Create a function from one source file."""
        code = more.pop("code", None) or models.InputCodeLocation(zip_file=zipped_source("index.py", source))
        settings = {
            "runtime": "python3.10",
            "handler": "index.handler",
            "timeout": 20,
            "environment_variables": {"OUT": str(self.out), "TAG": tag},
        }
        body = models.CreateFunctionInput(function_name=name, code=code, **{**settings, **more})
        return self.fc.create_function(models.CreateFunctionRequest(body=body)).body

    def update(self, name: str, **changes: Any) -> models.Function:
        """Change a function; `tag` stands for its environment, `source` for its code."""
        if tag := changes.pop("tag", ""):
            changes["environment_variables"] = {"OUT": str(self.out), "TAG": tag}
        if source := changes.pop("source", ""):
            changes["code"] = models.InputCodeLocation(zip_file=zipped_source("index.py", source))
        body = models.UpdateFunctionInput(**changes)
        return self.fc.update_function(name, models.UpdateFunctionRequest(body=body)).body

    def invoke(
        self, name: str, event: bytes = b"", qualifier: str | None = None, *, kind: str = "Sync", delay: int = 0
    ) -> bytes:
        """Invoke a function and return its payload; an asynchronous invocation runs after `delay` seconds."""
        headers = models.InvokeFunctionHeaders(x_fc_invocation_type=kind)
        if delay:
            headers.common_headers = {"x-fc-async-delay": str(delay)}
        request = models.InvokeFunctionRequest(body=event, qualifier=qualifier)
        response = self.fc.invoke_function_with_options(name, request, headers, RuntimeOptions())
        assert (202 if kind == "Async" else 200) == response.status_code
        return bytes(response.body.read()) if kind == "Sync" else b""

    def lines(self, count: int = 1) -> list[str]:
        """Wait until functions have recorded a number of events, and return all."""
        return list(
            wait_until(lambda: (found := self._lines()) and len(found) >= count and found, describe=self._lines)
        )

    def trigger(self, function: str, name: str, **more: Any) -> models.Trigger:
        """Create an object trigger for keys below `NAME/`."""
        config = {"events": ["oss:ObjectCreated:*"], "filter": {"key": {"prefix": f"{name}/", "suffix": ""}}}
        settings = {
            "trigger_type": "oss",
            "source_arn": "acs:oss:cn-hangzhou:1234567890123456:bkt",
            "invocation_role": "acs:ram::1234567890123456:role/x",
            "trigger_config": json.dumps(config),
        }
        body = models.CreateTriggerInput(trigger_name=name, **{**settings, **more})
        return self.fc.create_trigger(function, models.CreateTriggerRequest(body=body)).body

    def publish(self, name: str, description: str = "") -> models.Version:
        """Publish a version."""
        body = models.PublishVersionInput(description=description)
        return self.fc.publish_function_version(name, models.PublishFunctionVersionRequest(body=body)).body

    def alias(self, function: str, name: str, version: str, weights: Mapping[str, float] | None = None) -> models.Alias:
        """Create an alias."""
        body = models.CreateAliasInput(alias_name=name, version_id=version, additional_version_weight=weights)
        return self.fc.create_alias(function, models.CreateAliasRequest(body=body)).body

    def reserve(self, function: str, concurrency: int) -> models.ConcurrencyConfig:
        """Set the reserved concurrency of a function."""
        body = models.PutConcurrencyInput(reserved_concurrency=concurrency)
        return self.fc.put_concurrency_config(function, models.PutConcurrencyConfigRequest(body=body)).body

    def _lines(self) -> list[str]:
        return self.out.read_text().splitlines() if self.out.exists() else []


@contextmanager
def running_fc_world(folder: Path, statement: str = "", **options: Any) -> Iterator[FcWorld]:
    """Run a local cloud without functions for the duration of the block."""
    cloud = LocalCloud(write_project(folder / "project", statement), time_scale=100, **options)
    with cloud as endpoints:
        yield FcWorld((endpoints.fc, endpoints.oss, endpoints.mns), endpoints.credential, folder, cloud)


def serve(project: Path, folder: Path) -> tuple["subprocess.Popen[bytes]", FcWorld]:
    """Run a local cloud in another process, which can be killed, on the folder `data`."""
    command = [sys.executable, "-c", SERVE, str(project), str(folder / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    fc, oss, key = json.loads(process.stdout.readline())
    return process, FcWorld((fc, oss), Credential(*key), folder)


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """Return the status and the code of the error of a rejected call."""
    with pytest.raises(AlibabaCloudException) as caught:
        call()
    return caught.value.status_code, caught.value.code
