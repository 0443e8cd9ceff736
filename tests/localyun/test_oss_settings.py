"""Settings of buckets and of the account, through the vendor's two Python clients over HTTP."""

import base64
import hashlib
from collections.abc import Iterator

import alibabacloud_oss_v2 as oss
import oss2
import pytest
from oss2.models import BucketTlsVersion, BucketUserQos, LifecycleExpiration, LifecycleRule, Tagging, TaggingRule

from tests.localyun.oss_world import BUCKET, World, world


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one endpoint with a bucket for the tests of this file."""
    with world(tmp_path_factory.mktemp("settings")) as here:
        yield here


def code_of(error: pytest.ExceptionInfo[oss2.exceptions.ServerError]) -> str:
    """Return the error code."""
    code: str = error.value.code
    return code


def test_styles_are_stored_by_name(here: World) -> None:
    """And listed, replaced and deleted."""
    bucket = here.bucket()
    bucket.put_bucket_style("small", "image/resize,w_200")
    bucket.put_bucket_style("big", "image/resize,w_1000")
    created = bucket.get_bucket_style("small").create_time
    bucket.put_bucket_style("small", "image/resize,w_100")
    found = bucket.get_bucket_style("small")
    assert (found.content, found.create_time) == ("image/resize,w_100", created)
    assert [style.name for style in bucket.list_bucket_style().styles] == ["big", "small"]
    assert bucket.delete_bucket_style("big").status == 204
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.get_bucket_style("big")
    assert code_of(error) == "NoSuchStyle"


@pytest.mark.parametrize(("name", "content"), [("small", ""), ("a&b", "image/resize,w_200")])
def test_a_style_has_a_name_and_a_content(here: World, name: str, content: str) -> None:
    """Others are refused."""
    with pytest.raises(oss2.exceptions.ServerError) as error:
        here.bucket().put_bucket_style(name, content)
    assert code_of(error) == "InvalidArgument"


@pytest.mark.parametrize("versions", [[], ["TLSv9"]])
def test_tls_needs_known_versions(here: World, versions: list[str]) -> None:
    """Each counts once."""
    bucket = here.bucket()
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.put_bucket_https_config(BucketTlsVersion(True, versions))
    assert code_of(error) == "MalformedXML"
    bucket.put_bucket_https_config(BucketTlsVersion(True, ["TLSv1.2", "TLSv1.3", "TLSv1.2"]))
    assert bucket.get_bucket_https_config().tls_version == ["TLSv1.2", "TLSv1.3"]


def test_a_capacity_is_a_number_or_none(here: World) -> None:
    """It is -1 at first."""
    bucket = here.bucket()
    assert bucket.get_bucket_storage_capacity().storage_capacity == -1
    bucket.set_bucket_storage_capacity(BucketUserQos(100))
    assert bucket.get_bucket_storage_capacity().storage_capacity == 100
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.set_bucket_storage_capacity(BucketUserQos(-2))


def test_a_lifecycle_rule_cannot_have_impossible_tags(here: World) -> None:
    """But its tags may be too long, and then it selects nothing."""
    rule = LifecycleRule("one", "logs/", expiration=LifecycleExpiration(days=3))
    for key, refused in (("a" * 129, False), ("%&", True)):
        rules = TaggingRule()
        rules.add("a", "b")
        rules.tagging_rule = {key: "x"}
        rule.tagging = Tagging(rules)
        if refused:
            with pytest.raises(oss2.exceptions.ServerError):
                here.bucket().put_bucket_lifecycle(oss2.models.BucketLifecycle([rule]))
        else:
            here.bucket().put_bucket_lifecycle(oss2.models.BucketLifecycle([rule]))


def test_a_policy_that_names_no_one_is_public(here: World) -> None:
    """The vendor's tests have such a policy."""
    client = here.client()
    policy = b'{"Version":"1","Statement":[{"Action":["oss:PutObject"],"Effect":"Allow","Resource":["*"]}]}'
    client.put_bucket_policy(oss.PutBucketPolicyRequest(bucket=BUCKET, body=policy))
    status = client.get_bucket_policy_status(oss.GetBucketPolicyStatusRequest(bucket=BUCKET)).policy_status
    assert status is not None
    assert status.is_public is True
    client.delete_bucket_policy(oss.DeleteBucketPolicyRequest(bucket=BUCKET))


def test_allowed_headers_of_cors_are_stored_in_lower_case(here: World) -> None:
    """The methods in upper case."""
    bucket = here.bucket()
    rule = oss2.models.CorsRule(allowed_origins=["*"], allowed_methods=["get"], allowed_headers=["X-Own"])
    bucket.put_bucket_cors(oss2.models.BucketCors([rule]))
    [found] = bucket.get_bucket_cors().rules
    assert (found.allowed_methods, found.allowed_headers) == (["GET"], ["x-own"])


def test_a_redirect_to_a_mirror_passes_query_strings_as_the_mirror_gets_them(here: World) -> None:
    """Whatever its other parameter says."""
    client = here.client()
    redirect = oss.RoutingRuleRedirect(
        redirect_type="Mirror", mirror_url="http://a.example/", pass_query_string=True, mirror_pass_query_string=False
    )
    rule = oss.RoutingRule(rule_number=1, redirect=redirect)
    website = oss.WebsiteConfiguration(
        index_document=oss.IndexDocument(suffix="index.html"), routing_rules=oss.RoutingRules(routing_rules=[rule])
    )
    client.put_bucket_website(oss.PutBucketWebsiteRequest(bucket=BUCKET, website_configuration=website))
    found = client.get_bucket_website(oss.GetBucketWebsiteRequest(bucket=BUCKET)).website_configuration
    assert found.routing_rules.routing_rules[0].redirect.pass_query_string is False


def test_a_copy_keeps_how_the_client_encrypted_it(here: World) -> None:
    """Even if its other metadata is replaced."""
    bucket = here.bucket()
    key = "x-oss-meta-client-side-encryption-key"
    bucket.put_object("secret", b"...", headers={key: "k1", "x-oss-meta-a": "1"})
    bucket.copy_object(BUCKET, "secret", "copy", {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-b": "2"})
    found = bucket.head_object("copy").headers
    assert (found[key], found.get("x-oss-meta-a"), found["x-oss-meta-b"]) == ("k1", None, "2")


def test_replication_rules_are_stored_and_closed(here: World) -> None:
    """A rule remains `starting`, since no object is copied."""
    bucket, target = here.bucket(), here.bucket("target")
    target.create_bucket()
    rule = {"target_bucket_name": "target", "target_bucket_location": "oss-cn-hangzhou", "replica_kms_keyid": "k"}
    bucket.put_bucket_replication(oss2.models.ReplicationRule(rule_id="one", prefix_list=["a/"], **rule))
    with pytest.raises(oss2.exceptions.BucketReplicationAlreadyExist):
        bucket.put_bucket_replication(oss2.models.ReplicationRule(**rule))
    [found] = bucket.get_bucket_replication().rule_list
    assert (found.rule_id, found.status, found.action_list, found.prefix_list) == ("one", "starting", ["ALL"], ["a/"])
    assert found.replica_kms_keyid is None
    client = here.client()
    control = oss.RtcConfiguration(rtc=oss.ReplicationTimeControl(status="enabled"), id="one")
    client.put_bucket_rtc(oss.PutBucketRtcRequest(bucket=BUCKET, rtc_configuration=control))
    rules = client.get_bucket_replication(oss.GetBucketReplicationRequest(bucket=BUCKET)).replication_configuration
    assert rules.rules[0].rtc.status == "enabled"
    assert bucket.get_bucket_replication_progress("one").progress.historical_object_progress == 0
    bucket.delete_bucket_replication("one")
    assert bucket.get_bucket_replication().rule_list[0].status == "closing"
    for missing in (bucket.get_bucket_replication_progress, bucket.delete_bucket_replication):
        with pytest.raises(oss2.exceptions.NoSuchReplicationRule):
            missing("two")
    locations = bucket.get_bucket_replication_location().location_list
    assert "oss-cn-shanghai" in locations
    assert "oss-cn-hangzhou" not in locations


def test_a_bucket_without_rules_has_no_replication(here: World) -> None:
    """And a rule needs another bucket as its destination."""
    bucket = here.bucket("alone")
    bucket.create_bucket()
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.get_bucket_replication()
    assert code_of(error) == "NoSuchReplicationConfiguration"
    rule = oss2.models.ReplicationRule(target_bucket_name="alone", target_bucket_location="oss-cn-hangzhou")
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.put_bucket_replication(rule)
    assert code_of(error) == "MalformedXML"


def test_bandwidths_have_limits(here: World) -> None:
    """Those of the bucket are below those of the account, and those of one network below their sum."""
    bucket = here.bucket()
    account = oss2.Service(bucket.auth, bucket.endpoint, region=bucket.region).get_user_qos_info()
    bucket.put_bucket_qos_info(oss2.models.BucketQosInfo(total_upload_bw=3, intranet_upload_bw=2))
    found = bucket.get_bucket_qos_info()
    assert (found.total_upload_bw, found.intranet_upload_bw, found.total_qps) == (3, 2, -1)
    for limits in (
        {"total_upload_bw": account.total_upload_bw + 1},
        {"total_download_bw": 2, "extranet_download_bw": 3},
        {"total_qps": -2},
    ):
        with pytest.raises(oss2.exceptions.InvalidArgument):
            bucket.put_bucket_qos_info(oss2.models.BucketQosInfo(**limits))
    bucket.delete_bucket_qos_info()
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.get_bucket_qos_info()
    assert code_of(error) == "NoSuchBucketQosInfo"


def test_a_host_of_another_region_is_that_region(here: World) -> None:
    """Its buckets are created there, and cannot be read at the endpoint of the local cloud's own region."""
    endpoint = here.bucket().endpoint
    far = here.bucket("far-away")
    host, proxies = "http://oss-eu-west-1.aliyuncs.com", {"http": endpoint}
    there = oss2.Bucket(far.auth, host, "far-away", region="eu-west-1", proxies=proxies)
    there.create_bucket()
    there.put_object("key", b"1")
    info = far.get_bucket_info()
    assert (info.location, info.extranet_endpoint) == ("oss-eu-west-1", "oss-eu-west-1.aliyuncs.com")
    with pytest.raises(oss2.exceptions.AccessDenied):
        far.get_object("key")


def test_parts_of_a_sequential_upload_arrive_in_order(here: World) -> None:
    """And the object has an MD5."""
    bucket = here.bucket()
    part = b"x" * 102400
    upload = bucket.init_multipart_upload("key", params={"sequential": ""}).upload_id
    with pytest.raises(oss2.exceptions.PartNotSequential):
        bucket.upload_part("key", upload, 2, part)
    parts = [
        oss2.models.PartInfo(number, bucket.upload_part("key", upload, number, content).etag)
        for number, content in ((1, part), (2, b"end"))
    ]
    bucket.complete_multipart_upload("key", upload, parts)
    md5 = base64.b64encode(hashlib.md5(part + b"end").digest()).decode()
    assert bucket.get_object("key").headers["Content-MD5"] == md5


def test_data_encryption_needs_kms(here: World) -> None:
    """Otherwise it is ignored; an upload has one encryption for all of its parts."""
    bucket, name = here.bucket(), "x-oss-server-side-data-encryption"
    for algorithm, shown in (("AES256", False), ("KMS", True)):
        bucket.put_object("key", b"1", headers={"x-oss-server-side-encryption": algorithm, name: "SM4"})
        assert (name in bucket.head_object("key").headers) is shown
    rule = oss2.models.ServerSideEncryptionRule()
    rule.sse_algorithm, rule.kms_data_encryption = "AES256", "SM4"
    bucket.put_bucket_encryption(rule)
    assert bucket.get_bucket_encryption().kms_data_encryption is None
    bucket.delete_bucket_encryption()
    upload = bucket.init_multipart_upload("key").upload_id
    headers = {"x-oss-server-side-encryption": "KMS"}
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.upload_part("key", upload, 1, b"1", headers=headers)
    part = oss2.models.PartInfo(1, bucket.upload_part("key", upload, 1, b"1").etag)
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.complete_multipart_upload("key", upload, [part], headers=headers)


def test_a_bucket_becomes_zonal(here: World) -> None:
    """At once, and only once."""
    bucket = here.bucket("zonal")
    bucket.create_bucket()
    task = bucket.create_bucket_data_redundancy_transition("ZRS").task_id
    found = bucket.get_bucket_data_redundancy_transition(task)
    assert (found.transition_status, found.process_percentage) == ("Finished", 100)
    assert bucket.get_bucket_info().data_redundancy_type == "ZRS"
    service = oss2.Service(bucket.auth, bucket.endpoint, region=bucket.region)
    for listed in (bucket.list_bucket_data_redundancy_transition(), service.list_user_data_redundancy_transition()):
        assert [one.task_id for one in listed.data_redundancy_transitions] == [task]
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.create_bucket_data_redundancy_transition("ZRS")
    bucket.delete_bucket_data_redundancy_transition(task)
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.get_bucket_data_redundancy_transition(task)
    assert code_of(error) == "NoSuchRedundancyTransitionTask"
