"""Completion messages in every shape that is known, and nothing but BadNotice for the rest."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef
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
NOTICE = CompletionNotification("MediaConvert-db7faf5a-0000", succeeded=True, targets=(ObjectRef("bkt", "out.mp3"),))


def dumps(value: object) -> str:
    """Write JSON."""
    return json.dumps(value, ensure_ascii=False)


def b64(text: str) -> str:
    """Write Base64, as queue clients do."""
    return base64.b64encode(text.encode()).decode()


def envelope(content: object = CONTENT) -> str:
    """Return the envelope of today."""
    return dumps({**HEAD, "content": content})


def cloud_event(data: object) -> str:
    """Return the shape that EventBridge gives it."""
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
WRAPPINGS: dict[str, Callable[[str], str]] = {
    "STREAM": str,
    "STREAM with attributes": lambda body: dumps({"body": body, "attrs": {"Extend": '{"key":"value"}'}}),
    "JSON": lambda body: dumps({**SUBSCRIPTION, "Message": body}),
    "JSON with attributes": lambda body: dumps({**SUBSCRIPTION, "Message": body, "key": "value"}),
    "JSON with attributes named like ours": lambda body: dumps(
        {"TaskId": "x", "TaskType": "y", "body": "z", "data": "{}", **SUBSCRIPTION, "Message": body}
    ),
}
SHAPES = [
    pytest.param(wrap(code(body)), id=f"{wrapping}, {name}{coded}")
    for wrapping, wrap in WRAPPINGS.items()
    for name, body in BODIES.items()
    for coded, code in {"": str, " in Base64": b64}.items()
]


def content(**fields: object) -> bytes:
    """Return the golden envelope with some fields of its content changed."""
    return envelope(dumps({**json.loads(CONTENT), **fields})).encode()


def lacking(*names: str) -> bytes:
    """Return the golden envelope without some fields of its content."""
    return envelope(dumps({name: value for name, value in json.loads(CONTENT).items() if name not in names})).encode()


@pytest.mark.parametrize("text", SHAPES)
def test_every_known_shape_says_the_same(text: str) -> None:
    """Envelope, bare or CloudEvents; as it is or in Base64; in whatever Function Compute wraps it."""
    assert NOTICE == parse_notification(text.encode())


@pytest.mark.parametrize("text", SHAPES)
def test_a_message_cut_off_anywhere_is_refused(text: str) -> None:
    """At every byte: never taken for a notice, wrong or right."""
    whole = text.encode()
    read = []
    for length in range(len(whole)):
        try:
            read.append((length, parse_notification(whole[:length])))
        except InvalidNotification:
            continue

    assert [] == read


def test_blanks_around_a_message_do_not_matter() -> None:
    """JSON allows them."""
    assert NOTICE == parse_notification(b"\n " + envelope().encode() + b"\r\n")


def test_a_failure_has_its_reason_and_perhaps_its_target() -> None:
    """The shape is inferred: no printed example of a failed task exists."""
    message = content(Status="Failed", Code="InvalidArgument", Message="File does not exist.")

    assert (
        CompletionNotification(NOTICE.task_id, False, "InvalidArgument", "File does not exist.", NOTICE.targets)
    ) == parse_notification(message)


@pytest.mark.parametrize(
    "targets", [None, [], "oss://bkt/a", {}, [None], [{}], [{"URI": ""}], [{"URI": None}], [{"URI": "http://x/y"}], [7]]
)
def test_a_failure_need_not_name_what_it_would_have_made(targets: object) -> None:
    """Null, empty or unreadable: the task id is there."""
    notice = parse_notification(content(Status="Failed", Targets=targets))

    assert CompletionNotification(NOTICE.task_id, succeeded=False) == notice


def test_unreadable_targets_are_passed_over() -> None:
    """The readable ones count."""
    notice = parse_notification(
        content(Targets=[{"URI": ""}, {"URI": "oss://b/a b+中.mp3"}, None, {"URI": "oss://c/{d}"}])
    )

    assert (ObjectRef("b", "a b+中.mp3"), ObjectRef("c", "{d}")) == notice.targets


def test_a_message_without_a_task_type_is_about_media() -> None:
    """The oldest form does not always have it."""
    assert NOTICE == parse_notification(lacking("TaskType"))


def test_missing_reasons_are_empty() -> None:
    """Code and Message may be absent, or null."""
    assert NOTICE == parse_notification(lacking("Code", "Message"))
    assert NOTICE == parse_notification(content(Code=None, Message=None))


def test_a_very_long_reason_is_cut() -> None:
    """It ends in an event, which must fit into a message of 64 KB itself."""
    notice = parse_notification(content(Status="Failed", Message="x" * 60_000))

    assert "x" * MAX_REASON_CHARACTERS == notice.message


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
def test_other_tasks_are_none_of_our_business(message: bytes) -> None:
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
        lacking("Status"),
        lacking("TaskId"),
        lacking("TaskId", "TaskType"),
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
def test_anything_else_is_refused(message: bytes) -> None:
    """One clear error, which shows the beginning of what came; the message goes to the dead letters as it is."""
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
def test_garbage_is_refused_and_nothing_else_happens(message: bytes) -> None:
    """A notice that can be stored, None, or BadNotice."""
    try:
        notice = parse_notification(message)
    except InvalidNotification:
        return

    assert notice is None or (notice.task_id and repr(notice).encode())
