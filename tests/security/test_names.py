"""Names that try to be paths: what they address is what they say, to the byte, and never a file or somebody else's."""

import itertools
from urllib.parse import quote

import oss2
import pytest

from tests.security import signers
from tests.security.harness import Siege
from tests.security.signers import Sign
from tests.security.wire import Answer, Request

_NUMBERS = itertools.count()
CJK = "%E4%B8%AD"  # three bytes
# A role may write to keys of `mine` and to nothing else. Each is what it puts on the wire, and the key that it means.
LITERAL = {
    "/mine/../their/there": "../their/there",
    "/mine/%2e%2e/their/there": "../their/there",
    "/mine/..%2ftheir%2fthere": "../their/there",
    "/mine/..%5ctheir%5cthere": "..\\their\\there",
    "/mine/a/../../../../etc/passwd": "a/../../../../etc/passwd",
    "/mine/%252e%252e/their/there": "%2e%2e/their/there",
    "/mine/..": "..",
    "/mine/.": ".",
    "/mine/a/..": "a/..",
    "/mine/a//b": "a//b",
    "/mine/%00": "\0",
    "/mine/k%00.txt": "k\0.txt",
    "/mine/a%0ab": "a\nb",
    "/mine/a%0d%0aX-Evil:%201": "a\r\nX-Evil: 1",
    "/mine/k%3Facl": "k?acl",
    "/mine/k%23their": "k#their",
    "/mine/k;their": "k;their",
    "/mine/%zz": "%zz",
    "/mine/%E2%80%AE3pm": "\u202e3pm",
    f"/mine/{'k' * 1023}": "k" * 1023,
    f"/mine/{CJK * 341}": "中" * 341,
}
REFUSED = {
    "/mine//k": "400 InvalidObjectName",
    "/mine/%2fetc/passwd": "400 InvalidObjectName",
    "/mine/%5c%5chost%5cshare": "400 InvalidObjectName",
    "/mine/%ff": "400 InvalidObjectName",
    "/mine/%ed%a0%80": "400 InvalidObjectName",  # half a surrogate pair, as three bytes
    f"/mine/{'k' * 1024}": "400 InvalidObjectName",
    f"/mine/{CJK * 342}": "400 InvalidObjectName",
    "/their/there": "403 AccessDenied",
    "/mine/k/../../their/there?acl": "403 AccessDenied",
    "/./mine/k": "403 AccessDenied",
    "/../their/there": "403 AccessDenied",
    "/%2e%2e/%2e%2e/etc/passwd": "403 AccessDenied",
    "/MINE/k": "403 AccessDenied",
    "/mine%00/k": "403 AccessDenied",
    "/mine;/k": "403 AccessDenied",
    "/mine%2f..%2ftheir/there": "404 NoSuchBucket",
    # What the server reads is not what was signed, and so nobody's.
    "//mine/k": "403 SignatureDoesNotMatch",
    "//their/there": "403 SignatureDoesNotMatch",
    "/mine%2fk": "403 SignatureDoesNotMatch",
    "/..": "403 SignatureDoesNotMatch",
    "/mine/a\nX-Evil: 1": "403 SignatureDoesNotMatch",
    "*": "403 SignatureDoesNotMatch",
    "http://localhost/mine/k": "403 SignatureDoesNotMatch",
    # What is no request target at all.
    "mine/k": "400 ",
    "/mine/a\tb": "400 ",
    "/mine/中": "400 ",
}
VERSIONS = (signers.oss_v1, signers.oss_v4)


def put(siege: Siege, sign: Sign, target: str, body: bytes = b"evil", **headers: str) -> Answer:
    """Write as the role, with an honest signature of what stands on the wire."""
    path, _, query = target.partition("?")
    request = Request("PUT", path, query, body=body).plus(**headers)
    return siege.send("oss", sign(request, siege.role, siege.clock.now(), siege.host("oss")))


@pytest.mark.parametrize("sign", VERSIONS)
@pytest.mark.parametrize("target", LITERAL)
def test_a_key_is_taken_by_the_letter(siege: Siege, sign: Sign, target: str):
    """It names an object of its own bucket; whatever it looks like, nothing else is touched."""
    before = siege.everything()
    answer = put(siege, sign, target)
    found = siege.cloud.services.objects.head("mine", LITERAL[target])
    body = found.file.read_bytes()
    siege.cloud.services.objects.delete("mine", found.key)

    assert (200, b"evil") == (answer.status, body)
    assert siege.folder / "data" / "objects" / "blobs" in found.file.parents
    assert before == siege.everything()


@pytest.mark.parametrize("sign", VERSIONS)
@pytest.mark.parametrize("target", REFUSED)
def test_a_target_that_is_no_key_of_ours_is_refused(siege: Siege, sign: Sign, target: str):
    """With the vendor's code; and nothing is written."""
    before = siege.everything()
    answer = put(siege, sign, target)

    assert REFUSED[target] == f"{answer.status} {answer.code}", answer
    assert before == siege.everything()


def test_keys_of_every_kind_can_be_listed_and_deleted_by_the_vendors_client(siege: Siege):
    """Nobody makes a bucket unreadable by what he puts into it."""
    for target in LITERAL:
        assert 200 == put(siege, signers.oss_v4, target).status
    root = siege.root
    bucket = oss2.Bucket(
        oss2.AuthV4(root.access_key_id, root.access_key_secret), siege.base("oss"), "mine", region="cn-hangzhou"
    )
    keys = [found.key for found in oss2.ObjectIteratorV2(bucket)]
    bucket.batch_delete_objects([key for key in keys if key.isprintable()])

    assert {*LITERAL.values(), "there"} <= set(keys)
    for key in keys:
        siege.cloud.services.objects.delete("mine", key)
    siege.cloud.services.objects.put("mine", "there", b"what was there")


@pytest.mark.parametrize("host", ["their.localhost", "their.oss-cn-hangzhou.aliyuncs.com", "their.localhost:80"])
def test_a_host_that_names_another_bucket_does_not_move_a_signature(siege: Siege, host: str):
    """The host is not signed, but the bucket that it names is part of what is."""
    signed = signers.oss_v4(Request("PUT", "/k", body=b"evil"), siege.root, siege.clock.now(), "")
    named = signers.oss_v1(Request("PUT", "/mine/k", body=b"evil"), siege.root, siege.clock.now(), "")
    before = siege.everything()
    answers = [siege.send("oss", request.plus(host=host)) for request in (signed, named)]

    assert [(403, "SignatureDoesNotMatch")] * 2 == [answer[:2] for answer in answers]
    assert before == siege.everything()


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "ab",
        "a" * 64,
        "-ab",
        "ab-",
        "A-b",
        "a_b",
        "a.b",
        "a b",
        "a/b",
        "../a",
        "a\0b",
        "a\nb",
        "аbc",
        "~root",
    ],
)
def test_a_bucket_of_such_a_name_cannot_be_made(siege: Siege, name: str):
    """Not even by the owner."""
    request = Request("PUT", f"/{quote(name, safe='')}/")
    before = siege.everything()
    answers = [siege.send("oss", sign(request, siege.root, siege.clock.now(), siege.host("oss"))) for sign in VERSIONS]

    assert [(400, "InvalidBucketName")] * 2 == [answer[:2] for answer in answers], answers
    assert before == siege.everything()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/their/there", "403 AccessDenied"),
        ("/mine/../their/there", "403 AccessDenied"),
        ("their/there", "403 AccessDenied"),
        ("/mine%2f..%2ftheir/there", "403 AccessDenied"),
        ("/../../../../etc/passwd", "403 AccessDenied"),
        ("file:///etc/passwd", "403 AccessDenied"),
        ("/mine", "400 InvalidArgument"),
        ("", "400 InvalidArgument"),
    ],
)
def test_a_copy_reads_only_what_its_maker_may_read(siege: Siege, source: str, told: str):
    """The role may write to `mine`, and read nothing."""
    before = siege.everything()
    answer = put(siege, signers.oss_v4, "/mine/copied", b"", x_oss_copy_source=source)

    assert told == f"{answer.status} {answer.code}", answer
    assert before == siege.everything()


@pytest.mark.parametrize("name", ["../their/there", "..\\k", "a\0b", "a\nb", "中"])
def test_the_key_of_a_form_is_taken_by_the_letter(siege: Siege, name: str):
    """Its name comes in a body, where nothing is escaped."""
    before = siege.everything()
    request = Request("PUT", f"/mine/{name}", body=b"evil")
    answer = siege.send("oss", signers.oss_form_v4(request, siege.role, siege.clock.now(), ""))
    siege.cloud.services.objects.delete("mine", siege.cloud.services.objects.head("mine", name).key)

    assert 204 == answer.status, answer
    assert before == siege.everything()


# The role may send everywhere but to `their`; what is denied is denied however it is spelled.
@pytest.mark.parametrize("sign", [signers.smq_v1, signers.smq_v4])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/queues/their/messages", "403 AccessDenied"),
        ("//queues/their/messages", "403 AccessDenied"),
        ("/queues/their/messages/", "403 AccessDenied"),
        ("/queues/%74heir/messages", "403 AccessDenied"),
        ("/queues/mine/../their/messages", "400 InvalidRequestURL"),
        ("/queues/..%2ftheir/messages", "404 QueueNotExist"),
        ("/queues/their%00/messages", "404 QueueNotExist"),
        ("/queues/THEIR/messages", "404 QueueNotExist"),
        ("/queues//messages", "404 QueueNotExist"),
        ("/queues/their%0a/messages", "404 QueueNotExist"),
    ],
)
def test_a_queue_is_meant_by_its_name_only(siege: Siege, sign: Sign, path: str, told: str):
    """No other spelling leads to it, past its policy least of all."""
    body = b'<Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageBody>evil</MessageBody></Message>'
    before = siege.everything()
    request = Request("POST", path, body=body)
    answer = siege.send("mns", sign(request, siege.role, siege.clock.now(), siege.host("mns")))

    assert told == f"{answer.status} {answer.code}", answer
    assert before == siege.everything()


@pytest.mark.parametrize("name", ["..", "a/b", "a\0b", "-a", "a" * 121, "a b", "中", "a\nb"])
@pytest.mark.parametrize("kind", ["queues", "topics"])
def test_a_queue_or_topic_of_such_a_name_cannot_be_made(siege: Siege, kind: str, name: str):
    """Not even by the owner."""
    before = siege.everything()
    request = Request("PUT", f"/{kind}/{quote(name, safe='')}")
    answer = siege.send("mns", signers.smq_v1(request, siege.root, siege.clock.now(), siege.host("mns")))

    assert 400 == answer.status, answer
    assert before == siege.everything()


@pytest.mark.parametrize(
    "name", ["their", "..%2ftheir", "mine%2f..%2ftheir", "%74heir", "their%00", "mine.LATEST/../their"]
)
@pytest.mark.parametrize("version", ["2016-08-15/services/any", "2023-03-30"])
def test_a_function_is_meant_by_its_name_only(siege: Siege, version: str, name: str):
    """The role may invoke `mine`; every other spelling is denied, or leads nowhere."""
    before = siege.everything()
    path, acs = f"/{version}/functions/{name}/invocations", {"x-acs-action": "InvokeFunction"}
    sign = signers.acs3 if version == "2023-03-30" else signers.fc_2016
    answer = siege.send("fc", sign(Request("POST", path, headers=acs), siege.role, siege.clock.now(), siege.host("fc")))

    assert (answer.status, answer.code) in {(403, "AccessDenied"), (501, "NotImplemented")}, answer
    assert before == siege.everything()
