"""The faster reader of listings, compared with the SDK's own."""

from types import SimpleNamespace
from urllib.parse import quote
from xml.sax.saxutils import escape

import oss2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.adapters.oss_listing import read_page

XML_TEXT = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
KEYS = st.text(XML_TEXT | st.sampled_from("/%+ &<é"), min_size=1, max_size=30)
TIMES = st.sampled_from(["2026-01-02T03:04:05.000Z", "2012-02-24T08:43:07.000Z"])
OBJECTS = st.lists(st.tuples(KEYS, TIMES, st.integers(0, 1 << 45), st.text("0123456789ABCDEF-", min_size=1)))


def page(objects: list[tuple[str, str, int, str]], folders: list[str], token: str, *, encoded: bool) -> bytes:
    """Return an answer of ListObjectsV2."""

    def name(key: str) -> str:
        return escape(quote(key, safe="") if encoded else key)

    contents = [
        f"<Contents><Key>{name(key)}</Key><LastModified>{modified}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
        f"<Type>Normal</Type><Size>{size}</Size><StorageClass>Standard</StorageClass></Contents>"
        for key, modified, size, etag in objects
    ]
    common = [f"<CommonPrefixes><Prefix>{name(key)}</Prefix></CommonPrefixes>" for key in folders]
    more = f"<NextContinuationToken>{name(token)}</NextContinuationToken>" if token else ""
    return (
        f"<ListBucketResult><Name>acme</Name><EncodingType>{'url' if encoded else ''}</EncodingType>"
        f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>{more}{''.join(contents + common)}</ListBucketResult>"
    ).encode()


def empty_result() -> SimpleNamespace:
    """Return a result of the SDK into which a page can be read."""
    return SimpleNamespace(is_truncated=False, next_continuation_token="", object_list=[], prefix_list=[])


@given(OBJECTS, st.lists(KEYS), st.just("") | KEYS, st.booleans())
@settings(database=None, deadline=None, max_examples=200)
def test_a_page_is_read_as_the_sdk_reads_it(
    objects: list[tuple[str, str, int, str]], folders: list[str], token: str, encoded: bool
) -> None:
    """Objects, folders, and where the next page begins; with any keys."""
    body = page(objects, folders, token, encoded=encoded)
    ours, theirs = empty_result(), empty_result()
    read_page(ours, body)
    oss2.xml_utils.parse_list_objects_v2(theirs, body)

    assert [(each.key, each.size, each.last_modified, each.etag) for each in theirs.object_list] == [
        (each.key, each.size, int(each.last_modified.timestamp()), each.etag) for each in ours.object_list
    ]
    assert theirs.prefix_list == ours.prefix_list
    assert (theirs.is_truncated, theirs.next_continuation_token) == (ours.is_truncated, ours.next_continuation_token)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>busy</body></html>",
        page([("a", "2026-01-02T03:04:05.000Z", 1, "E")], [], "", encoded=True)[:-30],
        page([("a", "soon", 1, "E")], [], "", encoded=True),
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>",
    ],
    ids=["empty", "another document", "cut short", "no time", "no size"],
)
def test_an_incomplete_page_is_an_error(body: bytes) -> None:
    """An empty listing would look like a job without facts."""
    with pytest.raises((SyntaxError, ValueError)):
        read_page(empty_result(), body)
