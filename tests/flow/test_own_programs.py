"""Programs of the user on `clipstitch up`: their topic gets its message, or `clipstitch show` says why not."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import oss2
import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client as ImmClient
from mns.account import Account
from mns.topic import TopicMeta

from clipstitch.common.credentials import AccessKey
from clipstitch_cli.openapi import client_config
from tests.flow.reference_cloud import clipstitch_up
from tests.flow.test_cli import Env, ran
from tests.sounds import tone

BUCKET = "examplebucket"


@pytest.fixture(scope="module")
def env() -> Iterator[Env]:
    """Run `clipstitch up`."""
    with clipstitch_up() as variables:
        yield variables


def b64(name: str) -> str:
    """Encode a name for a process string."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def bucket_of(env: Env, name: str = BUCKET) -> oss2.Bucket:
    """Return the client of a bucket."""
    auth = oss2.AuthV4(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, env["OSS_ENDPOINT"], name, region=env["OSS_REGION"])


def merge(env: Env, bucket: oss2.Bucket, topic: str = "AudioConvert", target: str = "dest.aac") -> str:
    """Upload a clip, merge it with itself, notify a topic, and return the id of the task."""
    bucket.put_object("src1.wav", tone(400, 200))
    saveas = f"sys/saveas,b_{b64(bucket.bucket_name)},o_{b64(target)}/notify,topic_{b64(topic)}"
    process = f"audio/concat,f_aac,ac_1,ar_44100,ab_96000/pre,o_{b64('src1.wav')}|{saveas}"
    return str(bucket.async_process_object("src1.wav", process).task_id)


def notification_of(env: Env, task: str) -> dict[str, Any]:
    """Return what the queue of the topic receives about a task."""
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue("AudioConvert")
    queue.set_encoding(False)
    while True:
        message = queue.receive_message(10)
        queue.delete_message(message.receipt_handle)
        content: dict[str, Any] = json.loads(json.loads(message.message_body)["content"])
        if content["TaskId"] == task:
            return content


def shown(env: Env, task: str, until: Callable[[Mapping[str, Any]], object]) -> dict[str, Any]:
    """Return what `clipstitch show` prints of a task when it says a certain thing."""
    deadline = time.monotonic() + 20
    while True:
        done = ran("show", task, "--json", env=env)
        assert 0 == done.returncode, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        if until(document):
            return document
        assert time.monotonic() < deadline, document


def test_the_bucket_of_the_vendors_examples_is_there(env: Env) -> None:
    """A program of the page needs its clips, and nothing else, to get its message."""
    content = notification_of(env, merge(env, bucket_of(env)))

    assert ("Succeeded", [f"oss://{BUCKET}/dest.aac"]) == (
        content["Status"],
        [target["URI"] for target in content["Targets"]],
    )


def test_another_bucket_needs_only_to_be_attached(env: Env) -> None:
    """The project `default` has the vendor's default role."""
    key = AccessKey(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    bucket = bucket_of(env, "my-own-bucket")
    bucket.create_bucket()
    imm = ImmClient(client_config(env["IMM_ENDPOINT"], key, env["OSS_REGION"]))
    imm.attach_ossbucket(models.AttachOSSBucketRequest(ossbucket="my-own-bucket", project_name="default"))

    assert "Succeeded" == notification_of(env, merge(env, bucket))["Status"]


def test_show_says_why_a_notification_of_the_projects_bucket_is_lost(env: Env) -> None:
    """The role of its IMM project may publish to its completion topic only."""
    Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]).get_topic("mine").create(
        TopicMeta()
    )
    task = merge(env, bucket_of(env, env["CLIPSTITCH_BUCKET"]), "mine", "_clipstitch/work/own.aac")
    document = shown(env, task, lambda seen: seen.get("LostNotification"))
    text = ran("show", task, env=env).stdout

    assert "Succeeded" == document["Status"]
    assert (
        "to topic mine: AccessDenied: the service role of the IMM project clipstitch may not mns:PublishMessage to it; "
        "grant that, or attach the bucket to a project with AliyunIMMDefaultRole, such as default"
    ) == document["LostNotification"]
    assert "notification lost  to topic mine: AccessDenied" in text


def test_show_says_that_the_topic_of_a_task_does_not_exist(env: Env) -> None:
    """The task itself succeeds."""
    task = merge(env, bucket_of(env), "nowhere")
    document = shown(env, task, lambda seen: seen.get("LostNotification"))

    assert document["LostNotification"].startswith("to topic nowhere: TopicNotExist")


def test_show_has_the_error_of_a_task(env: Env) -> None:
    """IMM may write only the intermediates of jobs to the bucket of the project."""
    task = merge(env, bucket_of(env, env["CLIPSTITCH_BUCKET"]))
    document = shown(env, task, lambda seen: seen["Status"] == "Failed")
    text = ran("show", task, env=env).stdout

    assert "AccessDenied" == document["Code"]
    assert "lacks oss:PutObject on oss://clipstitch/dest.aac. [AccessDenied]" in " ".join(text.split())


def test_show_of_an_unknown_task_is_an_error(env: Env, tmp_path: Path) -> None:
    """With a code of its own."""
    done = ran("show", "MediaConvert-0", "--json", env=env)

    assert "NO_SUCH_TASK" == json.loads(done.stderr.splitlines()[-1])["error"]["code"]
