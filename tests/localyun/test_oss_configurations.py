"""What the vendor's Go suites expect of buckets and objects, called through the vendor's Python clients."""

from collections.abc import Callable, Iterator

import alibabacloud_oss_v2 as oss
import httpx
import oss2
import pytest
from alibabacloud_oss_v2.exceptions import OperationError

from tests.localyun.oss_world import BUCKET, World, world

LIFECYCLE = """<LifecycleConfiguration><Rule><ID>a</ID><Prefix/><Status>Enabled</Status><Transition><Days>30</Days>
<StorageClass>IA</StorageClass><IsAccessTime>true</IsAccessTime></Transition></Rule></LifecycleConfiguration>"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one bucket for all tests of this file."""
    with world(tmp_path_factory.mktemp("oss")) as here:
        yield here


def refused(act: Callable[..., object], request: object) -> tuple[int, str, str]:
    """Return status, code and EC of the error that a call raises."""
    with pytest.raises(OperationError) as caught:
        act(request)
    error = caught.value.unwrap()
    return error.status_code, error.code, error.ec


def cname(domain: str = "example.com") -> oss.BucketCnameConfiguration:
    """Return what names a domain."""
    return oss.BucketCnameConfiguration(cname=oss.Cname(domain=domain))


def test_a_domain_is_not_bound_before_its_owner_is_known(here: World) -> None:
    """Its token can be created, once in 72 hours, and read."""
    client = here.client()
    absent = refused(client.get_cname_token, oss.GetCnameTokenRequest(bucket=BUCKET, cname="example.com"))
    create = oss.CreateCnameTokenRequest(bucket=BUCKET, bucket_cname_configuration=cname())
    first, again = (client.create_cname_token(create).cname_token for _ in range(2))
    found = client.get_cname_token(oss.GetCnameTokenRequest(bucket=BUCKET, cname="example.com")).cname_token
    put = oss.PutCnameRequest(bucket=BUCKET, bucket_cname_configuration=cname())
    not_bound = refused(client.put_cname, put)
    listed = client.list_cname(oss.ListCnameRequest(bucket=BUCKET))
    deleted = client.delete_cname(oss.DeleteCnameRequest(bucket=BUCKET, bucket_cname_configuration=cname()))
    assert first.token == again.token == found.token != ""
    assert (first.bucket, first.cname) == (BUCKET, "example.com")
    assert absent == (404, "CnameTokenNotFound", "0018-00000301")
    assert not_bound == (403, "NeedVerifyDomainOwnership", "0018-00000115")
    assert (listed.bucket, listed.cnames or [], deleted.status_code) == (BUCKET, [], 200)
    old = b"<CnameToken><ExpireTime>Wed, 23 Feb 2022 21:16:37 GMT</ExpireTime></CnameToken>"
    here.objects.configurations.put(BUCKET, "cname", old, "example.com")
    expired = refused(client.get_cname_token, oss.GetCnameTokenRequest(bucket=BUCKET, cname="example.com"))
    assert expired == absent


def test_an_account_blocks_public_access_to_all_buckets(here: World) -> None:
    """Until its configuration is deleted."""
    client, bucket = here.client(), here.bucket("opened")
    bucket.create_bucket(oss2.BUCKET_ACL_PUBLIC_READ)
    bucket.put_object("k", b"open")
    url = bucket.sign_url("GET", "k", 60).partition("?")[0]
    before = httpx.get(url).text
    block = oss.PublicAccessBlockConfiguration(block_public_access=True)
    client.put_public_access_block(oss.PutPublicAccessBlockRequest(public_access_block_configuration=block))
    found = client.get_public_access_block(oss.GetPublicAccessBlockRequest()).public_access_block_configuration
    blocked = httpx.get(url).status_code
    client.delete_public_access_block(oss.DeletePublicAccessBlockRequest())
    assert (before, found.block_public_access, blocked, httpx.get(url).text) == ("open", True, 403, "open")


def test_access_monitoring_stays_enabled_while_a_lifecycle_rule_needs_it(here: World) -> None:
    """It can be disabled when the rules are gone."""
    client, bucket = here.client(), here.bucket("monitored")
    bucket.create_bucket()

    def put(status: str) -> object:
        monitor = oss.AccessMonitorConfiguration(status=status)
        request = oss.PutBucketAccessMonitorRequest(bucket="monitored", access_monitor_configuration=monitor)
        return client.put_bucket_access_monitor(request)

    put("Enabled")
    here.objects.configurations.put("monitored", "lifecycle", LIFECYCLE.encode())
    assert refused(put, "Disabled") == (400, "InvalidArgument", "0036-00000005")
    here.objects.configurations.delete("monitored", "lifecycle")
    put("Disabled")


def test_a_bucket_has_the_default_resource_group_only(here: World) -> None:
    """Others do not exist here."""
    group = oss.BucketResourceGroupConfiguration(resource_group_id="rg-other")
    request = oss.PutBucketResourceGroupRequest(bucket=BUCKET, bucket_resource_group_configuration=group)
    assert refused(here.client().put_bucket_resource_group, request) == (
        400,
        "ResourceGroupIdPreCheckError",
        "0039-00000003",
    )


def test_a_list_of_no_inventories_is_an_error(here: World) -> None:
    """As that of one that does not exist."""
    request = oss.ListBucketInventoryRequest(bucket=BUCKET)
    assert refused(here.client().list_bucket_inventory, request)[:2] == (404, "NoSuchInventory")


def test_an_object_of_parts_in_order_has_an_md5(here: World) -> None:
    """That of the whole; a copy is an object of its own."""
    client, bucket, key = here.client(), here.bucket(), "ordered"

    def upload(**parameters: str) -> object:
        begin = oss.InitiateMultipartUploadRequest(bucket=BUCKET, key=key, parameters=parameters)
        upload_id = client.initiate_multipart_upload(begin).upload_id or ""
        part = bucket.upload_part(key, upload_id, 1, b"abc")
        bucket.complete_multipart_upload(key, upload_id, [oss2.models.PartInfo(1, part.etag)])
        return client.head_object(oss.HeadObjectRequest(bucket=BUCKET, key=key)).content_md5

    assert (upload(), upload(sequential="")) == (None, "kAFQmDzST7DWlj99KOF/cg==")
    assert "sequential" not in str(bucket.get_object(key).headers)


def test_versions_are_named_only_in_versioned_buckets(here: World) -> None:
    """A copied part names the version of its source, a deletion the deleted one."""
    client, bucket = here.client(), here.bucket("versioned")
    bucket.create_bucket()
    bucket.put_object("k", b"1")
    gone = client.delete_object(oss.DeleteObjectRequest(bucket="versioned", key="k", version_id="null"))
    bucket.put_object("k", b"2")
    here.objects.set_bucket("versioned", versioning="Enabled")
    upload_id = bucket.init_multipart_upload("parts").upload_id
    copy = oss.UploadPartCopyRequest(
        bucket="versioned", key="parts", upload_id=upload_id, part_number=1, source_key="k", source_version_id="null"
    )
    copied = client.upload_part_copy(copy)
    null = client.delete_object(oss.DeleteObjectRequest(bucket="versioned", key="k", version_id="null"))
    assert (gone.version_id, copied.source_version_id, null.version_id) == (None, "null", "null")


def test_appendable_objects_cannot_be_sealed(here: World) -> None:
    """As in regions without that feature."""
    here.bucket().append_object("log", 0, b"1")
    request = oss.SealAppendObjectRequest(bucket=BUCKET, key="log", position=1)
    assert refused(here.client().seal_append_object, request) == (400, "OperationNotSupported", "0016-00000513")


def test_a_document_may_begin_with_white_space(here: World) -> None:
    """Before its declaration, as the vendor's Go suite sends it."""
    body = '\n  <?xml version="1.0" encoding="UTF-8"?><WebsiteConfiguration><RoutingRules><RoutingRule>'
    body += "<RuleNumber>1</RuleNumber><Redirect/></RoutingRule></RoutingRules></WebsiteConfiguration>"
    found = [
        here.client().invoke_operation(
            oss.OperationInput(op_name="Raw", method=method, bucket=BUCKET, body=body, parameters={"website": ""})
        )
        for method in ("PUT", "GET")
    ][-1].http_response.content.decode()
    assert "<MirrorFollowRedirect>true</MirrorFollowRedirect><MirrorCheckMd5>false</MirrorCheckMd5>" in found


def test_a_signed_header_must_be_sent(here: World) -> None:
    """Without it, the signature is malformed, not wrong."""
    url = here.bucket().sign_url("GET", "k", 60, headers={"name": "x"}, additional_headers={"name"})
    answer = httpx.get(url)
    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code>" in answer.text


def test_a_retention_policy_makes_objects_immutable(here: World) -> None:
    """They can be read and added, until the policy is removed; a locked one can only be extended."""
    client, bucket, name = here.client(), here.bucket("retained"), "retained"
    bucket.create_bucket()
    bucket.put_object("k", b"1")
    none = refused(client.get_bucket_worm, oss.GetBucketWormRequest(bucket=name))[:2]
    period = oss.InitiateWormConfiguration(retention_period_in_days=1)
    begin = oss.InitiateBucketWormRequest(bucket=name, initiate_worm_configuration=period)
    worm_id = client.initiate_bucket_worm(begin).worm_id

    def state() -> tuple[object, ...]:
        found = client.get_bucket_worm(oss.GetBucketWormRequest(bucket=name)).worm_configuration
        return found.worm_id, found.state, found.retention_period_in_days

    begun = state()
    for change in (bucket.delete_object, lambda key: bucket.put_object(key, b"2"), bucket.put_symlink):
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            change(*("k", "k") if change == bucket.put_symlink else ("k",))
        assert (caught.value.status, caught.value.code) == (409, "FileImmutable")
    bucket.put_object("new", b"2")
    client.abort_bucket_worm(oss.AbortBucketWormRequest(bucket=name))
    bucket.delete_object("new")
    locked_id = client.initiate_bucket_worm(begin).worm_id
    client.complete_bucket_worm(oss.CompleteBucketWormRequest(bucket=name, worm_id=locked_id))
    longer = oss.ExtendWormConfiguration(retention_period_in_days=2)
    extend = oss.ExtendBucketWormRequest(bucket=name, worm_id=locked_id, extend_worm_configuration=longer)
    client.extend_bucket_worm(extend)
    assert (none, begun) == ((404, "NoSuchWORMConfiguration"), (worm_id, "InProgress", 1))
    assert state() == (locked_id, "Locked", 2)
    assert refused(client.extend_bucket_worm, extend)[0] == 400
    assert refused(client.abort_bucket_worm, oss.AbortBucketWormRequest(bucket=name))[1] == "WORMConfigurationLocked"
    assert bucket.get_object("k").read() == b"1"
