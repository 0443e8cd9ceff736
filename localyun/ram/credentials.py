"""Access keys: their secrets, and the session token of a role's key."""

from dataclasses import dataclass, field

from localyun.clock import CloudClock


@dataclass(frozen=True)
class Credential:
    """An access key. A role's key is valid only together with its `security_token`."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    principal: str = "root"


class Keyring:
    """The access keys that the local cloud has issued."""

    def __init__(self, *credentials: Credential) -> None:
        self._by_id = {credential.access_key_id: credential for credential in credentials}

    def add(self, credential: Credential) -> None:
        """Issue a key."""
        self._by_id[credential.access_key_id] = credential

    def issue(self, clock: CloudClock, principal: str) -> Credential:
        """Issue a temporary key, which is valid with its session token only, and return it."""
        key_id, secret, token = (clock.token(size) for size in (12, 22, 64))
        credential = Credential(f"STS.{key_id}", secret, token, principal=principal)
        self.add(credential)
        return credential

    def find(self, access_key_id: str) -> Credential | None:
        """Return the key with an id, or None if the local cloud has not issued it."""
        return self._by_id.get(access_key_id)
