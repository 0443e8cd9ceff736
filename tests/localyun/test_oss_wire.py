"""What OSS answers to requests that the vendor's high-level calls do not send, signed by the vendor's client."""

import base64
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import alibabacloud_oss_v2 as oss
import httpx
import oss2
import pytest

from tests.localyun.oss_world import BUCKET, World, world

MIRROR = "<RoutingRule><RuleNumber>1</RuleNumber><Redirect><RedirectType>Mirror</RedirectType></Redirect></RoutingRule>"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one bucket for all tests of this file."""
    with world(tmp_path_factory.mktemp("oss")) as here:
        yield here


def call(
    here: World, method: str, key: str | None = None, body: bytes = b"", *, bucket: str | None = BUCKET, **given: Any
) -> oss.OperationOutput:
    """Return the response to a request; `given` are its parameters and headers. Raises OperationError."""
    return here.client().invoke_operation(
        oss.OperationInput(op_name="Raw", method=method, bucket=bucket, key=key, body=body, **given)
    )


def refused(here: World, code: str, status: int, *args: Any, **given: Any) -> Any:
    """Return the error of a request, after checking its code and status."""
    with pytest.raises(oss.exceptions.OperationError) as caught:
        call(here, *args, **given)
    error = caught.value.unwrap()
    assert (code, status) == (error.code, error.status_code), error
    return error


@pytest.mark.parametrize(
    ("method", "key", "name"),
    [
        ("PUT", "k", "xyz"),
        ("DELETE", "k", "xyz"),
        ("DELETE", "k", "uploads"),
        ("DELETE", None, "dataAccelerator"),
        ("DELETE", None, "xyz"),
        ("DELETE", None, "inventoryId"),
        ("PUT", "k", "partNumber"),
        ("PUT", None, "dataAccelerator"),
        ("HEAD", "k", "legalHold"),
        ("GET", None, "dataAccelerator"),
    ],
)
def test_an_unknown_parameter_is_never_mistaken_for_the_plain_action(
    here: World, method: str, key: str | None, name: str
) -> None:
    """The bucket and the object stay as they are."""
    here.objects.put(BUCKET, "k", b"kept")
    refused(here, "NotImplemented", 501, method, key, b"<xml/>", parameters={name: ""})

    assert here.objects.head(BUCKET, "k").size == 4


@pytest.mark.parametrize(
    ("method", "name"),
    [("GET", "xyz"), ("HEAD", "xyz"), ("GET", "response-content-type"), ("PUT", "x-oss-traffic-limit")],
)
def test_parameters_that_select_no_action_are_accepted(here: World, method: str, name: str) -> None:
    """A read ignores what it does not know, as a signature of V4 covers every parameter of a client."""
    here.objects.put(BUCKET, "k", b"1")

    assert call(here, method, "k", parameters={name: "819200"}).status_code == 200


def md5_of(body: bytes) -> str:
    """Return the value of Content-MD5."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def begin(here: World, key: str, *parts: bytes, **headers: Any) -> str:
    """Return the id of an upload of `key` with parts."""
    client = here.client()
    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(BUCKET, key, **headers))
    for number, body in enumerate(parts, 1):
        given = oss.UploadPartRequest(BUCKET, key, part_number=number, upload_id=upload.upload_id, body=body)
        assert client.upload_part(given).content_md5 == md5_of(body)
    return str(upload.upload_id)


def test_content_md5_is_that_of_the_whole_object(here: World) -> None:
    """Uploads answer with it, as do reads, also those of a range; the vendor's Go SDK 2 needs it."""
    body, ranged = b"hello", {"Range": "bytes=0-1"}
    given = [("PUT", body, {}), ("GET", b"", {}), ("HEAD", b"", {}), ("GET", b"", ranged)]
    found = [call(here, method, "k", sent, headers=headers) for method, sent, headers in given]

    assert {md5_of(body)} == {response.headers["Content-MD5"] for response in found}


def test_an_object_of_parts_has_no_content_md5_and_a_vendors_etag(here: World) -> None:
    """The ETag is the MD5 of the ETags of its parts; `Location` names the key, and the last ACL counts."""
    upload = begin(here, "a b", b"1" * 102_400, b"2", acl="private")
    headers = {"x-oss-complete-all": "yes", "x-oss-object-acl": "public-read"}
    response = call(here, "POST", "a b", parameters={"uploadId": upload}, headers=headers)
    stored = call(here, "GET", "a b")
    etags = "".join(hashlib.md5(body).hexdigest().upper() for body in (b"1" * 102_400, b"2")).encode()

    assert f'"{hashlib.md5(etags).hexdigest().upper()}-2"' == stored.headers["ETag"]
    assert "Content-MD5" not in stored.headers
    assert f"<Location>{here.url}/{BUCKET}/a%20b</Location>" in response.http_response.content.decode()
    assert b"<Grant>public-read</Grant>" in call(here, "GET", "a b", parameters={"acl": ""}).http_response.content


def test_an_upload_without_parts_becomes_an_empty_object(here: World) -> None:
    """Whether none is listed, or all of none are requested."""
    for body, headers in ((b"<CompleteMultipartUpload/>", {}), (b"", {"x-oss-complete-all": "yes"})):
        call(here, "POST", "k", body, parameters={"uploadId": begin(here, "k")}, headers=headers)

        assert here.objects.head(BUCKET, "k").size == 0


def test_all_parts_and_a_list_of_parts_exclude_each_other(here: World) -> None:
    """`x-oss-complete-all` has one value; the upload remains."""
    upload = {"uploadId": begin(here, "k", b"1")}
    for value, body in (("yes", b"<CompleteMultipartUpload/>"), ("no", b"")):
        given: Any = {"parameters": upload, "headers": {"x-oss-complete-all": value}}
        refused(here, "InvalidArgument", 400, "POST", "k", body, **given)

    assert call(here, "DELETE", "k", parameters=upload).status_code == 204


@pytest.mark.parametrize(
    ("method", "parameters", "headers", "ec"),
    [
        ("PUT", {"partNumber": "1"}, {}, "0042-00000104"),
        ("PUT", {"partNumber": "1"}, {"x-oss-copy-source": f"/{BUCKET}/k"}, "0042-00000311"),
        ("POST", {}, {"x-oss-complete-all": "yes"}, "0042-00000002"),
        ("GET", {}, {}, "0042-00000002"),
        ("DELETE", {}, {}, "0042-00000002"),
    ],
)
def test_no_such_upload_has_the_vendors_numbers(
    here: World, method: str, parameters: dict[str, str], headers: dict[str, str], ec: str
) -> None:
    """The same code and text, with another EC for each action that the vendor's tests distinguish."""
    here.objects.put(BUCKET, "k", b"1")
    given: Any = {"parameters": {"uploadId": "none", **parameters}, "headers": headers}
    error = refused(here, "NoSuchUpload", 404, method, "k", **given)

    assert error.ec == ec
    assert "or the upload may have been aborted or completed." in error.message


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("x-oss-object-acl", "InvalidArgument"),
        ("x-oss-storage-class", "InvalidArgument"),
        ("x-oss-server-side-encryption", "InvalidEncryptionAlgorithmError"),
    ],
)
@pytest.mark.parametrize(
    ("method", "parameters", "copied"),
    [
        ("PUT", {}, False),
        ("PUT", {}, True),
        ("POST", {"append": "", "position": "0"}, False),
        ("POST", {"uploads": ""}, False),
    ],
)
def test_a_header_with_an_unknown_value_is_rejected(
    here: World, method: str, parameters: dict[str, str], copied: bool, header: str, code: str
) -> None:
    """Every request that creates an object checks them, and creates nothing."""
    here.objects.put(BUCKET, "source", b"1")
    headers = {header: "bogus"} | ({"x-oss-copy-source": f"/{BUCKET}/source"} if copied else {})
    refused(here, code, 400, method, "bogus", parameters=parameters, headers=headers)

    assert here.objects.find(BUCKET, "bogus") is None


def test_the_encryption_of_an_object_is_shown(here: World) -> None:
    """Uploads and reads name it; a copy has only its own."""
    headers = {"x-oss-server-side-encryption": "AES256"}
    upload = begin(here, "parts", b"1", server_side_encryption="AES256")
    complete: Any = {"parameters": {"uploadId": upload}, "headers": {"x-oss-complete-all": "yes"}}
    found = [
        call(here, "PUT", "k", b"1", headers=headers),
        call(here, "GET", "k"),
        call(here, "HEAD", "k"),
        call(here, "POST", "log", parameters={"append": "", "position": "0"}, headers=headers),
        call(here, "POST", "parts", **complete),
        call(here, "HEAD", "parts"),
    ]
    copied = call(here, "PUT", "copy", headers={"x-oss-copy-source": f"/{BUCKET}/k"})

    assert {"AES256"} == {response.headers["x-oss-server-side-encryption"] for response in found}
    assert "x-oss-server-side-encryption" not in copied.headers


def test_a_copy_with_new_metadata_keeps_the_content_type(here: World) -> None:
    """Unless the request names another."""
    call(here, "PUT", "k", b"1", headers={"Content-Type": "text/x-one", "x-oss-meta-a": "1"})
    headers = {"x-oss-copy-source": f"/{BUCKET}/k", "x-oss-metadata-directive": "REPLACE"}
    here.client().copy_object(
        oss.CopyObjectRequest(BUCKET, "copy", source_key="k", metadata_directive="REPLACE", metadata={"b": "2"})
    )
    call(here, "PUT", "other", headers={**headers, "Content-Type": "text/x-two"})

    assert here.objects.head(BUCKET, "copy").headers == {"x-oss-meta-b": "2"}
    assert here.objects.head(BUCKET, "copy").content_type == "text/x-one"
    assert here.objects.head(BUCKET, "other").content_type == "text/x-two"


def test_each_append_may_set_the_acl(here: World) -> None:
    """The metadata is that of the first one."""
    for position, acl in ((0, "private"), (1, "public-read")):
        headers = {"x-oss-object-acl": acl, "x-oss-meta-n": str(position)}
        call(here, "POST", "appended", b"1", parameters={"append": "", "position": str(position)}, headers=headers)
    found = here.objects.head(BUCKET, "appended").headers

    assert found == {"x-oss-object-acl": "public-read", "x-oss-meta-n": "0"}
    again = {"append": "", "position": "0"}
    error = refused(here, "PositionNotEqualToLength", 409, "POST", "appended", parameters=again)
    assert (error.message, error.ec) == ("Position is not equal to file length", "0026-00000016")


@pytest.mark.parametrize("behavior", [{}, {"x-oss-range-behavior": "standard"}])
def test_the_last_zero_bytes_are_no_range(here: World, behavior: dict[str, str]) -> None:
    """With and without the behaviour of HTTP; other invalid ranges are ignored."""
    here.objects.put(BUCKET, "k", b"1")
    refused(here, "InvalidRange", 416, "GET", "k", headers={"Range": "bytes=-0", **behavior})

    assert call(here, "GET", "k", headers={"Range": "bytes=5-"}).status_code == 200


def test_a_small_part_is_described(here: World) -> None:
    """All but the last part have a least size."""
    body = f"<CompleteMultipartUpload>{''.join(part(number) for number in (1, 2))}</CompleteMultipartUpload>"
    given = {"uploadId": begin(here, "k", b"1", b"1")}
    error = refused(here, "EntityTooSmall", 400, "POST", "k", body.encode(), parameters=given)

    assert error.ec == "0042-00000213"
    assert b"<MinSizeAllowed>102400</MinSizeAllowed><ProposedSize>1</ProposedSize>" in error.snapshot


def part(number: int) -> str:
    """Return the element of a part that is the text "1"."""
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{hashlib.md5(b'1').hexdigest()}</ETag></Part>"


CONTROLS = "".join(map(chr, range(1, 32)))


@pytest.mark.parametrize("written", [CONTROLS, "".join(f"&#x{code:02X};" for code in range(1, 32))])
def test_control_characters_of_keys_are_listed_and_deleted(here: World, written: str) -> None:
    """Written as they are or as references; in a listing without `encoding-type` they are references."""
    here.objects.put(BUCKET, f"c/{CONTROLS}", b"1")
    begin(here, f"c/{CONTROLS}")
    listed = call(here, "GET", parameters={"prefix": "c/"}).http_response.content.decode()
    uploads = call(here, "GET", parameters={"prefix": "c/", "uploads": ""}).http_response.content.decode()
    body = f"<?xml version='1.0'?>\r\n<Delete>\r\n<Object><Key>c/{written}</Key></Object></Delete>".encode()
    call(here, "POST", None, body, parameters={"delete": ""}, headers={"Content-MD5": md5_of(body)})

    for code in set(range(1, 32)) - {9, 10}:
        assert f"&#{code};" in listed
        assert f"&#{code};" in uploads
    assert here.objects.find(BUCKET, f"c/{CONTROLS}") is None


@pytest.mark.parametrize(
    ("kind", "size", "accepted", "compressed"),
    [
        ("text/plain", 1024, "gzip", True),
        ("application/json; charset=utf-8", 5000, "deflate, gzip", True),
        ("text/plain", 1023, "gzip", False),
        ("audio/mpeg", 5000, "gzip", False),
        ("text/plain", 5000, "identity", False),
    ],
)
def test_text_of_1_kb_is_compressed_on_request(
    here: World, kind: str, size: int, accepted: str, compressed: bool
) -> None:
    """A compressed response has no length and no ETag; a range is not compressed."""
    url = here.bucket().sign_url("GET", "text", 60)
    call(here, "PUT", "text", b"a" * size, headers={"Content-Type": kind})
    response = httpx.get(url, headers={"Accept-Encoding": accepted})
    ranged = httpx.get(url, headers={"Accept-Encoding": accepted, "Range": "bytes=0-1"})

    assert response.content == b"a" * size
    assert compressed == (response.headers.get("content-encoding") == "gzip")
    assert compressed == ("content-length" not in response.headers) == ("etag" not in response.headers)
    assert (ranged.content, ranged.headers.get("content-encoding")) == (b"aa", None)


@pytest.mark.parametrize(
    ("method", "length", "status"),
    [("GET", 9, "200 OK"), ("HEAD", 9, "200 OK"), ("PUT", 5 * 1024**3 + 1, "400 Bad Request")],
)
def test_a_request_is_answered_before_a_body_that_does_not_matter(
    here: World, method: str, length: int, status: str
) -> None:
    """A read needs none, and an upload of more than 5 GiB is refused; the connection ends."""
    here.objects.put(BUCKET, "k", b"kept")
    url = urlsplit(here.bucket().sign_url(method, "k", 60))
    with socket.create_connection((url.hostname, url.port), timeout=10) as client:
        head = f"{method} {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {length}\r\n\r\n"
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert method != "PUT" or b"<Code>EntityTooLarge</Code>" in answer
    assert here.objects.head(BUCKET, "k").size == 4


@pytest.mark.parametrize(
    ("name", "document", "absent"),
    [
        ("cors", "<CORSConfiguration><CORSRule>kept</CORSRule></CORSConfiguration>", "NoSuchCORSConfiguration"),
        ("website", "<WebsiteConfiguration>kept</WebsiteConfiguration>", "NoSuchWebsiteConfiguration"),
        ("overwriteConfig", "<OverwriteConfiguration>kept</OverwriteConfiguration>", "NoSuchOverwriteConfig"),
        ("logging", "<BucketLoggingStatus>kept</BucketLoggingStatus>", "<BucketLoggingStatus>"),
        ("tagging", "<Tagging><TagSet>kept</TagSet></Tagging>", "<TagSet></TagSet>"),
        ("referer", "<RefererConfiguration>kept</RefererConfiguration>", "<AllowEmptyReferer>true<"),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>Requester</Payer><x>kept</x></RequestPaymentConfiguration>",
            "<Payer>BucketOwner<",
        ),
        (
            "accessmonitor",
            "<AccessMonitorConfiguration><Status>Enabled</Status><x>kept</x></AccessMonitorConfiguration>",
            "<Status>Disabled<",
        ),
        ("policy", '{"Version": "1", "Id": "kept", "Statement": []}', "NoSuchBucketPolicy"),
    ],
)
def test_a_configuration_of_a_bucket_is_returned_as_it_was_put(
    here: World, name: str, document: str, absent: str
) -> None:
    """Without one, the vendor's default or error is; a deleted bucket leaves none behind."""
    given: Any = {"bucket": "configured", "parameters": {name: ""}}

    def get() -> str:
        try:
            return str(call(here, "GET", **given).http_response.content.decode())
        except oss.exceptions.OperationError as error:
            return str(error.unwrap().code)

    call(here, "PUT", bucket="configured")
    before = get()
    call(here, "PUT", None, document.encode(), **given)
    stored = get()
    call(here, "DELETE", bucket="configured")
    call(here, "PUT", bucket="configured")

    assert absent in before
    assert "kept" in stored
    assert get() == before


@pytest.mark.parametrize(
    ("name", "document", "code"),
    [
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>x</Payer></RequestPaymentConfiguration>",
            "MalformedXML",
        ),
        ("accessmonitor", "<AccessMonitorConfiguration/>", "MalformedXML"),
        ("website", "<WebsiteConfiguration><RoutingRule/></WebsiteConfiguration>", "MalformedXML"),
        (
            "website",
            f"<WebsiteConfiguration>{MIRROR}</WebsiteConfiguration>",
            "MalformedXML",
        ),
        (
            "logging",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>no-such</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
            "InvalidTargetBucketForLogging",
        ),
        ("policy", '{"Version": "2", "Statement": [{"Effect": "Deny", "Action": []}]}', "InvalidPolicyDocument"),
        ("policy", '{"Version": "1", "Statement": [{"Effect": "Deny"}]}', "InvalidPolicyDocument"),
    ],
)
def test_a_configuration_with_an_invalid_value_is_rejected(here: World, name: str, document: str, code: str) -> None:
    """As the vendor's tests expect."""
    refused(here, code, 400, "PUT", None, document.encode(), parameters={name: ""})


def test_a_configuration_with_another_root_is_rejected(here: World) -> None:
    """Nothing is stored."""
    refused(here, "MalformedXML", 400, "PUT", None, b"<CORSRule/>", parameters={"website": ""})
    refused(here, "InvalidPolicyDocument", 400, "PUT", None, b"[]", parameters={"policy": ""})

    refused(here, "NoSuchWebsiteConfiguration", 404, "GET", parameters={"website": ""})


def inventory(name: str, target: str) -> bytes:
    """Return the configuration of an inventory."""
    destination = f"<Destination><OSSBucketDestination><Bucket>{target}</Bucket></OSSBucketDestination></Destination>"
    return f"<InventoryConfiguration><Id>{name}</Id>{destination}</InventoryConfiguration>".encode()


def test_inventories_have_ids(here: World) -> None:
    """Each is put, listed and deleted by its id."""
    for name in ("one", "two"):
        call(here, "PUT", None, inventory(name, "acs:oss:::b"), parameters={"inventory": "", "inventoryId": name})
    given = {"inventory": "", "inventoryId": "three"}
    refused(here, "InvalidArgument", 400, "PUT", None, inventory("three", "b"), parameters=given)
    call(here, "DELETE", parameters={"inventory": "", "inventoryId": "one"})
    listed = call(here, "GET", parameters={"inventory": ""}).http_response.content
    refused(here, "NoSuchInventory", 404, "GET", parameters={"inventory": "", "inventoryId": "one"})

    assert b"<Id>two</Id>" in listed
    assert b"<Id>one</Id>" not in listed


def test_new_objects_have_the_default_encryption_of_their_bucket(here: World) -> None:
    """Unless they name another; its algorithm and its key are checked."""
    name = "ApplyServerSideEncryptionByDefault"
    rule = f"<ServerSideEncryptionRule><{name}>{{}}</{name}></ServerSideEncryptionRule>"
    given: Any = {"bucket": "encrypted", "parameters": {"encryption": ""}}
    call(here, "PUT", bucket="encrypted")
    for text, code in (
        ("<SSEAlgorithm>DES</SSEAlgorithm>", "InvalidEncryptionAlgorithmError"),
        ("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>", "InvalidArgument"),
    ):
        refused(here, code, 400, "PUT", None, rule.format(text).encode(), **given)
    call(here, "PUT", None, rule.format("<SSEAlgorithm>SM4</SSEAlgorithm>").encode(), **given)
    header = "x-oss-server-side-encryption"

    assert call(here, "PUT", "k", b"1", bucket="encrypted").headers[header] == "SM4"
    assert call(here, "PUT", "k", b"1", bucket="encrypted", headers={header: "AES256"}).headers[header] == "AES256"
    assert (
        b"<SSEAlgorithm>SM4<" in call(here, "GET", **{**given, "parameters": {"bucketInfo": ""}}).http_response.content
    )


def test_blocked_public_access_blocks_anonymous_reads(here: World) -> None:
    """Whatever the ACLs permit."""
    given: Any = {"bucket": "open", "parameters": {"publicAccessBlock": ""}}
    call(here, "PUT", bucket="open", headers={"x-oss-acl": "public-read"})
    call(here, "PUT", "k", b"1", bucket="open")
    public = httpx.get(f"{here.url}/open/k").status_code
    body = (
        b"<PublicAccessBlockConfiguration><BlockPublicAccess>true</BlockPublicAccess></PublicAccessBlockConfiguration>"
    )
    call(here, "PUT", None, body, **given)
    blocked = httpx.get(f"{here.url}/open/k").status_code
    call(here, "DELETE", **given)

    assert (public, blocked, httpx.get(f"{here.url}/open/k").status_code) == (200, 403, 200)


def test_a_policy_for_everyone_is_public(here: World) -> None:
    """Its status is computed; the policy itself is stored only."""
    for principal, expected in (("*", b"true"), (["1234"], b"false")):
        policy = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": [], "Principal": principal}]}
        call(here, "PUT", None, json.dumps(policy).encode(), parameters={"policy": ""})
        status = call(here, "GET", parameters={"policyStatus": ""}).http_response.content

        assert b"<IsPublic>" + expected in status


def test_a_bucket_has_no_live_channels(here: World) -> None:
    """They can be listed, as clients do before they delete a bucket, but not created."""
    assert list(oss2.LiveChannelIterator(here.bucket())) == []
    refused(here, "NotImplemented", 501, "PUT", "channel", b"<LiveChannelConfiguration/>", parameters={"live": ""})


def test_a_subresource_takes_other_parameters_but_no_other_subresource(here: World) -> None:
    """The vendor's tests send unknown ones."""
    here.objects.put(BUCKET, "k", b"1")
    refused(here, "NotImplemented", 501, "PUT", "k", parameters={"acl": "", "retention": ""})

    assert call(here, "PUT", "k", parameters={"acl": "", "xyz": ""}).status_code == 200


def test_documents_are_returned_as_the_vendor_completes_them(here: World) -> None:
    """With booleans in lower case, and with elements that are implied."""
    sent = {
        "referer": b"<RefererConfiguration><AllowEmptyReferer>False</AllowEmptyReferer></RefererConfiguration>",
        "cors": b"<CORSConfiguration/>",
    }
    for name, body in sent.items():
        call(here, "PUT", None, body, parameters={name: ""})
    found = [call(here, "GET", parameters={name: ""}).http_response.content for name in sent]

    assert b"<AllowEmptyReferer>false<" in found[0]
    assert b"<AllowTruncateQueryString>true<" in found[0]
    assert b"<ResponseVary>false<" in found[1]


def test_buckets_are_listed_by_tag(here: World) -> None:
    """Single tags of a bucket can be deleted."""
    tags = "".join(f"<Tag><Key>{key}</Key><Value>1</Value></Tag>" for key in "ab")
    call(here, "PUT", None, f"<Tagging><TagSet>{tags}</TagSet></Tagging>".encode(), parameters={"tagging": ""})

    def buckets(key: str, value: str) -> list[str]:
        response = here.client().list_buckets(oss.ListBucketsRequest(tag_key=key, tag_value=value))
        return [bucket.name for bucket in response.buckets or []]

    assert buckets("a", "1") == [BUCKET]
    assert buckets("a", "2") == []
    call(here, "DELETE", parameters={"tagging": "a"})
    assert buckets("a", "1") == []
    assert buckets("b", "1") == [BUCKET]


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_the_traffic_limit_of_a_request_is_kept(here: World, method: str) -> None:
    """100 KiB take a second at the least limit; a lower one is rejected."""
    here.objects.put(BUCKET, "slow", b"1" * 102_400)
    body = b"1" * 102_400 if method == "PUT" else b""
    started = time.monotonic()
    call(here, method, "slow", body, headers={"x-oss-traffic-limit": "819200"})

    assert time.monotonic() - started >= 1
    refused(here, "InvalidArgument", 400, method, "slow", body, headers={"x-oss-traffic-limit": "819199"})


def test_a_bucket_has_the_class_and_the_encryption_with_which_it_was_created(here: World) -> None:
    """Its objects have them, too, unless they name others; another request to create it changes nothing."""
    kind = "<StorageClass>IA</StorageClass><DataRedundancyType>ZRS</DataRedundancyType>"
    body = f"<CreateBucketConfiguration>{kind}</CreateBucketConfiguration>".encode()
    call(here, "PUT", None, body, bucket="cold", headers={"x-oss-server-side-encryption": "AES256"})
    call(here, "PUT", bucket="cold")
    call(here, "PUT", "k", b"1", bucket="cold")
    call(here, "PUT", "s", b"1", bucket="cold", headers={"x-oss-storage-class": "Standard"})
    info = here.client().get_bucket_info(oss.GetBucketInfoRequest("cold")).bucket_info
    stored = here.objects.head("cold", "k")

    assert (info.storage_class, info.data_redundancy_type, info.sse_rule.sse_algorithm) == ("IA", "ZRS", "AES256")
    assert (stored.storage_class, here.objects.head("cold", "s").storage_class) == ("IA", "Standard")
    assert stored.headers["x-oss-server-side-encryption"] == "AES256"
    for content in ("<StorageClass>x</StorageClass>", "<DataRedundancyType>x</DataRedundancyType>"):
        document = f"<CreateBucketConfiguration>{content}</CreateBucketConfiguration>".encode()
        with pytest.raises(oss.exceptions.OperationError):
            call(here, "PUT", None, document, bucket="never")
    assert not here.objects.has_bucket("never")


def test_conditions_of_uploads_are_refused_as_in_oss(here: World) -> None:
    """A condition that is ignored would overwrite what the client means to keep."""
    for name in ("If-Match", "If-None-Match", "If-Modified-Since"):
        refused(here, "NotImplemented", 501, "PUT", "k", b"1", headers={name: "*"})


CORS = """<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>get</AllowedMethod>
<AllowedHeader>x-oss-*</AllowedHeader><ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>
</CORSRule></CORSConfiguration>"""


@pytest.mark.parametrize(
    ("origin", "method", "header", "status"),
    [
        ("https://a.example", "GET", "x-oss-date", 200),
        ("https://a.example", "GET", "", 200),
        ("https://other", "GET", "", 403),
        ("https://a.example", "PUT", "", 403),
        ("https://a.example", "GET", "authorization", 403),
    ],
)
def test_a_preflight_request_is_checked_against_the_cors_rules(
    here: World, origin: str, method: str, header: str, status: int
) -> None:
    """It is not signed, and needs no object."""
    call(here, "PUT", None, CORS.encode(), parameters={"cors": ""})
    given = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": header, "Origin": origin}
    response = httpx.options(f"{here.url}/{BUCKET}/none", headers={name: one for name, one in given.items() if one})

    assert response.status_code == status
    assert (response.headers.get("access-control-allow-origin") == origin) == (status == 200)
    assert status == 200 or "<Code>AccessForbidden</Code>" in response.text


def test_a_response_to_an_allowed_origin_may_be_read(here: World) -> None:
    """To another origin it has no such header; without rules, no preflight request succeeds."""
    call(here, "PUT", None, CORS.encode(), parameters={"cors": ""})
    call(here, "PUT", "k", b"1")
    allowed = call(here, "GET", "k", headers={"Origin": "https://a.example"}).headers
    other = call(here, "GET", "k", headers={"Origin": "https://other"}).headers
    call(here, "DELETE", parameters={"cors": ""})
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}

    assert allowed["Access-Control-Allow-Origin"] == "https://a.example"
    assert allowed["Access-Control-Expose-Headers"] == "etag"
    assert "Access-Control-Allow-Origin" not in other
    assert httpx.options(f"{here.url}/{BUCKET}/k", headers=preflight).status_code == 403


def test_regions_are_described(here: World) -> None:
    """All, or one of them."""
    client = here.client()
    found = client.describe_regions(oss.DescribeRegionsRequest()).region_info
    one = client.describe_regions(oss.DescribeRegionsRequest(regions="oss-cn-hangzhou")).region_info

    assert len(found or []) > 20
    assert [region.internet_endpoint for region in one or []] == ["oss-cn-hangzhou.aliyuncs.com"]
    refused(here, "NoSuchRegion", 404, "GET", bucket=None, parameters={"regions": "oss-none"})


def test_an_unimplemented_action_checks_the_key_first(here: World) -> None:
    """Bucket, then key, then the action, as the vendor's tests have it."""
    url = f"{here.url}/{BUCKET}?worm"
    refused(here, "NoSuchBucket", 404, "GET", bucket="missing", parameters={"worm": ""})
    unknown = httpx.get(url, headers={"authorization": "OSS unknown:x"})

    assert "<Code>InvalidAccessKeyId</Code>" in unknown.text
    assert "<Code>AccessDenied</Code>" in httpx.get(url).text


def test_listings_of_uploads_name_their_last_entry(here: World) -> None:
    """Also if they are complete; the parts of an upload name what its client encrypts with."""
    upload = begin(
        here, "last", metadata={"client-side-encryption-key": "secret", "client-side-encryption-part-size": "5"}
    )
    listed = here.client().list_multipart_uploads(oss.ListMultipartUploadsRequest(BUCKET, prefix="last"))
    parts = here.client().list_parts(oss.ListPartsRequest(BUCKET, "last", upload_id=upload))

    assert (listed.is_truncated, listed.next_key_marker, listed.next_upload_id_marker) == (False, "last", upload)
    assert (parts.client_encryption_key, parts.client_encryption_part_size) == ("secret", 5)
