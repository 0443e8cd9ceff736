"""The public endpoint as accounts in mainland China have it since 2025: no data calls, except through custom domains.

OSS, "Access OSS through a custom domain name", 2025-12-25: PublicEndpointForbidden, HTTP 400, EC 0048-00000401. The
page names "data APIs" and lists none; users report that buckets can be managed, but objects neither read nor listed. It
is not documented whether the signature is checked first; here it is not.
"""

import re

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.oss.http.request import locate, path_of

# Addresses, the vendor's own names, and labels before `localhost`, which the local cloud serves in their place.
_PUBLIC_HOST = re.compile(r"[\d.]+|\[.*\]|(.+\.)?oss-[a-z0-9-]+\.aliyuncs\.com|.+\.localhost")
# Actions of bucket level that read or write objects; a form upload is one of oss:PutObject, a list of deletions has "".
_DATA_ACTIONS = ("oss:ListObjects", "oss:ListMultipartUploads", "oss:PutObject", "")


class CustomDomains:
    """Every host name that is not the default public endpoint is a domain bound to one bucket."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def locate(self, http: HttpRequest) -> tuple[str, str]:
        """Return the bucket and the key of a request.

        The path of a custom domain is the key. oss2 2.19.1 and other clients write the bucket before the key if the
        host is `localhost`, even with their option for custom domains, so it is removed; no key can begin with it.
        """
        if _is_public(http):
            return locate(http)
        key = path_of(http)
        return self._bucket, key.removeprefix(f"{self._bucket}/") if key != self._bucket else ""

    @staticmethod
    def check(http: HttpRequest, action: str, key: str) -> None:
        """Raise PublicEndpointForbidden for a data call at the default public endpoint."""
        if _is_public(http) and (key or action in _DATA_ACTIONS):
            text = "Not allowed using the OSS public endpoint, please use CNAME instead."
            raise ServiceError(400, "PublicEndpointForbidden", text, ec="0048-00000401")


def _is_public(http: HttpRequest) -> bool:
    host = http.headers.get("host", "").lower()
    return _PUBLIC_HOST.fullmatch(re.sub(r":\d+$", "", host)) is not None
