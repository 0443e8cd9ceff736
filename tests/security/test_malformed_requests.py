"""Malformed, unsigned requests get a client error, never a server error, and change nothing."""

import hmac
from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.security import signers
from tests.security.harness import Harness
from tests.security.wire import NOT_UTF8, Request

SERVICES = ("oss", "mns", "imm", "fc")
DATES = (
    "", "yesterday", "²", "9" * 5000, NOT_UTF8, "20260101T000000Z", "99990101T000000Z", "00010101T000000Z",
    "Thu, 01 Jan 1970 00:00:00 +9999", "Thu, 01 Jan 1970 00:00:00 -9999", "Thu, 01 Jan 0000 00:00:00 GMT",
    "Thu, 01 Jan 99999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359",
    "Thu, 32 Jan 2026 25:61:61 GMT", "Thu, 01 Jan 2026 00:00:00", "Thu, 01 Jan 2026 00:00:00 -0000",
)  # fmt: skip
NUMBERS = ("9" * 5000, "-1", "0", "²", "٣", "1e9", "")
POLICIES = (
    b"[]", b"7", b"{}", b"\xff", b"[" * 100_000, b'{"expiration": 7}',
    *(b'{"expiration": "2099-01-01T00:00:00.000Z", "conditions": %s}' % conditions for conditions in (
        b"7", b"[7, null, []]", b'[["content-length-range", 1e999, 2]]',
        b'[["in", "$key", [[1]]]]', b'[{"a": {"b": 1}}]',
        b'["\\ud800"]', b'[["eq", "$key", "' + b"k" * 100_000 + b'"]]',
    )),
)  # fmt: skip
MALFORMED = {
    "an unsupported method": [Request(method, "/") for method in ("OPTIONS", "PATCH", "TRACE", "BREW", "HEAD")],
    "a long path": [Request("GET", "/" + "a" * 60_000)],
    "many parameters": [Request("GET", "/", "&".join(f"a{number}=1" for number in range(5000)))],
    "bytes that are not UTF-8": [Request("GET", "/%ff%fe", "%ff=%fe"), Request("GET", "/").with_headers(host=NOT_UTF8)],
    "many headers": [Request("GET", "/", headers={f"x-oss-meta-{number}": "1" for number in range(200)})],
    "no host": [Request("GET", "/").with_headers(host="")],
    "malformed authorization headers": [
        Request("GET", "/").with_headers(authorization=text) for text in ("OSS", " ", "\t", "A" * 50_000, NOT_UTF8)
    ],
    "a malformed form": [
        Request("POST", "/mine", headers={"content-type": f"multipart/form-data{rest}"}, body=b"--x\r\n\r\n")
        for rest in ("", "; boundary=", "; boundary=x", "; boundary=" + "x" * 5000, f"; boundary={NOT_UTF8}")
    ],
    "a body that is not UTF-8": [
        Request("POST", "/", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"\xff\xfe=1")
    ],
}


def check_refused(harness: Harness, service: str, *requests: Request) -> None:
    """Send requests, and assert that each gets a client error (or 501) and changes nothing."""
    before = harness.snapshot()
    responses = [harness.send(service, request) for request in requests]

    assert [] == [response for response in responses if not (400 <= response.status < 500 or response.status == 501)]
    assert before == harness.snapshot()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_gets_a_client_error(harness: Harness, service: str, name: str) -> None:
    """Every service refuses every kind of malformed request."""
    check_refused(harness, service, *MALFORMED[name])


@pytest.mark.parametrize("date", DATES, ids=range(len(DATES)))
def test_a_malformed_date_gets_a_client_error(harness: Harness, date: str) -> None:
    """The date is in a header or in the query, with the signature methods of every service."""
    key_id, encoded = harness.owner.access_key_id, quote(date.encode("utf-8", "surrogateescape"))
    put, scope = Request("PUT", "/mine/k"), "20260101/cn-hangzhou/oss/aliyun_v4_request"
    for name in ("date", "x-oss-date"):
        v4 = f"OSS4-HMAC-SHA256 Credential={key_id}/{scope},Signature=00"
        check_refused(harness, "oss", *(put._replace(headers={name: date, "authorization": f"OSS {key_id}:x"}),
                                put._replace(headers={name: date, "authorization": v4})))  # fmt: skip
    check_refused(
        harness,
        "oss",
        put.with_query(f"x-oss-signature=1&x-oss-credential={key_id}/x&x-oss-date={encoded}&x-oss-expires=5"),
    )
    for name in ("date", "x-mns-date"):
        headers = {name: date, "x-mns-version": "2015-06-06", "authorization": f"MNS {key_id}:x"}
        check_refused(harness, "mns", Request("GET", "/queues/mine", headers=headers))
    acs_headers = {
        "x-acs-date": date,
        "authorization": f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders=host,Signature=00",
    }
    check_refused(
        harness,
        "imm",
        Request("POST", "/", headers=acs_headers),
        Request("POST", "/", f"Signature=1&Timestamp={encoded}"),
    )
    fc_headers = {"date": date, "authorization": f"FC {key_id}:x"}
    check_refused(harness, "fc", *(Request("GET", "/2023-03-30/functions", headers=acs_headers),
                           Request("GET", "/2016-08-15/services/any/functions", headers=fc_headers)))  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_a_malformed_validity_of_a_signed_url_gets_a_client_error(harness: Harness, number: str) -> None:
    """Both the expiry time of V1 and the duration of V4."""
    key_id, encoded = harness.owner.access_key_id, quote(number)
    v1 = f"OSSAccessKeyId={key_id}&Expires={encoded}&Signature=1"
    v4 = f"x-oss-signature=1&x-oss-credential={key_id}/x&x-oss-date=20260101T000000Z&x-oss-expires={encoded}"

    check_refused(harness, "oss", Request("PUT", "/mine/k", v1), Request("PUT", "/mine/k", v4))


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_a_malformed_policy_of_a_form_gets_a_client_error(harness: Harness, policy: bytes) -> None:
    """The policy has a valid signature of the account's owner."""
    encoded = b64encode(policy).decode()
    signature = b64encode(hmac.digest(harness.owner.access_key_secret.encode(), encoded.encode(), "sha1")).decode()
    fields = {"key": "k", "OSSAccessKeyId": harness.owner.access_key_id, "policy": encoded, "Signature": signature}

    check_refused(harness, "oss", signers.form(fields, b"x"))
