"""Versions and aliases through the vendor's client: which code and which configuration runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_fc20230330 import models

from tests.localyun.fc_world import FcWorld, refused, running_fc_world

VERSION_OF_CONTEXT = """
import os

def handler(event, context):
    about = context.function
    return f"{about.qualifier},{about.version_id},{os.environ['FC_QUALIFIER']},{os.environ['FC_VER_ID']}"
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FcWorld]:
    """Run a local cloud with a function whose first version has the tag `first`, and which then has `second`."""
    with running_fc_world(tmp_path) as world:
        world.create("f")
        world.publish("f", "the first")
        world.update("f", tag="second")
        yield world


def test_a_version_runs_the_function_as_it_was_published(world: FcWorld) -> None:
    """Code and configuration of a version never change; LATEST is the current function."""
    world.update("f", source="def handler(event, context):\n    return 'other code'", timeout=5)

    assert b"first" == world.invoke("f", qualifier="1")
    assert b"other code" == world.invoke("f")
    assert b"other code" == world.invoke("f", qualifier="LATEST")
    found = [world.fc.get_function("f", models.GetFunctionRequest(qualifier=one)).body for one in ("1", "LATEST")]
    assert [20, 5] == [function.timeout for function in found]
    assert found[0].code_checksum != found[1].code_checksum


def test_a_function_sees_its_version(world: FcWorld) -> None:
    """The context of runtime python3.12 and the environment have it; the id of LATEST is empty."""
    world.create("g", VERSION_OF_CONTEXT, runtime="python3.12")
    world.publish("g")

    assert b"LATEST,,LATEST," == world.invoke("g")
    assert b"1,1,1,1" == world.invoke("g", qualifier="1")


def test_an_alias_runs_the_version_to_which_it_points(world: FcWorld) -> None:
    """Changing the alias changes the next invocation."""
    world.publish("f")
    created = world.alias("f", "prod", "1")
    before = world.invoke("f", qualifier="prod")
    body = models.UpdateAliasInput(version_id="2", description="moved")
    updated = world.fc.update_alias("f", "prod", models.UpdateAliasRequest(body=body)).body
    found = world.fc.get_alias("f", "prod").body

    assert (b"first", b"second") == (before, world.invoke("f", qualifier="prod"))
    assert ("prod", "1", "") == (created.alias_name, created.version_id, created.description)
    assert ("prod", "2", "moved", created.created_time) == (
        found.alias_name,
        found.version_id,
        found.description,
        found.created_time,
    )
    assert updated.to_map() == found.to_map()


def test_a_weight_sends_a_share_of_the_invocations_to_another_version(world: FcWorld) -> None:
    """With 0.5 both versions run: that one of them does not within 40 invocations has a probability of 2 in 10^12."""
    world.publish("f")
    world.alias("f", "half", "1", {"2": 0.5})
    world.alias("f", "all", "1", {"2": 1.0})
    world.alias("f", "none", "1", {"2": 0.0})

    def tags(alias: str, count: int) -> set[bytes]:
        return {world.invoke("f", qualifier=alias) for _ in range(count)}

    assert {b"first", b"second"} == tags("half", 40)
    assert {b"second"} == tags("all", 5)
    assert {b"first"} == tags("none", 5)


def test_asynchronous_invocations_and_triggers_have_a_qualifier(world: FcWorld) -> None:
    """A trigger with an alias follows the alias."""
    world.publish("f")
    world.alias("f", "prod", "1")
    world.trigger("f", "in", qualifier="prod")
    topic = "acs:mns:cn-hangzhou:1234567890123456:/topics/jobs"
    config = '{"notifyContentFormat": "STREAM"}'
    world.trigger("f", "topic", trigger_type="mns_topic", source_arn=topic, trigger_config=config, qualifier="1")
    timer = '{"cronExpression": "@every 100s", "payload": "tick"}'
    role = {"source_arn": None, "invocation_role": None}
    world.invoke("f", b"by hand", qualifier="prod", kind="Async")
    world.bucket.put_object("in/a", b"")
    world.services.messages.publish("jobs", "a message")
    first = world.lines(3)
    world.fc.update_alias("f", "prod", models.UpdateAliasRequest(body=models.UpdateAliasInput(version_id="2")))
    world.bucket.put_object("in/b", b"")
    second = world.lines(4)[3]
    world.trigger("f", "timer", trigger_type="timer", trigger_config=timer, qualifier="1", **role)

    assert ["first"] * 3 == [line.split()[0] for line in first]
    assert second.startswith("second ")
    assert world.lines(5)[4].startswith("first ")


def test_versions_are_listed_and_their_numbers_are_not_used_again(world: FcWorld) -> None:
    """Newest first unless the direction is FORWARD, with more than nine versions, in pages."""
    for _ in range(10):
        world.publish("f")
    world.fc.delete_function_version("f", "11")
    again = world.publish("f")

    def listed(direction: str | None) -> list[list[str]]:
        pages: list[list[str]] = []
        token = None
        while not pages or token:
            request = models.ListFunctionVersionsRequest(direction=direction, limit=6, next_token=token)
            body = world.fc.list_function_versions("f", request).body
            pages.append([version.version_id for version in body.versions])
            token = body.next_token
        return pages

    assert "12" == again.version_id
    assert [["12", "10", "9", "8", "7", "6"], ["5", "4", "3", "2", "1"]] == listed(None)
    assert [["1", "2", "3", "4", "5", "6"], ["7", "8", "9", "10", "12"]] == listed("FORWARD")
    request = models.ListFunctionVersionsRequest(direction="FORWARD", limit=1)
    [first] = world.fc.list_function_versions("f", request).body.versions
    assert ("the first", first.created_time) == (first.description, first.last_modified_time)


def test_aliases_are_listed_by_prefix_and_deleted(world: FcWorld) -> None:
    """A deleted alias answers AliasNotFound everywhere; an event for its trigger is dropped, its object is stored."""
    for name in ("prod", "pre", "test"):
        world.alias("f", name, "1")
    world.trigger("f", "in", qualifier="test")
    page = world.fc.list_aliases("f", models.ListAliasesRequest(prefix="pr")).body.aliases
    world.fc.delete_alias("f", "test")
    world.bucket.put_object("in/a", b"stored")

    assert ["pre", "prod"] == [alias.alias_name for alias in page]
    missing = (404, "AliasNotFound")
    assert missing == refused(lambda: world.fc.get_alias("f", "test"))
    assert missing == refused(lambda: world.fc.delete_alias("f", "test"))
    assert missing == refused(lambda: world.invoke("f", qualifier="test"))
    assert missing == refused(lambda: world.invoke("f", qualifier="test", kind="Async"))
    assert b"stored" == world.bucket.get_object("in/a").read()


def test_invalid_versions_and_aliases_are_rejected(world: FcWorld) -> None:
    """A version that an alias uses cannot be deleted."""
    world.alias("f", "prod", "1")

    assert (409, "AliasAlreadyExists") == refused(lambda: world.alias("f", "prod", "1"))
    invalid = (400, "InvalidArgument")
    assert invalid == refused(lambda: world.alias("f", "1", "1"))
    assert invalid == refused(lambda: world.alias("f", "LATEST", "1"))
    assert invalid == refused(lambda: world.alias("f", "a", "1", {"LATEST": 1.5}))
    assert invalid == refused(lambda: world.fc.delete_function_version("f", "1"))
    assert invalid == refused(lambda: world.fc.delete_function_version("f", "LATEST"))
    major = (400, "AdditionalVersionContainsMajorVersion")
    assert major == refused(lambda: world.alias("f", "a", "1", {"1": 0.5}))
    missing = (404, "VersionNotFound")
    assert missing == refused(lambda: world.alias("f", "a", "9"))
    assert missing == refused(lambda: world.alias("f", "a", "1", {"9": 0.5}))
    assert missing == refused(lambda: world.invoke("f", qualifier="9"))
    assert missing == refused(lambda: world.fc.delete_function_version("f", "9"))
    assert missing == refused(lambda: world.fc.get_function("f", models.GetFunctionRequest(qualifier="9")))


def test_the_older_api_has_the_qualifier_in_the_name_of_the_service(world: FcWorld) -> None:
    """aliyun-fc2 sends services/NAME.QUALIFIER."""
    import fc2

    key = world.key
    client = fc2.Client(endpoint=world.fc_url, accessKeyID=key.access_key_id, accessKeySecret=key.access_key_secret)

    assert b"first" == client.invoke_function("any", "f", qualifier="1").data
    assert b"second" == client.invoke_function("any", "f").data
