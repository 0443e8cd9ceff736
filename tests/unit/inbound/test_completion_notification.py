"""Completion notifications in every known format; anything else is InvalidNotification."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.render_task import RenderTask
from clipstitch.inbound.completion_notification import MAX_REASON_CHARACTERS, CompletionNotification, parse_notification

QUIET = settings(database=None, deadline=None, max_examples=300)

# IMM, "Asynchronous notification format", page of October 2024, with ids and names changed: an envelope, whose
# `content` is JSON in a text.
CONTENT = (
    '{"ProjectName":"proj","DatasetName":"","RequestId":"F9F8F37F-0000","StartTime":"2024-08-20T07:03:07.36Z",'
    '"EndTime":"2024-08-20T07:03:08.57Z","UserData":"","TaskType":"MediaConvert","TaskId":"MediaConvert-db7faf5a-0000",'
    '"Status":"Succeeded","Code":"","Message":"","EventSourceId":"","Sources":[{"URI":"oss://bkt/in.mp4",'
    '"SubtitleSources":null}],"Targets":[{"URI":"oss://bkt/out.mp3","Subtitle":{"Extract":{"URI":""}},'
    '"Image":{"Sprites":null,"Snapshots":null,"Animations":null}}]}'
)
HEAD = {
    "id": "25E-1uBJxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "source": "acs.imm",
    "type": "imm:Task:MediaConvert",
    "subject": "acs:imm:cn-beijing:1023210024670000:proj/imm:Task:MediaConvert",
    "time": "1724133063161",
}
NOTIFICATION = CompletionNotification(
    "MediaConvert-db7faf5a-0000", succeeded=True, targets=(ObjectRef("bkt", "out.mp3"),)
)


def dumps(value: object) -> str:
    """Return JSON."""
    return json.dumps(value, ensure_ascii=False)


def b64(text: str) -> str:
    """Return Base64, as queue clients do."""
    return base64.b64encode(text.encode()).decode()


def envelope(content: object = CONTENT) -> str:
    """Return the current envelope."""
    return dumps({**HEAD, "content": content})


def cloud_event(data: object) -> str:
    """Return a CloudEvent as EventBridge sends it."""
    return dumps({"specversion": "1.0", **HEAD, "data": data})


BODIES = {
    "envelope": envelope(),
    "envelope with an object": envelope(json.loads(CONTENT)),
    "bare content": CONTENT,
    "CloudEvents": cloud_event(json.loads(CONTENT)),
    "content in Base64": envelope(b64(CONTENT)),
}
SUBSCRIPTION = {  # Function Compute, "SMQ topic trigger", event template "JSON"
    "TopicOwner": "1186",
    "Subscriber": "1186",
    "PublishTime": 1550216480040,
    "SubscriptionName": "sub",
    "MessageMD5": "BA4B",
    "TopicName": "jobs",
    "MessageId": "2F5B",
}
WRAPPERS: dict[str, Callable[[str], str]] = {
    "STREAM": str,
    "STREAM with attributes": lambda body: dumps({"body": body, "attrs": {"Extend": '{"key":"value"}'}}),
    "JSON": lambda body: dumps({**SUBSCRIPTION, "Message": body}),
    "JSON with attributes": lambda body: dumps({**SUBSCRIPTION, "Message": body, "key": "value"}),
    "JSON with attributes named like fields of the content": lambda body: dumps(
        {"TaskId": "x", "TaskType": "y", "body": "z", "data": "{}", **SUBSCRIPTION, "Message": body}
    ),
}
CODINGS: dict[str, Callable[[str], str]] = {"": str, " in Base64": b64}
FORMATS = [
    pytest.param(wrap(code(body)), id=f"{wrapper}, {name}{coded}")
    for wrapper, wrap in WRAPPERS.items()
    for name, body in BODIES.items()
    for coded, code in CODINGS.items()
]


def content(**fields: object) -> bytes:
    """Return the documented envelope with some fields of its content changed."""
    return envelope(dumps({**json.loads(CONTENT), **fields})).encode()


def without(*names: str) -> bytes:
    """Return the documented envelope without some fields of its content."""
    return envelope(dumps({name: value for name, value in json.loads(CONTENT).items() if name not in names})).encode()


@pytest.mark.parametrize("text", FORMATS)
def test_every_known_format_is_parsed(text: str) -> None:
    """Envelope, bare or CloudEvents; plain or in Base64; in each wrapper of Function Compute."""
    assert NOTIFICATION == parse_notification(text.encode())


@pytest.mark.parametrize("text", FORMATS)
def test_a_truncated_message_is_an_error(text: str) -> None:
    """At every byte."""
    whole = text.encode()
    read = []
    for length in range(len(whole)):
        try:
            read.append((length, parse_notification(whole[:length])))
        except InvalidNotification:
            continue

    assert [] == read


def test_white_space_around_a_message_is_ignored() -> None:
    """JSON allows it."""
    assert NOTIFICATION == parse_notification(b"\n " + envelope().encode() + b"\r\n")


def test_a_failure_has_its_reason_and_its_target() -> None:
    """The format is inferred: the vendor documents no example of a failed task."""
    message = content(Status="Failed", Code="InvalidArgument", Message="File does not exist.")

    assert (
        CompletionNotification(
            NOTIFICATION.task_id, False, "InvalidArgument", "File does not exist.", NOTIFICATION.targets
        )
    ) == parse_notification(message)


@pytest.mark.parametrize(
    "targets", [None, [], "oss://bkt/a", {}, [None], [{}], [{"URI": ""}], [{"URI": None}], [{"URI": "http://x/y"}], [7]]
)
def test_a_failure_need_not_have_targets(targets: object) -> None:
    """The targets may be null, empty or not valid."""
    notification = parse_notification(content(Status="Failed", Targets=targets))

    assert CompletionNotification(NOTIFICATION.task_id, succeeded=False) == notification


def test_targets_that_are_not_valid_are_skipped() -> None:
    """The valid ones are returned."""
    notification = parse_notification(
        content(Targets=[{"URI": ""}, {"URI": "oss://b/a b+中.mp3"}, None, {"URI": "oss://c/{d}"}])
    )

    assert notification
    assert (ObjectRef("b", "a b+中.mp3"), ObjectRef("c", "{d}")) == notification.targets


def test_a_message_without_a_task_type_is_about_media() -> None:
    """The oldest format does not always have the field."""
    assert NOTIFICATION == parse_notification(without("TaskType"))


def test_missing_reasons_are_empty() -> None:
    """Code and Message may be missing or null."""
    assert NOTIFICATION == parse_notification(without("Code", "Message"))
    assert NOTIFICATION == parse_notification(content(Code=None, Message=None))


def test_a_long_reason_is_truncated() -> None:
    """It becomes part of an event, which must fit into a message of 64 KB."""
    notification = parse_notification(content(Status="Failed", Message="x" * 60_000))

    assert notification
    assert "x" * MAX_REASON_CHARACTERS == notification.message


@pytest.mark.parametrize(
    "message",
    [
        content(TaskType="IndexFileMeta", Success=True),
        content(TaskType="VideoLabelClassification"),
        envelope({"TaskType": "IndexFileMeta", "TaskId": "IndexFileMeta-1", "Success": True}).encode(),
        dumps({"TaskType": "FileCompression"}).encode(),
        content(TaskType=None),
        content(TaskType=[]),
    ],
)
def test_notifications_of_other_task_types_are_ignored(message: bytes) -> None:
    """A topic may be shared."""
    assert parse_notification(message) is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello topic",
        b"null",
        b"[]",
        b"42",
        b'"text"',
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"bm90IGpzb24=",
        envelope("").encode(),
        envelope(None).encode(),
        envelope("hello").encode(),
        dumps({"body": "hello topic", "attrs": {}}).encode(),
        dumps({**SUBSCRIPTION, "Message": "hello topic"}).encode(),
        dumps(HEAD).encode(),
        without("Status"),
        without("TaskId"),
        without("TaskId", "TaskType"),
        content(Status="Running"),
        content(Status="succeeded"),
        content(Status=None),
        content(Status=[]),
        content(Status={"Succeeded": True}),
        content(TaskId=""),
        content(TaskId=None),
        content(TaskId=7),
        content(TaskId=["MediaConvert-1"]),
        envelope('{"TaskId": "\\ud83d", "Status": "Succeeded"}').encode(),
        envelope('{"TaskId": "t", "Status": "Failed", "Message": "\\ud83d"}').encode(),
        envelope('{"TaskId": "t", "Status": "Failed", "Targets": [{"URI": "oss://b/\\ud83d"}]}').encode(),
    ],
)
def test_any_other_message_is_an_error(message: bytes) -> None:
    """The error has the beginning of the message."""
    with pytest.raises(InvalidNotification, match=r"b['\"]"):
        parse_notification(message)


NAMES = st.sampled_from(
    ["Message", "body", "content", "data", "TaskId", "TaskType", "Status", "Targets", "URI", "Code"]
)
WORDS = st.sampled_from(["MediaConvert", "Succeeded", "Failed", "oss://b/k", "{}", "e30=", CONTENT])
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner | inner.map(json.dumps), max_size=5),
    max_leaves=12,
)


@given(st.binary() | JUNK.map(lambda junk: json.dumps(junk).encode()) | JUNK.map(lambda junk: envelope(junk).encode()))
@settings(QUIET, max_examples=600)
def test_any_bytes_are_a_notification_or_an_error(message: bytes) -> None:
    """The result is a notification that can be stored, None, or InvalidNotification."""
    try:
        notification = parse_notification(message)
    except InvalidNotification:
        return

    assert notification is None or (notification.task_id and repr(notification).encode())


RENDER = RenderTask("20260102T030405Z-0123456789ab", 3, 2, ObjectRef("acme", "_clipstitch/work/x/step-003.mp3"))


def record(payload: str, **changes: object) -> bytes:
    """Return the record of an asynchronous invocation."""
    return dumps(
        {
            "timestamp": 1,
            "requestContext": {"requestId": "1", "condition": ""},
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "functionError": ""},
            "responsePayload": "",
            **changes,
        }
    ).encode()


def test_the_record_of_a_render_task_is_its_notification() -> None:
    """Bare, in Base64, and in the wrapper of a topic."""
    body = record(RENDER.payload().decode())
    wrapped = dumps({"SubscriptionName": "s", "Message": base64.b64encode(body).decode()}).encode()
    expected = CompletionNotification(RENDER.id, succeeded=True, targets=(RENDER.target,))

    assert [expected] * 3 == [parse_notification(one) for one in (body, base64.b64encode(body), wrapped)]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {
                "responseContext": {"functionError": "UnhandledInvocationError"},
                "responsePayload": '{"errorMessage": "NOT_AUDIO: clip `a`", "errorType": "RuntimeError"}',
            },
            "NOT_AUDIO",
            "clip `a`",
        ),
        (
            {"responseContext": {"functionError": "x"}, "responsePayload": '{"errorMessage": "it timed out"}'},
            "RENDER_FAILED",
            "it timed out",
        ),
        ({"requestContext": {"condition": "FunctionOutOfMemory"}}, "FunctionOutOfMemory", "FunctionOutOfMemory"),
        ({"responseContext": {"functionError": "x"}, "responsePayload": "[1]"}, "RENDER_FAILED", "[1]"),
        ({"responseContext": None, "requestContext": None, "responsePayload": None}, "", ""),
    ],
)
def test_a_failed_render_task_has_its_reason(changes: dict[str, object], code: str, message: str) -> None:
    """The code that the function gave, or why it was ended; without either, it succeeded."""
    notification = parse_notification(record(RENDER.payload().decode(), **changes))

    assert notification is not None
    assert (code, message) == (notification.code, notification.message)
    assert (not code) == notification.succeeded


@pytest.mark.parametrize("payload", ["", "[]", "{}", '{"task": "render-x-1-1"}', '{"task": 1, "target": 2}'])
def test_the_record_of_another_function_is_ignored(payload: str) -> None:
    """Its destination may be the same topic."""
    assert parse_notification(record(payload)) is None
