"""The public endpoint that refuses data calls, and the endpoints that accept them, through the vendor's SDKs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import httpx
import oss2
import pytest

from localyun.server import Endpoints, LocalCloud
from tests.deploy.flow import run_job

ROOT = Path(__file__).parents[2]
BUCKET, DOMAIN = "clipstitch", "http://audio.example.com"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Endpoints]:
    """Run a local cloud with the rule of mainland China."""
    with LocalCloud(ROOT, forbid_public_endpoint=True) as endpoints:
        yield endpoints


def local_domain(cloud: Endpoints) -> str:
    """Return the custom domain that every machine can resolve."""
    return cloud.oss.replace("127.0.0.1", "localhost")


def bucket_at(endpoint: str, cloud: Endpoints, **options: Any) -> oss2.Bucket:
    """Return a bucket of the vendor's first SDK."""
    auth = oss2.AuthV4(cloud.credential.access_key_id, cloud.credential.access_key_secret)
    return oss2.Bucket(auth, endpoint, BUCKET, region=cloud.deployment.region, **options)


DATA_CALLS: dict[str, Callable[[oss2.Bucket], object]] = {
    "PutObject": lambda bucket: bucket.put_object("k", b"1"),
    "GetObject": lambda bucket: bucket.get_object("k"),
    "DeleteObject": lambda bucket: bucket.delete_object("k"),
    "ListObjects": lambda bucket: bucket.list_objects(),
    "ListObjectsV2": lambda bucket: bucket.list_objects_v2(max_keys=1),
    "DeleteMultipleObjects": lambda bucket: bucket.batch_delete_objects(["k"]),
    "InitiateMultipartUpload": lambda bucket: bucket.init_multipart_upload("k"),
    "ListMultipartUploads": lambda bucket: bucket.list_multipart_uploads(),
    "audio/info": lambda bucket: bucket.get_object("k", process="audio/info"),
    "audio/concat": lambda bucket: bucket.async_process_object("k", "audio/concat,f_mp3"),
}


@pytest.mark.parametrize("call", DATA_CALLS.values(), ids=DATA_CALLS)
def test_data_calls_are_refused_at_the_public_endpoint(cloud: Endpoints, call: Callable[[oss2.Bucket], object]) -> None:
    """Status, code, message and EC are the vendor's."""
    with pytest.raises(oss2.exceptions.OssError) as refused:
        call(bucket_at(cloud.oss, cloud))

    error = refused.value
    assert (400, "PublicEndpointForbidden", "0048-00000401") == (error.status, error.code, error.details["EC"])
    assert "Not allowed using the OSS public endpoint, please use CNAME instead." == error.message


def test_a_signed_url_and_a_form_upload_are_refused(cloud: Endpoints) -> None:
    """They are data calls, too; so are requests without a signature."""
    url = bucket_at(cloud.oss, cloud).sign_url("GET", "k", 60)

    answers = [
        httpx.get(url),
        httpx.post(f"{cloud.oss}/{BUCKET}", data={"key": "k"}),
        httpx.get(f"{cloud.oss}/{BUCKET}/k"),
    ]

    assert [400] * 3 == [answer.status_code for answer in answers]
    assert all("<Code>PublicEndpointForbidden</Code>" in answer.text for answer in answers)


@pytest.mark.parametrize(
    "host", [f"{BUCKET}.oss-cn-hangzhou.aliyuncs.com", f"{BUCKET}.localhost", f"{BUCKET}.LOCALHOST:80"]
)
def test_a_host_name_with_the_bucket_is_the_public_endpoint(cloud: Endpoints, host: str) -> None:
    """The SDKs use such names; case and port do not matter."""
    answer = httpx.get(f"{cloud.oss}/k", headers={"Host": host})

    assert "<Code>PublicEndpointForbidden</Code>" in answer.text


def test_buckets_can_be_managed_at_the_public_endpoint(cloud: Endpoints) -> None:
    """The rule is about data only."""
    bucket = bucket_at(cloud.oss, cloud)
    other = oss2.Bucket(bucket.auth, cloud.oss, "another-bucket", region=cloud.deployment.region)
    other.create_bucket()
    other.delete_bucket()

    assert BUCKET == bucket.get_bucket_info().name
    assert "oss-cn-hangzhou" == bucket.get_bucket_location().location
    assert bucket.get_bucket_versioning().status is None


def custom_domain(cloud: Endpoints) -> oss2.Bucket:
    """Return a bucket at a name that no resolver knows: the local cloud is the proxy through which it is reached."""
    return bucket_at(DOMAIN, cloud, is_cname=True, proxies={"http": cloud.oss})


REACHING: dict[str, Callable[[Endpoints], oss2.Bucket]] = {
    "a custom domain": custom_domain,
    "localhost": lambda cloud: bucket_at(local_domain(cloud), cloud, is_cname=True),
    "the internal endpoint": lambda cloud: bucket_at(cloud.oss_internal, cloud),
}


@pytest.mark.parametrize("reach", REACHING.values(), ids=REACHING)
def test_data_calls_work_elsewhere(cloud: Endpoints, reach: Callable[[Endpoints], oss2.Bucket]) -> None:
    """Keys with slashes, spaces and the bucket's name in the middle, too."""
    bucket, keys = reach(cloud), ["a b+c/中.mp3", f"x/{BUCKET}/y", "z"]
    for key in keys:
        bucket.put_object(key, key.encode())

    assert [key.encode() for key in keys] == [bucket.get_object(key).read() for key in keys]
    assert set(keys) <= {found.key for found in oss2.ObjectIteratorV2(bucket)}
    assert BUCKET == bucket.get_bucket_info().name
    assert sorted(keys) == sorted(bucket.batch_delete_objects(keys).deleted_keys)


def test_the_second_sdk_reaches_a_custom_domain(cloud: Endpoints) -> None:
    """It does not write the bucket into the path, not even for localhost."""
    config = oss.config.load_default()
    config.region, config.endpoint, config.use_cname = cloud.deployment.region, local_domain(cloud), True
    key = (cloud.credential.access_key_id, cloud.credential.access_key_secret)
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(*key)
    client = oss.Client(config)
    client.put_object(oss.PutObjectRequest(BUCKET, "dir/k", body=b"2"))

    assert b"2" == client.get_object(oss.GetObjectRequest(BUCKET, "dir/k")).body.content
    assert "dir/k" in [found.key for found in client.list_objects_v2(oss.ListObjectsV2Request(BUCKET)).contents]


def test_a_custom_domain_reaches_no_other_bucket(cloud: Endpoints) -> None:
    """The signature is for another resource than the request."""
    auth = custom_domain(cloud).auth
    other = oss2.Bucket(
        auth, DOMAIN, "other", region=cloud.deployment.region, is_cname=True, proxies={"http": cloud.oss}
    )

    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
        other.get_object("k")


def test_functions_use_the_internal_endpoint(cloud: Endpoints) -> None:
    """A whole job succeeds, whose manifest arrives through the custom domain."""
    result = run_job(Endpoints(**{**vars(cloud), "oss": local_domain(cloud)}))

    assert "succeeded" == result["data"]["state"]
    assert cloud.oss_internal == cloud.variables()["OSS_ENDPOINT"] != cloud.environment()["OSS_ENDPOINT"] == cloud.oss


def test_without_the_switch_there_is_one_endpoint(cloud_environment: dict[str, str]) -> None:
    """It accepts data calls, also by the name localhost, whose first path segment is the bucket."""
    endpoint = cloud_environment["OSS_ENDPOINT"].replace("127.0.0.1", "localhost")
    auth = oss2.AuthV4(cloud_environment["OSS_ACCESS_KEY_ID"], cloud_environment["OSS_ACCESS_KEY_SECRET"])
    bucket = oss2.Bucket(auth, endpoint, BUCKET, region=cloud_environment["OSS_REGION"])
    bucket.put_object("custom-domains/k", b"3")

    assert b"3" == bucket.get_object("custom-domains/k").read()


def test_an_empty_cloud_has_the_domain_of_the_bucket_to_come() -> None:
    """Code packages are uploaded to the internal endpoint: Function Compute's bucket is not the user's."""
    with LocalCloud(None, forbid_public_endpoint=True, variables={"CLIPSTITCH_BUCKET": BUCKET}) as endpoints:
        bucket_at(endpoints.oss, endpoints).create_bucket()

        bucket_at(local_domain(endpoints), endpoints, is_cname=True).put_object("k", b"1")

        assert b"1" == bucket_at(endpoints.oss_internal, endpoints).get_object("k").read()
        assert endpoints.oss_internal == endpoints.tool_environment()["FC_CODE_TEMP_OSS_ENDPOINT"]
