"""Where clients upload and download code packages: a bucket of the service itself, with temporary access keys."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

from localyun.clock import CloudClock
from localyun.fc.values import CodeUpload
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import hmac_base64
from localyun.ram.store import RoleStore
from localyun.ram.values import Role, role_arn

BUCKET = "localyun-function-code"
DOWNLOADS = "functions"  # the prefix of packages to download; those of uploads are under the account's id
VALID_FOR = timedelta(hours=1)


class CodeUploads:
    """Grants uploads and downloads of code packages, and reads packages from OSS."""

    def __init__(
        self, objects: ObjectService, keyring: Keyring, roles: RoleStore, clock: CloudClock, account_id: str
    ) -> None:
        self._objects, self._keyring, self._roles, self._clock = objects, keyring, roles, clock
        self._account_id = account_id

    def new(self) -> CodeUpload:
        """Return a new place for one package, and an access key that may only write objects beside it."""
        self._objects.create_bucket(BUCKET)
        key = f"{self._account_id}/{self._clock.token(16)}"
        credential = self._credential("PutObject", self._account_id)
        return CodeUpload(BUCKET, key, credential, self._clock.now() + VALID_FOR)

    def read(self, bucket: str, key: str) -> Path:
        """Return the file of an object; raise `ServiceError` if it does not exist."""
        return self._objects.head(bucket, key).file

    def link(self, name: str, file: Path, endpoint: str) -> str:
        """Return a URL, signed with V1 and valid for an hour, from which a file can be downloaded.

        `name` is unique for the file; `endpoint` is the URL of OSS.
        """
        self._objects.create_bucket(BUCKET)
        key = f"{DOWNLOADS}/{name}"
        self._objects.put(BUCKET, key, file)
        credential = self._credential("GetObject", DOWNLOADS)
        expires, token = str(int((self._clock.now() + VALID_FOR).timestamp())), credential.security_token
        text = f"GET\n\n\n{expires}\n/{BUCKET}/{key}?security-token={token}"
        query = {
            "OSSAccessKeyId": credential.access_key_id,
            "Expires": expires,
            "Signature": hmac_base64(credential.access_key_secret, text),
            "security-token": token,
        }
        return f"{endpoint}/{BUCKET}/{quote(key)}?{urlencode(query)}"

    def forget(self, name: str) -> None:
        """Delete the downloads whose names begin with `name` and a slash."""
        if self._objects.has_bucket(BUCKET):
            for entry in self._objects.page(BUCKET, prefix=f"{DOWNLOADS}/{name}/", limit=1000).objects:
                self._objects.delete(BUCKET, entry.key)

    def _credential(self, action: str, folder: str) -> Credential:
        """Issue an access key for one action on the objects of a folder."""
        resource = f"acs:oss:*:{self._account_id}:{BUCKET}/{folder}/*"
        statement = {"Effect": "Allow", "Action": f"oss:{action}", "Resource": resource}
        role = Role(role_arn(self._account_id, f"{BUCKET}-{action}"), {}, ({"Version": "1", "Statement": [statement]},))
        self._roles.put(role, is_old=True)
        return self._keyring.issue(self._clock, role.arn)
