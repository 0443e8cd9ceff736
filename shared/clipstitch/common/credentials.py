"""Access keys and the names of the environment variables that hold them."""

from collections.abc import Mapping
from typing import NamedTuple

from clipstitch.common.errors import InvalidSettings

# Function Compute's name first (its Python 3.12 runtime has no other source), then the OSS documentation's.
ACCESS_KEY_NAMES = (
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
)


class AccessKey(NamedTuple):
    """An access key; `token` is None for a user's own key."""

    id: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"AccessKey({self.id!r})"


def read_access_key(env: Mapping[str, str], context: object = None) -> AccessKey:
    """Return the access key of the environment, or else of Function Compute's context.

    Raises `InvalidSettings` if neither has one. FC 3.0, "Context", 2026: the context has credentials in the runtimes of
    Python 3.9 and 3.10, but not of 3.12.
    """
    for key_id, secret, token in ACCESS_KEY_NAMES:
        if env.get(key_id) and env.get(secret):
            return AccessKey(env[key_id], env[secret], env.get(token) or None)
    credentials = getattr(context, "credentials", None)
    if credentials is not None and credentials.access_key_id:
        return AccessKey(credentials.access_key_id, credentials.access_key_secret, credentials.security_token or None)
    names = " nor ".join(f"{key_id} with {secret}" for key_id, secret, _ in ACCESS_KEY_NAMES)
    raise InvalidSettings(f"no access key: neither {names} is set")
