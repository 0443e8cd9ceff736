"""The management of functions through the vendor's client: functions, code, triggers, settings."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fc2
import httpx
import oss2
import pytest
from alibabacloud_fc20230330 import models
from oss2.utils import Crc64

from localyun.fc.answers import function_document
from localyun.fc.code import zipped_source
from tests.localyun.fc_world import RECORDER, FcWorld, refused, running_fc_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FcWorld]:
    """Run a local cloud without functions."""
    with running_fc_world(tmp_path) as world:
        yield world


def test_a_created_function_runs_and_is_described(world: FcWorld) -> None:
    """The answer has what was given, the vendor's defaults, and what the service computes."""
    created = world.create("f", description="records")
    found = world.fc.get_function("f", models.GetFunctionRequest()).body
    payload = world.invoke("f", b"hello")

    assert b"first" == payload
    assert ["first hello"] == world.lines()
    assert created.to_map() == found.to_map()
    assert "acs:fc:cn-hangzhou:1234567890123456:functions/f" == found.function_arn
    assert ("f", "records", "python3.10", "index.handler") == (
        found.function_name,
        found.description,
        found.runtime,
        found.handler,
    )
    assert (20, 512, 0.35, 512, True) == (
        found.timeout,
        found.memory_size,
        found.cpu,
        found.disk_size,
        found.internet_access,
    )
    assert ("Active", "Successful") == (found.state, found.last_update_status)
    assert found.created_time == found.last_modified_time
    assert found.code_size > len(RECORDER) / 2


def test_what_the_deployment_tool_sends_empty_is_not_answered(world: FcWorld) -> None:
    """fc3 0.1.22 compares the answer with s.yaml; these fields it does not leave out of the comparison when empty."""
    empty = {
        "layers": [],
        "vpc_config": models.VPCConfig(),
        "tracing_config": models.TracingConfig(),
        "nas_config": models.NASConfig(group_id=0, user_id=0, mount_points=[]),
        "oss_mount_config": models.OSSMountConfig(mount_points=[]),
    }
    world.create("f", **empty)
    services = world.services
    # The client's model would fill in what the answer leaves out.
    answered = function_document(services.functions.get("f"), services.functions.settings)

    assert not set(answered) & {
        "layers",
        "customRuntimeConfig",
        "lastUpdateStatusReason",
        "lastUpdateStatusReasonCode",
        "stateReason",
        "stateReasonCode",
        "instanceConcurrency",
        "invocationRestriction",
    }


def test_functions_are_listed_in_pages_by_prefix(world: FcWorld) -> None:
    """The token of a page leads to the next one; the last page has none."""
    for name in ("b1", "a", "b3", "b2"):
        world.create(name)
    names, token = [], None
    for _ in range(2):
        page = world.fc.list_functions(models.ListFunctionsRequest(prefix="b", limit=2, next_token=token)).body
        names.append([function.function_name for function in page.functions])
        token = page.next_token

    assert [["b1", "b2"], ["b3"]] == names
    assert token is None


def test_an_update_changes_the_given_fields_only(world: FcWorld) -> None:
    """Code without other fields, and other fields without code."""
    created = world.create("f")
    world.update("f", source="def handler(event, context):\n    return 'second'")
    code = world.fc.get_function("f", models.GetFunctionRequest()).body
    payload = world.invoke("f")
    world.update("f", description="new", timeout=7)
    described = world.fc.get_function("f", models.GetFunctionRequest()).body

    assert b"second" == payload
    assert created.code_checksum != code.code_checksum
    assert (20, "", created.environment_variables) == (code.timeout, code.description, code.environment_variables)
    assert (7, "new", code.code_checksum) == (described.timeout, described.description, described.code_checksum)
    assert b"second" == world.invoke("f")


def test_a_deleted_function_is_gone(world: FcWorld) -> None:
    """All calls answer FunctionNotFound; a function with triggers cannot be deleted."""
    world.create("f")
    world.trigger("f", "t")
    with_trigger = refused(lambda: world.fc.delete_function("f"))
    world.fc.delete_trigger("f", "t")
    deleted = world.fc.delete_function("f")

    assert (409, "FunctionNotEmpty") == with_trigger
    assert 204 == deleted.status_code
    missing = (404, "FunctionNotFound")
    assert missing == refused(lambda: world.fc.get_function("f", models.GetFunctionRequest()))
    assert missing == refused(lambda: world.invoke("f"))
    assert missing == refused(lambda: world.fc.delete_function("f"))
    assert missing == refused(lambda: world.update("f", timeout=5))
    assert missing == refused(lambda: world.trigger("f", "t"))
    assert missing == refused(lambda: world.fc.list_triggers("f", models.ListTriggersRequest()))
    assert missing == refused(lambda: world.publish("f"))
    assert missing == refused(lambda: world.reserve("f", 1))


def test_invalid_functions_are_rejected(world: FcWorld) -> None:
    """InvalidArgument for values, FunctionAlreadyExists for a name in use, NoSuchKey for code that is not there."""
    world.create("f")
    wrong = models.InputCodeLocation(zip_file=zipped_source("index.py", ""), checksum="1")
    absent = models.InputCodeLocation(oss_bucket_name="bkt", oss_object_name="absent.zip")

    assert (409, "FunctionAlreadyExists") == refused(lambda: world.create("f"))
    invalid = (400, "InvalidArgument")
    assert invalid == refused(lambda: world.create("1f"))
    assert invalid == refused(lambda: world.create("g", timeout=0))
    assert invalid == refused(lambda: world.create("g", runtime="nodejs20"))
    assert invalid == refused(lambda: world.create("g", code=wrong))
    assert invalid == refused(lambda: world.create("g", code=models.InputCodeLocation(zip_file="bm8gemlw")))
    assert (404, "NoSuchKey") == refused(lambda: world.create("g", code=absent))
    assert (404, "FunctionNotFound") == refused(lambda: world.invoke("g"))


def test_code_can_be_uploaded_with_a_temporary_key(world: FcWorld) -> None:
    """The key of GetTempBucketToken writes packages beside the one that it was issued for, and does nothing else."""
    root, path = world.key, "/2016-08-15/tempBucketToken"
    client = fc2.Client(endpoint=world.fc_url, accessKeyID=root.access_key_id, accessKeySecret=root.access_key_secret)
    upload = client._do_request("GET", path, client._build_common_headers("GET", path)).json()
    key, bucket, name = upload["credentials"], upload["ossBucket"], upload["objectName"]
    auth = oss2.StsAuth(key["AccessKeyId"], key["AccessKeySecret"], key["SecurityToken"])
    theirs = oss2.Bucket(auth, world.oss_url, bucket)
    other = oss2.Bucket(auth, world.oss_url, "bkt")
    theirs.put_object(name, _zip("def handler(event, context):\n    return 'uploaded'"))
    world.create("f", code=models.InputCodeLocation(oss_bucket_name=bucket, oss_object_name=name))

    assert b"uploaded" == world.invoke("f")
    for denied in (
        lambda: theirs.get_object(name).read(),
        lambda: theirs.delete_object(name),
        lambda: theirs.put_object("functions/f/LATEST.zip", b""),
        lambda: list(oss2.ObjectIterator(theirs)),
        lambda: other.put_object(name, b""),
    ):
        with pytest.raises(oss2.exceptions.AccessDenied):
            denied()


def test_the_code_of_a_function_can_be_downloaded(world: FcWorld) -> None:
    """The URL needs no signature of the client; the checksum is the CRC-64 of the package."""
    package = _zip(RECORDER)
    world.bucket.put_object("code.zip", package)
    world.create("f", code=models.InputCodeLocation(oss_bucket_name="bkt", oss_object_name="code.zip"))
    world.publish("f")
    world.update("f", source="def handler(event, context):\n    return ''")
    found = world.fc.get_function_code("f", models.GetFunctionCodeRequest(qualifier="1")).body
    checksum = Crc64()
    checksum.update(package)

    assert package == httpx.get(found.url).content
    assert str(checksum.crc) == found.checksum
    assert 403 == httpx.get(found.url.replace("1.zip", "LATEST.zip")).status_code
    world.fc.delete_function("f")
    assert 404 == httpx.get(found.url).status_code


def test_a_trigger_works_for_the_next_event(world: FcWorld) -> None:
    """An object that is put after the answer of CreateTrigger is delivered; after DeleteTrigger it is not."""
    world.create("f")
    world.trigger("f", "in")
    world.bucket.put_object("in/a", b"")
    [line] = world.lines()
    world.fc.delete_trigger("f", "in")
    world.bucket.put_object("in/b", b"")
    world.trigger("f", "late")
    world.bucket.put_object("late/c", b"")

    assert "in/a" == json.loads(line.removeprefix("first "))["events"][0]["oss"]["object"]["key"]
    keys = [json.loads(line[6:])["events"][0]["oss"]["object"]["key"] for line in world.lines(2)]
    assert ["in/a", "late/c"] == keys


def test_triggers_are_described_changed_and_listed(world: FcWorld) -> None:
    """An update replaces what it names; type and source of a trigger cannot be changed."""
    world.create("f")
    created = world.trigger("f", "a")
    config = '{"events": ["oss:ObjectCreated:*"], "filter": {"key": {"prefix": "other/", "suffix": ""}}}'
    body = models.UpdateTriggerInput(trigger_config=config, description="moved")
    updated = world.fc.update_trigger("f", "a", models.UpdateTriggerRequest(body=body)).body
    found = world.fc.get_trigger("f", "a").body
    timer = '{"cronExpression": "@every 1h", "payload": "p"}'
    world.trigger("f", "b", trigger_type="timer", source_arn=None, invocation_role=None, trigger_config=timer)
    listed = world.fc.list_triggers("f", models.ListTriggersRequest(limit=1)).body
    world.bucket.put_object("a/x", b"")
    world.bucket.put_object("other/x", b"")

    assert updated.to_map() == found.to_map()
    assert (created.trigger_id, created.created_time) == (found.trigger_id, found.created_time)
    assert ("moved", "LATEST", "acs:oss:cn-hangzhou:1234567890123456:bkt") == (
        found.description,
        found.qualifier,
        found.source_arn,
    )
    assert "other/" == json.loads(found.trigger_config)["filter"]["key"]["prefix"]
    assert not set(found.to_map()) & {"httpTrigger", "targetArn", "status"}
    assert (["a"], "b") == ([trigger.trigger_name for trigger in listed.triggers], listed.next_token)
    assert "other/x" in world.lines()[0]


def test_invalid_triggers_are_rejected(world: FcWorld) -> None:
    """Nothing of a rejected trigger remains."""
    world.create("f")
    world.trigger("f", "t")
    no_topic = "acs:mns:cn-hangzhou:1234567890123456:/topics/absent"
    no_bucket = "acs:oss:cn-hangzhou:1234567890123456:absent"

    assert (409, "TriggerAlreadyExists") == refused(lambda: world.trigger("f", "t"))
    invalid = (400, "InvalidArgument")
    assert invalid == refused(lambda: world.trigger("f", "u", source_arn=no_bucket))
    assert invalid == refused(lambda: world.trigger("f", "u", trigger_type="mns_topic", source_arn=no_topic))
    assert invalid == refused(lambda: world.trigger("f", "u", trigger_type="http"))
    assert invalid == refused(lambda: world.trigger("f", "u", trigger_config="{"))
    assert (404, "AliasNotFound") == refused(lambda: world.trigger("f", "u", qualifier="prod"))
    assert (404, "VersionNotFound") == refused(lambda: world.trigger("f", "u", qualifier="1"))
    assert (404, "TriggerNotFound") == refused(lambda: world.fc.get_trigger("f", "u"))
    assert (404, "TriggerNotFound") == refused(lambda: world.fc.delete_trigger("f", "u"))


def test_a_topic_and_a_timer_invoke_a_created_function(world: FcWorld) -> None:
    """Every trigger type of this project, created while the cloud runs."""
    world.create("f")
    topic = {
        "trigger_type": "mns_topic",
        "source_arn": "acs:mns:cn-hangzhou:1234567890123456:/topics/jobs",
        "trigger_config": '{"notifyContentFormat": "STREAM"}',
    }
    world.trigger("f", "topic", **topic)
    world.services.messages.publish("jobs", "a message")
    lines = world.lines()
    timer = '{"cronExpression": "@every 20s", "payload": "tick"}'
    world.trigger("f", "timer", trigger_type="timer", source_arn=None, invocation_role=None, trigger_config=timer)

    assert ["first a message"] == lines
    assert "tick" in world.lines(2)[1]


def test_asynchronous_settings_belong_to_a_qualifier(world: FcWorld) -> None:
    """LATEST and a version have their own; a deleted configuration answers AsyncConfigNotExists."""
    world.create("f", "def handler(event, context):\n    raise ValueError(event.decode())")
    world.publish("f")
    queue = "acs:mns:cn-hangzhou:1234567890123456:/queues/events/messages"
    latest = _put_async(world, None, 0, queue)
    of_version = _put_async(world, "1", 5, "")
    listed = world.fc.list_async_invoke_configs(models.ListAsyncInvokeConfigsRequest(function_name="f")).body.configs
    world.fc.delete_async_invoke_config("f", models.DeleteAsyncInvokeConfigRequest(qualifier="1"))

    arn = "acs:fc:cn-hangzhou:1234567890123456:functions/f"
    assert [(f"{arn}/1", 5), (arn, 0)] == [(one.function_arn, one.max_async_retry_attempts) for one in listed]
    assert (queue, 86400) == (
        latest.destination_config.on_success.destination,
        latest.max_async_event_age_in_seconds,
    )
    assert of_version.destination_config.on_success is None
    assert latest.created_time == latest.last_modified_time
    get = world.fc.get_async_invoke_config
    assert 0 == get("f", models.GetAsyncInvokeConfigRequest(qualifier="LATEST")).body.max_async_retry_attempts
    missing = (404, "AsyncConfigNotExists")
    assert missing == refused(lambda: get("f", models.GetAsyncInvokeConfigRequest(qualifier="1")))


def test_what_one_machine_has_not_is_listed_as_empty_and_refused(world: FcWorld) -> None:
    """The deployment tool lists VPC bindings and scaling; calls that set them are refused."""
    world.create("f")
    provision = models.PutProvisionConfigRequest(body=models.PutProvisionConfigInput(target=1))
    found = world.fc.get_provision_config("f", models.GetProvisionConfigRequest()).body
    scaling = world.fc.get_scaling_config("f", models.GetScalingConfigRequest()).body

    assert (0, 0, None) == (found.target, found.current, scaling.min_instances)
    assert [] == world.fc.list_vpc_bindings("f").body.vpc_ids
    assert [] == world.fc.list_scaling_configs(models.ListScalingConfigsRequest()).body.scaling_configs
    assert [] == world.fc.list_provision_configs(models.ListProvisionConfigsRequest()).body.provision_configs
    assert (501, "NotImplemented") == refused(lambda: world.fc.put_provision_config("f", provision))


def _put_async(world: FcWorld, qualifier: str | None, retries: int, queue: str) -> models.AsyncConfig:
    """Set the asynchronous settings of a qualifier, with a destination for successes."""
    destination = models.DestinationConfig(on_success=models.Destination(destination=queue) if queue else None)
    body = models.PutAsyncInvokeConfigInput(max_async_retry_attempts=retries, destination_config=destination)
    request = models.PutAsyncInvokeConfigRequest(qualifier=qualifier, body=body)
    return world.fc.put_async_invoke_config("f", request).body


def _zip(source: str) -> bytes:
    """Return a zip file with one source file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()
