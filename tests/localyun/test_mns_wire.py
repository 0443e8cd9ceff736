"""The bytes on the wire of the MNS endpoint: signatures, errors, XML."""

import http.client
import io
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from hashlib import md5
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from mns.mns_exception import MNSServerException

from localyun.errors import ServiceError
from localyun.http import HttpRequest, asgi_app
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import hmac_base64, hmac_v4
from localyun.smq.http.signatures import authenticate, text_v1, text_v4
from tests.localyun.mns_world import KEY, ROLE, AdjustableClock, EndpointSlot, World, running, served

NS = "{http://mns.aliyuncs.com/doc/v1}"
# The SDK deprecates the counters of a queue, and uses them itself.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated function")
SPACE = 'xmlns="http://mns.aliyuncs.com/doc/v1/"'


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[EndpointSlot, str]]:
    """Serve all tests of this module at one URL."""
    slot = EndpointSlot()
    with served(asgi_app(slot.answer)) as url:
        yield slot, url


@pytest.fixture
def w(tmp_path: Path, address: tuple[EndpointSlot, str]) -> Iterator[World]:
    """Run a new service with one queue, q."""
    with running(*address, tmp_path) as new:
        new.service.queues.create("q")
        yield new


def call(method: str, target: str, body: bytes = b"", **headers: str) -> HttpRequest:
    """Return a request as the HTTP layer passes it on; header names have _ instead of -."""
    path, _, query = target.partition("?")
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return HttpRequest(method, path, query, named, io.BytesIO(body))


def signed(method: str, target: str, body: bytes = b"", key: Credential = KEY, **headers: str) -> HttpRequest:
    """Return a request signed with version 1, with the current date unless a header overrides it."""
    now = format_datetime(AdjustableClock().now(), usegmt=True)
    fixed = {"x_mns_version": "2015-06-06", "date": now, "content_type": "text/xml;charset=UTF-8"}
    plain = call(method, target, body, **(fixed | headers))
    signature = hmac_base64(key.access_key_secret, text_v1(plain, plain.headers["date"]))
    return call(method, target, body, authorization=f"MNS {key.access_key_id}:{signature}", **(fixed | headers))


def ask(w: World, request: HttpRequest) -> tuple[int, str, Any]:
    """Send a request; return the status, the error code and the document's root."""
    target = f"{w.url}{request.raw_path}" + (f"?{request.raw_query}" if request.raw_query else "")
    reply = httpx.request(request.method, target, content=request.read(), headers=dict(request.headers))
    root = ET.fromstring(reply.content) if reply.content else None
    assert len(reply.headers["x-mns-request-id"]) == 24
    assert reply.headers["x-mns-version"] == "2015-06-06"
    return reply.status_code, (root.findtext(f"{NS}Code") or "") if root is not None else "", root


def test_version_1_matches_the_vendors_vector() -> None:
    """The vector is the example of the Java SDK's ServiceSignatureTest."""
    date, kind = "Tue, 03 Jun 2025 11:23:48 GMT", "text/xml;charset=UTF-8"
    request = call("PUT", "/queues/TestQueue", x_mns_version="2015-06-06", content_type=kind, date=date)

    assert hmac_base64("accessKeySecret111", text_v1(request, date)) == "HCSlBi5KuXGNf06tZKFiQlNDt4c="


# The vendor's Java SDK 2.0, MNSV4SignerTest.java, read 2026-11.
PARAMETERS = "param1=abc&PARAM2=d%20%20ef&PARAM3=%5Bdef%5D%23bbb&PARAM4=%E4%B8%AD%E6%96%87%E5%8F%82%E6%95%B0"
MINIMAL = ("testSk", "testRegion", "2025-06-03T10:52:35")
VECTORS = [
    (
        ("sk1", "region1", "2025-06-03T10:52:35"),
        call("POST", f"/queues/TestQueue/?{PARAMETERS}"),
        "1fc6013f158d4c3aba09570895a2a93c8445c2c5213d82a1463baf602cf0d945",
    ),
    (
        ("sk1", "region1", "2025-06-03T10:52:35"),
        call("POST", f"/queues/TestQueue?num=10&paramx=100&{PARAMETERS}"),
        "8d555514e749185d3e6d68df416692e6cc960ba85a089c9d69a2f4d7bb607560",
    ),
    (
        ("skkkkkkk1111111111", "region2", "2025-12-03T11:23:48"),
        call("PUT", "/queues/TestQueue123456", x_mns_abc="kkk", x_mns_sss="2015-06-06xFFF", x_kkk_def="lll"),
        "04f1e5f929b5aaac3af6a54970f591581ecd2aade2562f926c5f2ec5d5c8cfad",
    ),
    (
        ("skkkkkk2222222222", "eu-west-1", "2025-12-04T06:32:35"),
        call(
            "GET",
            "/queues",
            x_mns_version="2015-06-30",
            x_mns_ttt="1",
            x_mns_uuuuu="FALse",
            bb_mns_uuuuu="abcdddDDD",
            content_type="application/json",
            content_md5="0d9d2ce750000593eb34f00",
        ),
        "294f776a2d5726df679b54b081ab8126a199a2545c8c8a7a875adff0b386e458",
    ),
    (MINIMAL, call("GET", "/"), "63f78964dcd1132bab91b9c38ceebdfb59509149b34874c5b2c9dfc2b12e7291"),
    (
        MINIMAL,
        call("POST", "/queues/Test%20Queue%40123"),
        "87de7499365a31e767cdc0c726a893c72c860e415876f7f92914197ac3795833",
    ),
]


@pytest.mark.parametrize(("who", "request_", "expected"), VECTORS)
def test_version_4_matches_the_vendors_vectors(who: tuple[str, str, str], request_: HttpRequest, expected: str) -> None:
    """The vectors cover the query, headers, parameters in the path, the root, and an encoded name."""
    secret, region, at = who
    time = datetime.fromisoformat(at).replace(tzinfo=timezone.utc)

    assert hmac_v4(secret, f"{time:%Y%m%d}/{region}/mns/aliyun_v4_request", text_v4(request_, time, region)) == expected


def test_version_4_request_is_accepted_and_a_changed_one_rejected() -> None:
    """The same signature is not valid for another path."""
    now = AdjustableClock().now().replace(microsecond=0)
    fixed = {"x_mns_version": "2015-06-06", "date": format_datetime(now, usegmt=True)}
    plain = call("GET", "/queues/q", b"", **fixed)
    scope = f"{now:%Y%m%d}/cn-hangzhou/mns/aliyun_v4_request"
    mac = hmac_v4(KEY.access_key_secret, scope, text_v4(plain, now, "cn-hangzhou"))
    header = f"MNS4-HMAC-SHA256 Credential={KEY.access_key_id}/{scope},Signature={mac}"

    good = call("GET", "/queues/q", b"", authorization=header, **fixed)
    assert authenticate(good, Keyring(KEY), now, "cn-hangzhou") == KEY
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        authenticate(call("GET", "/queues/p", b"", authorization=header, **fixed), Keyring(KEY), now, "cn-hangzhou")


def test_signed_request_is_accepted(w: World) -> None:
    """The request is the control of the rejections below."""
    assert ask(w, signed("GET", "/queues/q"))[0] == 200


def late(minutes: float) -> str:
    """Return a time some minutes ago in the format of a Date header."""
    return format_datetime(AdjustableClock().now() - timedelta(minutes=minutes), usegmt=True)


REJECTED = {
    "no signature": (call("GET", "/queues/q", x_mns_version="2015-06-06"), 400, "MissingAuthorizationHeader"),
    "another scheme": (
        call("GET", "/queues/q", x_mns_version="2015-06-06", date=late(0), authorization="Basic x"),
        400,
        "InvalidAuthorizationHeader",
    ),
    "no date": (
        call("GET", "/queues/q", x_mns_version="2015-06-06", authorization="MNS a:b"),
        400,
        "MissingDateHeader",
    ),
    "no version": (call("GET", "/queues/q"), 400, "MissingVersionHeader"),
    "old version": (signed("GET", "/queues/q", x_mns_version="2014-07-08"), 400, "InvalidVersionHeader"),
    "invalid date": (signed("GET", "/queues/q", date="yesterday"), 400, "InvalidDateHeader"),
    "wrong digest": (signed("PUT", "/queues/n", b"<Queue/>", content_md5="AAAA"), 400, "InvalidDegist"),
    "another namespace": (signed("PUT", "/queues/n", b'<Queue xmlns="urn:other"/>'), 400, "InvalidArgument"),
    "an account without a marker": (signed("GET", "/"), 400, "InvalidRequestURL"),
    "an unknown order": (signed("POST", "/commonbuy/other"), 400, "InvalidRequestURL"),
    "tracing at level 2": (
        signed("PUT", "/?accountmeta=true", b"<Account><TraceEnabled>2</TraceEnabled></Account>"),
        400,
        "InvalidArgument",
    ),
    "another root": (signed("PUT", "/queues/n", f"<Topic {SPACE}/>".encode()), 400, "InvalidArgument"),
    "broken XML": (signed("PUT", "/queues/n", b"<Queue"), 400, "MalformedXML"),
    "a doctype": (
        signed("POST", "/queues/q/messages", b'<!DOCTYPE m [<!ENTITY e "x">]><Message>&e;</Message>'),
        400,
        "MalformedXML",
    ),
    "a number in words": (
        signed("PUT", "/queues/n", f"<Queue {SPACE}><DelaySeconds>ten</DelaySeconds></Queue>".encode()),
        400,
        "InvalidArgument",
    ),
    "out of range": (
        signed("PUT", "/queues/n", f"<Queue {SPACE}><DelaySeconds>604801</DelaySeconds></Queue>".encode()),
        400,
        "InvalidArgument",
    ),
    "no body": (signed("POST", "/queues/q/messages", f"<Message {SPACE}/>".encode()), 400, "InvalidArgument"),
    "unknown path": (signed("GET", "/bags/q"), 400, "InvalidRequestURL"),
    "unknown method": (signed("POST", "/queues/q"), 400, "InvalidRequestURL"),
    "long wait": (signed("GET", "/queues/q/messages?waitseconds=31"), 400, "InvalidQueryString"),
    "large batch": (signed("GET", "/queues/q/messages?numOfMessages=17"), 400, "InvalidQueryString"),
    "no handle": (signed("DELETE", "/queues/q/messages"), 400, "MissingReceiptHandle"),
    "invalid handle": (signed("DELETE", "/queues/q/messages?ReceiptHandle=x"), 400, "ReceiptHandleError"),
    "deleted message": (
        signed("DELETE", f"/queues/q/messages?ReceiptHandle=8-ff-{'0' * 16}"),
        404,
        "MessageNotExist",
    ),
    "no timeout": (signed("PUT", "/queues/q/messages?ReceiptHandle=x"), 400, "MissingVisibilityTimeout"),
    "no queue": (signed("GET", "/queues/none"), 404, "QueueNotExist"),
    "no topic": (signed("GET", "/topics/none"), 404, "TopicNotExist"),
    "no message": (signed("GET", "/queues/q/messages"), 404, "MessageNotExist"),
    "page of none": (signed("GET", "/queues", x_mns_ret_number="0"), 400, "InvalidArgument"),
}


@pytest.mark.parametrize(("request_", "status", "code"), REJECTED.values(), ids=REJECTED)
def test_invalid_request_is_rejected_with_the_vendors_code(
    w: World, request_: HttpRequest, status: int, code: str
) -> None:
    """Status and code are the vendor's; the document has the four elements that the SDK requires."""
    answered, given, root = ask(w, request_)

    assert (answered, given) == (status, code)
    assert [child.tag.removeprefix(NS) for child in root][:4] == ["Code", "Message", "RequestId", "HostId"]


def test_role_key_works_with_its_token(w: World) -> None:
    """The SDK sends the token of temporary credentials without signing it."""
    assert w.account(ROLE).get_queue("q").get_attributes().queue_name == "q"


@pytest.mark.parametrize("digest", [lambda body: md5(body).digest(), lambda body: md5(body).hexdigest().encode()])
def test_both_encodings_of_content_md5_are_accepted(w: World, digest: Callable[[bytes], bytes]) -> None:
    """The Python SDK encodes the hex string, others encode the bytes."""
    body = f"<Message {SPACE}><MessageBody>x</MessageBody></Message>".encode()
    request = signed("POST", "/queues/q/messages", body, content_md5=b64encode(digest(body)).decode())

    assert ask(w, request)[0] == 201


@pytest.mark.parametrize("space", ["", ' xmlns="http://mns.aliyuncs.com/doc/v1"', f" {SPACE}"])
def test_namespace_of_a_request_is_any_that_the_sdks_send(w: World, space: str) -> None:
    """The Go SDK and ali-mns send none, the Java SDK one without a slash at its end, the Python SDK one with it."""
    body = f"<Message{space}><MessageBody>x</MessageBody></Message>".encode()

    assert ask(w, signed("POST", "/queues/q/messages", body))[0] == 201
    assert ask(w, signed("GET", "/queues/q/messages"))[2].findtext(f"{NS}MessageBody") == "x"


def test_account_attributes_are_changed_one_at_a_time(w: World) -> None:
    """An attribute that the document lacks keeps its value."""
    w.service.account.change(logging_bucket="logs")
    changed, _, _ = ask(w, signed("PUT", "/?accountmeta=true", b"<Account><TraceEnabled>1</TraceEnabled></Account>"))
    root = ask(w, signed("GET", "/?accountmeta=true"))[2]

    assert changed == 204
    assert [(child.tag, child.text) for child in root] == [(f"{NS}LoggingBucket", "logs"), (f"{NS}TraceEnabled", "1")]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_opening_the_service_answers_the_number_of_an_order(w: World, method: str) -> None:
    """The Go and Java SDKs send POST, without a body."""
    status, _, root = ask(w, signed(method, "/commonbuy/openservice"))

    assert (status, root.tag) == (200, f"{NS}OpenService")
    assert root.findtext(f"{NS}OrderId").isdigit()


@pytest.mark.parametrize("host", ["127.0.0.1:80", "9876543210.mns.cn-beijing.aliyuncs.com"])
def test_first_label_of_the_host_stands_for_the_account_in_endpoints_of_queues(w: World, host: str) -> None:
    """The SDKs' helpers take the account from there; another account is refused, as is another region of this one."""
    w.service.topics.create("t")

    def subscribe(name: str, queue: str) -> int:
        body = f"<Subscription><Endpoint>acs:mns:{queue}</Endpoint></Subscription>".encode()
        return ask(w, signed("PUT", f"/topics/t/subscriptions/{name}", body, host=host))[0]

    label = host.partition(".")[0]
    made = [subscribe("a", f"cn-hangzhou:{label}:queues/q"), subscribe("b", f"cn-beijing:{label}:queues/q")]
    refused = [subscribe("c", "cn-hangzhou:555:queues/q"), subscribe("d", "cn-beijing:1234567890:queues/q")]

    assert (made, refused) == ([201, 201], [400, 400])


def test_request_with_a_complete_url_is_answered(w: World) -> None:
    """A client that uses the local cloud as its proxy keeps the vendor's host names, which it signs without."""
    with httpx.Client(proxy=w.url) as client:
        request = signed("GET", "/queues/q")
        reply = client.get("http://1234567890.mns.cn-hangzhou.aliyuncs.com/queues/q", headers=dict(request.headers))

    assert reply.status_code == 200


def test_one_invalid_message_rejects_the_whole_batch(w: World) -> None:
    """A priority out of range stores no message."""
    items = "<Message><MessageBody>{}</MessageBody><Priority>{}</Priority></Message>"
    body = f"<Messages {SPACE}>{items.format('a', 8)}{items.format('b', 17)}</Messages>"
    status, code, _ = ask(w, signed("POST", "/queues/q/messages", body.encode()))

    assert (status, code) == (400, "InvalidArgument")
    assert w.service.receive("q") == []


def test_creation_is_201_and_repeated_creation_is_204(w: World) -> None:
    """A request without a body uses the default attributes."""
    first = ask(w, signed("PUT", "/queues/twice"))
    second = ask(w, signed("PUT", "/queues/twice"))

    assert (first[0], second[0]) == (201, 204)


def test_header_names_of_a_response_are_those_of_the_vendor(w: World) -> None:
    """The Java SDK finds the address of a new subscription in `Location` only."""
    request = signed("PUT", "/queues/new")
    connection = http.client.HTTPConnection(w.url.removeprefix("http://"))
    connection.request("PUT", request.raw_path, headers=dict(request.headers))
    names = {name for name, _ in connection.getresponse().getheaders()}
    connection.close()

    assert {"Location", "x-mns-request-id", "x-mns-version"} <= names


def test_lists_show_attributes_on_request(w: World) -> None:
    """The header x-mns-with-meta adds the elements of GetQueueAttributes."""
    _, _, root = ask(w, signed("GET", "/queues", x_mns_with_meta="true"))

    assert root.findtext(f"{NS}Queue/{NS}QueueURL") == f"{w.url}/queues/q"
    assert root.findtext(f"{NS}Queue/{NS}VisibilityTimeout") == "30"


def test_receipt_handles_need_no_escaping(w: World) -> None:
    """The SDK does not escape them in the query."""
    w.service.send("q", "x")

    assert w.service.receive("q")[0].receipt_handle.replace("-", "").isalnum()


def test_denied_action_is_rejected(tmp_path: Path, address: tuple[EndpointSlot, str]) -> None:
    """The hook receives key, action and name; a denied action is AccessDenied."""
    asked: list[tuple[str, str, str]] = []

    def allow(credential: Credential, action: str, name: str, **_: object) -> bool:
        asked.append((credential.principal, action, name))
        return action != "mns:DeleteQueue"

    with running(*address, tmp_path, allow=allow) as w:
        w.service.queues.create("q")
        queue = w.account(ROLE).get_queue("q")
        queue.get_attributes()
        with pytest.raises(MNSServerException) as denied:
            queue.delete()

    assert denied.value.type == "AccessDenied"
    assert asked == [
        ("role/worker", "mns:GetQueueAttributes", "q"),
        ("role/worker", "mns:DeleteQueue", "q"),
    ]
