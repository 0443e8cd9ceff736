"""Access keys and the names of the environment variables that hold them."""

from collections.abc import Mapping
from typing import NamedTuple

from clipstitch.common.errors import InvalidSettings

# Pairs: Function Compute's name first (its Python 3.12 runtime has no other source), then the OSS documentation's.
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
    """Find the access key: in the environment first, then on Function Compute's context; `InvalidSettings` if nowhere.

    FC 3.0, "Context", 2026: the Python 3.12 runtime's context has no credentials, those of 3.9 and 3.10 have.
    """
    for key_id, secret, token in ACCESS_KEY_NAMES:
        if env.get(key_id) and env.get(secret):
            return AccessKey(env[key_id], env[secret], env.get(token) or None)
    given = getattr(context, "credentials", None)
    if given is not None and given.access_key_id:
        return AccessKey(given.access_key_id, given.access_key_secret, given.security_token or None)
    names = " nor ".join(f"{pair[0]} with {pair[1]}" for pair in ACCESS_KEY_NAMES)
    raise InvalidSettings(f"no access key: neither {names} is set")
