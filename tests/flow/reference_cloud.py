"""A running local cloud with the prerequisites of the vendor's page: an IMM project, buckets, a topic, a subscription.

All of them are created over HTTP with the vendor's clients: oss2, the IMM client, aliyun-mns-sdk.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oss2
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client as ImmClient
from alibabacloud_tea_openapi.models import Config
from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta
from mns.topic import TopicMeta

from tests.flow.reference import CHECKOUT
from tests.flow.reference_toolchains import child_environment

PROJECT, TOPIC, QUEUE = "reference", "AudioConvert", "reference-notifications"
TIMEOUT_S = 60


@contextmanager
def clipstitch_up() -> Iterator[dict[str, str]]:
    """Run `clipstitch up` in a child process; yield the variables that it prints when it is ready."""
    command = [str(Path(sys.executable).with_name("clipstitch")), "up", "--json"]
    with subprocess.Popen(command, cwd=CHECKOUT, env=child_environment({}), stdout=subprocess.PIPE, text=True) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            assert line, f"`clipstitch up` exited before it was ready, with code {child.wait(TIMEOUT_S)}"
            yield json.loads(line)
        finally:
            child.terminate()
            child.wait(TIMEOUT_S)


class ReferenceCloud:
    """The local cloud with the topic that all examples name, and a queue subscribed to it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.key = (variables["OSS_ACCESS_KEY_ID"], variables["OSS_ACCESS_KEY_SECRET"])
        self.oss, self.region = variables["OSS_ENDPOINT"], variables["OSS_REGION"]
        self._account = Account(variables["MNS_ENDPOINT"], *self.key)
        self._imm = ImmClient(_imm_config(variables))
        self._notifications: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        """Create the project, the topic, and a queue that is subscribed to the topic."""
        self._imm.create_project(models.CreateProjectRequest(project_name=PROJECT))
        self._account.get_topic(TOPIC).create(TopicMeta())
        self._account.get_queue(QUEUE).create(QueueMeta())
        endpoint = f"acs:mns:{self.region}:{self.variables['ALIBABA_CLOUD_ACCOUNT_ID']}:queues/{QUEUE}"
        meta = SubscriptionMeta(endpoint, "BACKOFF_RETRY", "SIMPLIFIED")
        self._account.get_subscription(TOPIC, QUEUE).subscribe(meta)

    def bucket(self, name: str) -> oss2.Bucket:
        """Return the client of a bucket."""
        return oss2.Bucket(oss2.AuthV4(*self.key), self.oss, name, region=self.region)

    def create_attached_bucket(self, name: str, *clips: Path) -> oss2.Bucket:
        """Create a bucket, attach it to the project, and upload clips under their file names."""
        bucket = self.bucket(name)
        bucket.create_bucket()
        self._imm.attach_ossbucket(models.AttachOSSBucketRequest(ossbucket=name, project_name=PROJECT))
        for clip in clips:
            bucket.put_object_from_file(clip.name, str(clip))
        return bucket

    def notification(self, task_id: str) -> dict[str, Any]:
        """Wait for the completion notification of a task, and return it; keep those of other tasks for later calls."""
        deadline = time.monotonic() + TIMEOUT_S
        while task_id not in self._notifications and time.monotonic() < deadline:
            self._receive()
        assert task_id in self._notifications, f"no notification for {task_id} within {TIMEOUT_S} s"
        return self._notifications[task_id]

    def _receive(self) -> None:
        queue = self._account.get_queue(QUEUE)
        queue.set_encoding(False)
        try:
            message = queue.receive_message_with_str_body(5)
        except MNSServerException as error:
            if error.type != "MessageNotExist":
                raise
            return
        queue.delete_message(message.receipt_handle)
        envelope = json.loads(message.message_body)
        self._notifications[json.loads(envelope["content"])["TaskId"]] = envelope


def _imm_config(variables: Mapping[str, str]) -> Config:
    scheme, _, host = variables["IMM_ENDPOINT"].partition("://")
    return Config(
        access_key_id=variables["OSS_ACCESS_KEY_ID"],
        access_key_secret=variables["OSS_ACCESS_KEY_SECRET"],
        endpoint=host,
        protocol=scheme,
        region_id=variables["OSS_REGION"],
    )
