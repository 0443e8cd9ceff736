"""Requests that nobody signed need not even be requests: whatever comes is refused, and nothing is a fault of ours."""

import hmac
from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.security import signers
from tests.security.harness import Siege
from tests.security.wire import NO_TEXT, Request

PLACES = ("oss", "mns", "imm", "fc")
DATES = (
    "", "yesterday", "²", "9" * 5000, NO_TEXT, "20260101T000000Z", "99990101T000000Z", "00010101T000000Z",
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
ODD = {
    "an odd method": [Request(method, "/") for method in ("OPTIONS", "PATCH", "TRACE", "BREW", "HEAD")],
    "a long path": [Request("GET", "/" + "a" * 60_000)],
    "many parameters": [Request("GET", "/", "&".join(f"a{number}=1" for number in range(5000)))],
    "bytes that are no text": [Request("GET", "/%ff%fe", "%ff=%fe"), Request("GET", "/").plus(host=NO_TEXT)],
    "many headers": [Request("GET", "/", headers={f"x-oss-meta-{number}": "1" for number in range(200)})],
    "no host": [Request("GET", "/").plus(host="")],
    "odd proofs": [Request("GET", "/").plus(authorization=text) for text in ("OSS", " ", "\t", "A" * 50_000, NO_TEXT)],
    "a form that is none": [
        Request("POST", "/mine", headers={"content-type": f"multipart/form-data{rest}"}, body=b"--x\r\n\r\n")
        for rest in ("", "; boundary=", "; boundary=x", "; boundary=" + "x" * 5000, f"; boundary={NO_TEXT}")
    ],
    "a body that is no text": [
        Request("POST", "/", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"\xff\xfe=1")
    ],
}


def refused(siege: Siege, place: str, *requests: Request) -> None:
    """Send requests; each must be refused, and as something that its sender did."""
    before = siege.everything()
    answers = [siege.send(place, request) for request in requests]

    assert [] == [answer for answer in answers if not (400 <= answer.status < 500 or answer.status == 501)]
    assert before == siege.everything()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ODD)
def test_what_is_hardly_a_request_is_refused(siege: Siege, place: str, name: str):
    """At every address."""
    refused(siege, place, *ODD[name])


@pytest.mark.parametrize("date", DATES, ids=range(len(DATES)))
def test_no_date_is_a_fault(siege: Siege, date: str):
    """Wherever one is read: in headers, in URLs, beside every kind of proof."""
    root, coded = siege.root.access_key_id, quote(date.encode("utf-8", "surrogateescape"))
    put, scope = Request("PUT", "/mine/k"), "20260101/cn-hangzhou/oss/aliyun_v4_request"
    for name in ("date", "x-oss-date"):
        v4 = f"OSS4-HMAC-SHA256 Credential={root}/{scope},Signature=00"
        refused(siege, "oss", *(put._replace(headers={name: date, "authorization": f"OSS {root}:x"}),
                                put._replace(headers={name: date, "authorization": v4})))  # fmt: skip
    refused(siege, "oss", put.asking(f"x-oss-signature=1&x-oss-credential={root}/x&x-oss-date={coded}&x-oss-expires=5"))
    for name in ("date", "x-mns-date"):
        headers = {name: date, "x-mns-version": "2015-06-06", "authorization": f"MNS {root}:x"}
        refused(siege, "mns", Request("GET", "/queues/mine", headers=headers))
    acs = {"x-acs-date": date, "authorization": f"ACS3-HMAC-SHA256 Credential={root},SignedHeaders=host,Signature=00"}
    refused(siege, "imm", Request("POST", "/", headers=acs), Request("POST", "/", f"Signature=1&Timestamp={coded}"))
    old = {"date": date, "authorization": f"FC {root}:x"}
    refused(siege, "fc", *(Request("GET", "/2023-03-30/functions", headers=acs),
                           Request("GET", "/2016-08-15/services/any/functions", headers=old)))  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_no_length_of_time_is_a_fault(siege: Siege, number: str):
    """Of a URL that was signed for so long."""
    root, coded = siege.root.access_key_id, quote(number)
    v1 = f"OSSAccessKeyId={root}&Expires={coded}&Signature=1"
    v4 = f"x-oss-signature=1&x-oss-credential={root}/x&x-oss-date=20260101T000000Z&x-oss-expires={coded}"

    refused(siege, "oss", Request("PUT", "/mine/k", v1), Request("PUT", "/mine/k", v4))


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_no_policy_of_a_form_is_a_fault(siege: Siege, policy: bytes):
    """Not even one that its owner has signed."""
    coded = b64encode(policy).decode()
    signature = b64encode(hmac.digest(siege.root.access_key_secret.encode(), coded.encode(), "sha1")).decode()
    fields = {"key": "k", "OSSAccessKeyId": siege.root.access_key_id, "policy": coded, "Signature": signature}

    refused(siege, "oss", signers.form(fields, b"x"))
