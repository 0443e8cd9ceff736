"""Names that look like paths: each addresses exactly the resource of that name, never a file or another resource."""

from urllib.parse import quote

import oss2
import pytest

from tests.security import signers
from tests.security.harness import Harness
from tests.security.signers import Sign
from tests.security.wire import Request, Response

CJK = "%E4%B8%AD"  # three bytes
# The role may write keys of the bucket `mine` and nothing else. A request target, and the key that it addresses.
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
    "/mine/%ed%a0%80": "400 InvalidObjectName",  # an unpaired surrogate, encoded in three bytes
    f"/mine/{'k' * 1024}": "400 InvalidObjectName",
    f"/mine/{CJK * 342}": "400 InvalidObjectName",
    "/their/there": "403 AccessDenied",
    "/mine/k/../../their/there?acl": "403 AccessDenied",
    "/..": "403 AccessDenied",  # a bucket, signed without the slash at the end
    "/./mine/k": "404 NoSuchBucket",
    "/../their/there": "404 NoSuchBucket",
    "/%2e%2e/%2e%2e/etc/passwd": "404 NoSuchBucket",
    "/MINE/k": "404 NoSuchBucket",
    "/mine%00/k": "404 NoSuchBucket",
    "/mine;/k": "404 NoSuchBucket",
    "/mine%2f..%2ftheir/there": "404 NoSuchBucket",
    # The server parses another path than the one that was signed.
    "//mine/k": "403 SignatureDoesNotMatch",
    "//their/there": "403 SignatureDoesNotMatch",
    "/mine%2fk": "403 SignatureDoesNotMatch",
    "/mine/a\nX-Evil: 1": "403 SignatureDoesNotMatch",
    "*": "403 SignatureDoesNotMatch",
    "http://localhost/mine/k": "403 SignatureDoesNotMatch",
    # Invalid request targets.
    "mine/k": "400 ",
    "/mine/a\tb": "400 ",
    "/mine/中": "400 ",
}
VERSIONS = (signers.oss_v1, signers.oss_v4)


def put(harness: Harness, sign: Sign, target: str, body: bytes = b"evil", **headers: str) -> Response:
    """Send a PUT of the role, with a valid signature of exactly the target that is sent."""
    path, _, query = target.partition("?")
    request = Request("PUT", path, query, body=body).with_headers(**headers)
    return harness.send("oss", sign(request, harness.role, harness.clock.now(), harness.host("oss")))


@pytest.mark.parametrize("sign", VERSIONS)
@pytest.mark.parametrize("target", LITERAL)
def test_a_key_that_looks_like_a_path_is_an_object_of_its_bucket(harness: Harness, sign: Sign, target: str) -> None:
    """The key is taken literally, and nothing else changes."""
    before = harness.snapshot()
    response = put(harness, sign, target)
    found = harness.cloud.services.objects.head("mine", LITERAL[target])
    body = found.file.read_bytes()
    harness.cloud.services.objects.delete("mine", found.key)

    assert (200, b"evil") == (response.status, body)
    assert harness.folder / "data" / "objects" / "blobs" in found.file.parents
    assert before == harness.snapshot()


@pytest.mark.parametrize("sign", VERSIONS)
@pytest.mark.parametrize("target", REFUSED)
def test_a_target_that_is_not_a_key_of_the_allowed_bucket_is_refused(harness: Harness, sign: Sign, target: str) -> None:
    """The error code is the vendor's, and nothing is written."""
    before = harness.snapshot()
    response = put(harness, sign, target)

    assert REFUSED[target] == f"{response.status} {response.code}", response
    assert before == harness.snapshot()


def test_keys_that_look_like_paths_can_be_listed_and_deleted_by_the_vendors_client(harness: Harness) -> None:
    """No key makes a bucket unreadable."""
    for target in LITERAL:
        assert 200 == put(harness, signers.oss_v4, target).status
    owner = harness.owner
    bucket = oss2.Bucket(
        oss2.AuthV4(owner.access_key_id, owner.access_key_secret), harness.base_url("oss"), "mine", region="cn-hangzhou"
    )
    keys = [found.key for found in oss2.ObjectIteratorV2(bucket)]
    bucket.batch_delete_objects([key for key in keys if key.isprintable()])

    assert {*LITERAL.values(), "there"} <= set(keys)
    for key in keys:
        harness.cloud.services.objects.delete("mine", key)
    harness.cloud.services.objects.put("mine", "there", b"what was there")


@pytest.mark.parametrize("host", ["their.localhost", "their.oss-cn-hangzhou.aliyuncs.com", "their.localhost:80"])
def test_a_host_header_with_another_bucket_invalidates_a_signature(harness: Harness, host: str) -> None:
    """The signature does not cover the host, but it covers the bucket that the host names."""
    signed = signers.oss_v4(Request("PUT", "/k", body=b"evil"), harness.owner, harness.clock.now(), "")
    named = signers.oss_v1(Request("PUT", "/mine/k", body=b"evil"), harness.owner, harness.clock.now(), "")
    before = harness.snapshot()
    responses = [harness.send("oss", request.with_headers(host=host)) for request in (signed, named)]

    assert [(403, "SignatureDoesNotMatch")] * 2 == [response[:2] for response in responses]
    assert before == harness.snapshot()


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
def test_a_bucket_with_an_invalid_name_is_not_created(harness: Harness, name: str) -> None:
    """The request is the owner's."""
    request = Request("PUT", f"/{quote(name, safe='')}/")
    before = harness.snapshot()
    responses = [
        harness.send("oss", sign(request, harness.owner, harness.clock.now(), harness.host("oss"))) for sign in VERSIONS
    ]

    assert [(400, "InvalidBucketName")] * 2 == [response[:2] for response in responses], responses
    assert before == harness.snapshot()


@pytest.mark.parametrize(
    ("source", "error"),
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
def test_a_copy_from_a_source_that_the_role_may_not_read_is_refused(harness: Harness, source: str, error: str) -> None:
    """The role may write to the bucket `mine`, and read nothing."""
    before = harness.snapshot()
    response = put(harness, signers.oss_v4, "/mine/copied", b"", x_oss_copy_source=source)

    assert error == f"{response.status} {response.code}", response
    assert before == harness.snapshot()


@pytest.mark.parametrize("name", ["../their/there", "..\\k", "a\0b", "a\nb", "中"])
def test_the_key_of_a_form_is_taken_literally(harness: Harness, name: str) -> None:
    """The key is in the body of a form, where nothing is escaped."""
    before = harness.snapshot()
    request = Request("PUT", f"/mine/{name}", body=b"evil")
    response = harness.send("oss", signers.oss_form_v4(request, harness.role, harness.clock.now(), ""))
    harness.cloud.services.objects.delete("mine", harness.cloud.services.objects.head("mine", name).key)

    assert 204 == response.status, response
    assert before == harness.snapshot()


# The role may send to every queue but `their`; the denial holds for every way to write that name.
@pytest.mark.parametrize("sign", [signers.smq_v1, signers.smq_v4])
@pytest.mark.parametrize(
    ("path", "error"),
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
def test_a_queue_is_addressed_only_by_its_exact_name(harness: Harness, sign: Sign, path: str, error: str) -> None:
    """No other form of the name reaches the queue or evades its policy."""
    body = b'<Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageBody>evil</MessageBody></Message>'
    before = harness.snapshot()
    request = Request("POST", path, body=body)
    response = harness.send("mns", sign(request, harness.role, harness.clock.now(), harness.host("mns")))

    assert error == f"{response.status} {response.code}", response
    assert before == harness.snapshot()


@pytest.mark.parametrize("name", ["..", "a/b", "a\0b", "-a", "a" * 121, "a b", "中", "a\nb"])
@pytest.mark.parametrize("kind", ["queues", "topics"])
def test_a_queue_or_topic_with_an_invalid_name_is_not_created(harness: Harness, kind: str, name: str) -> None:
    """The request is the owner's."""
    before = harness.snapshot()
    request = Request("PUT", f"/{kind}/{quote(name, safe='')}")
    response = harness.send("mns", signers.smq_v1(request, harness.owner, harness.clock.now(), harness.host("mns")))

    assert 400 == response.status, response
    assert before == harness.snapshot()


@pytest.mark.parametrize(
    "name", ["their", "..%2ftheir", "mine%2f..%2ftheir", "%74heir", "their%00", "mine.LATEST/../their"]
)
@pytest.mark.parametrize("version", ["2016-08-15/services/any", "2023-03-30"])
def test_a_function_is_addressed_only_by_its_exact_name(harness: Harness, version: str, name: str) -> None:
    """The role may invoke `mine`; every other name is denied or unknown."""
    before = harness.snapshot()
    path, acs = f"/{version}/functions/{name}/invocations", {"x-acs-action": "InvokeFunction"}
    sign = signers.acs3 if version == "2023-03-30" else signers.fc_2016
    response = harness.send(
        "fc", sign(Request("POST", path, headers=acs), harness.role, harness.clock.now(), harness.host("fc"))
    )

    assert (response.status, response.code) in {(403, "AccessDenied"), (501, "NotImplemented")}, response
    assert before == harness.snapshot()
