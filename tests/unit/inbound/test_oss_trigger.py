"""OSS events as Function Compute passes them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef
from clipstitch.inbound.oss_trigger import parse_oss_trigger

QUIET = settings(database=None, deadline=None, max_examples=300)

# Function Compute, "Formats of event for different triggers", page of April 2026; ids changed.
GOLDEN = """
{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss","eventTime":"2022-08-13T06:45:43.000Z",
 "eventVersion":"1.0",
 "oss":{"bucket":{"arn":"acs:oss:cn-hangzhou:123456789:bkt","name":"bkt","ownerIdentity":"123456789"},
        "object":{"deltaSize":122539,"eTag":"688A7BF4F233DC9C88A80BF985AB7329","key":"manifests/a.json","size":122539},
        "ossSchemaVersion":"1.0","ruleId":"9adac8e253828f4f7c0466d941fa3db811610000"},
 "region":"cn-hangzhou","requestParameters":{"sourceIPAddress":"140.205.0.0"},
 "responseElements":{"requestId":"58F9FF2D3DF792092E120000"},"userIdentity":{"principalId":"123456789"}}]}
"""


def record(key: object, bucket: object = "bkt") -> dict[str, object]:
    """Return one record of an event."""
    return {"eventName": "ObjectCreated:PutObject", "oss": {"bucket": {"name": bucket}, "object": {"key": key}}}


def event(*records: object) -> bytes:
    """Return an event of these records."""
    return json.dumps({"events": records}).encode()


def test_the_documented_event_has_one_upload() -> None:
    """The sample of the vendor's page."""
    assert [ObjectRef("bkt", "manifests/a.json")] == parse_oss_trigger(GOLDEN.encode())


def test_an_event_may_have_several_records() -> None:
    """Every sample has one, but the field is a list; the order is kept."""
    assert [ObjectRef("bkt", "a"), ObjectRef("b2", "b"), ObjectRef("bkt", "a")] == parse_oss_trigger(
        event(record("a"), record("b", "b2"), record("a"))
    )


def test_an_event_without_records_has_no_uploads() -> None:
    """An empty list is valid."""
    assert [] == parse_oss_trigger(event())


@pytest.mark.parametrize("key", ["a b+中.json", "a%20b", "a+b", "{x}", "🎧", "a\n", " ", "a//b", "\u0000", "'\""])
def test_keys_are_not_changed(key: str) -> None:
    """Keys are not URL-decoded and not trimmed."""
    assert [ObjectRef("bkt", key)] == parse_oss_trigger(event(record(key)))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@QUIET
def test_any_key_is_parsed(key: str) -> None:
    """JSON with and without escape sequences."""
    raw = json.dumps({"events": [record(key)]}, ensure_ascii=False).encode()

    assert [ObjectRef("bkt", key)] == parse_oss_trigger(event(record(key))) == parse_oss_trigger(raw)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"events"',
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"events": null}',
        b'{"events": {}}',
        b'{"events": "ab"}',
        b'{"events": ""}',
        b'{"events": [null]}',
        b'{"events": [{}]}',
        b'{"events": [{"oss": {"bucket": "bkt", "object": "key"}}]}',
        event(record(None)),
        event(record(7)),
        event(record("")),
        event(record("a", "")),
        event(record("a", ["bkt"])),
        event(record("\ud83d")),
        event(record("a"), record(None)),
    ],
)
def test_any_other_message_is_an_error(message: bytes) -> None:
    """The error has the beginning of the message."""
    with pytest.raises(InvalidTriggerEvent, match="not an OSS trigger's event"):
        parse_oss_trigger(message)


def test_a_truncated_event_is_an_error() -> None:
    """At every byte."""
    whole = GOLDEN.strip().encode()
    for length in range(len(whole)):
        with pytest.raises(InvalidTriggerEvent):
            parse_oss_trigger(whole[:length])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["events", "oss", "bucket", "object", "name", "key"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary() | JUNK.map(lambda junk: json.dumps(junk).encode()) | JUNK.map(event))
@QUIET
def test_any_bytes_are_uploads_or_an_error(message: bytes) -> None:
    """The result is a list of objects, or InvalidTriggerEvent."""
    try:
        found = parse_oss_trigger(message)
    except InvalidTriggerEvent:
        return

    assert all(isinstance(ref, ObjectRef) and ref.uri.encode() for ref in found)
