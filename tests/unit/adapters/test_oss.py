"""Addresses of buckets: the default endpoints name the bucket, a custom domain belongs to one bucket."""

import pytest

from clipstitch.adapters.oss import OssBuckets
from clipstitch.common.credentials import AccessKey


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://oss-cn-hangzhou.aliyuncs.com", "acme.oss-cn-hangzhou.aliyuncs.com"),
        ("oss-cn-hangzhou-internal.aliyuncs.com", "acme.oss-cn-hangzhou-internal.aliyuncs.com"),
        ("https://audio.acme.example", "audio.acme.example"),
        ("audio.acme.example", "audio.acme.example"),
        ("https://aliyuncs.com.acme.example", "aliyuncs.com.acme.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080", "localhost:8080"),
    ],
)
def test_an_object_is_addressed_by_the_host_of_its_endpoint(endpoint: str, host: str) -> None:
    """Requests to a custom domain do not name the bucket."""
    bucket = OssBuckets(endpoint, "cn-hangzhou", AccessKey("id", "secret"))("acme")

    assert host in bucket.sign_url("GET", "clips/a.mp3", 60).partition("?")[0].split("/")
