"""Where clients upload code packages: a bucket of the service itself, with a temporary access key for each upload."""

from datetime import timedelta
from pathlib import Path

from localyun.clock import CloudClock
from localyun.fc.values import CodeUpload
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.store import RoleStore
from localyun.ram.values import Role, role_arn

BUCKET = "localyun-function-code"
VALID_FOR = timedelta(hours=1)


class CodeUploads:
    """Grants uploads of code packages, and reads packages from OSS."""

    def __init__(
        self, objects: ObjectService, keyring: Keyring, roles: RoleStore, clock: CloudClock, account_id: str
    ) -> None:
        self._objects, self._keyring, self._roles, self._clock = objects, keyring, roles, clock
        self._account_id = account_id

    def new(self) -> CodeUpload:
        """Return a new place for one package, and an access key that may write there only."""
        self._objects.create_bucket(BUCKET)
        policy = {
            "Version": "1",
            "Statement": [
                {"Effect": "Allow", "Action": "oss:PutObject", "Resource": f"acs:oss:*:{self._account_id}:{BUCKET}/*"}
            ],
        }
        role = Role(role_arn(self._account_id, BUCKET), {}, (policy,))
        self._roles.put(role, is_old=True)
        tokens = (self._clock.token(size) for size in (12, 22, 64))
        access_key_id, secret, token = tokens
        credential = Credential(f"STS.{access_key_id}", secret, token, principal=role.arn)
        self._keyring.add(credential)
        key = f"{self._account_id}/{self._clock.token(16)}"
        return CodeUpload(BUCKET, key, credential, self._clock.now() + VALID_FOR)

    def read(self, bucket: str, key: str) -> Path:
        """Return the file of an object; raise `ServiceError` if it does not exist."""
        return self._objects.head(bucket, key).file
