"""Temporary resources on a real account for the contract tests. Opt-in, with `-m cloud`.

Required are the variables of docs/settings.md for the endpoints, the bucket (bound to an IMM project, not versioned)
and an access key with the permissions of the functions and permission to create and delete topics and queues.
CLIPSTITCH_CONTRACT_PREFIX is optional: the prefix of all objects; default `clipstitch-contract/`.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import oss2
from mns.account import Account
from mns.queue import QueueMeta
from mns.topic import TopicMeta

from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.settings import read_settings

UNUSED = {"CLIPSTITCH_COMPLETION_TOPIC": "unused-by-the-contract"}


class Resources(NamedTuple):
    """What a contract test uses: variables for `build_context`, a bucket, a key prefix, a topic and a queue."""

    env: Mapping[str, str]
    bucket: str
    prefix: str
    topic: str
    queue: str


def settings_errors(env: Mapping[str, str]) -> str:
    """Return the errors of an environment that should describe an account; empty if it is valid."""
    errors = []
    for read in (read_settings, read_access_key):
        try:
            read({**UNUSED, **env})
        except InvalidSettings as error:
            errors.append(str(error))
    return "; ".join(errors)


@contextmanager
def temporary_resources(env: Mapping[str, str], write_line: Callable[[str], None]) -> Iterator[Resources]:
    """Announce the changes, create a topic and a queue, and remove everything afterwards."""
    run = secrets.token_hex(4)
    prefix = f"{env.get('CLIPSTITCH_CONTRACT_PREFIX') or 'clipstitch-contract/'}{run}/"
    name, key = f"clipstitch-contract-{run}", read_access_key(env)
    resources = Resources({**UNUSED, **env}, env["CLIPSTITCH_BUCKET"], prefix, name, name)
    write_line(
        f"\nThe contract tests run on {env['OSS_ENDPOINT']} and {env['MNS_ENDPOINT']} with the key {key.id}. "
        f"They write about 1,100 small objects under oss://{resources.bucket}/{prefix}, start three media tasks there, "
        f"and create the topic and the queue {name}; afterwards they delete all of them and nothing else."
    )
    account = Account(env["MNS_ENDPOINT"], key.id, key.secret, key.token or "")
    try:
        account.get_topic(name).create(TopicMeta())
        account.get_queue(name).create(QueueMeta())
        yield resources
    finally:
        account.get_queue(name).delete()
        account.get_topic(name).delete()
        count = _delete_objects(env, key, resources)
        write_line(f"\nDeleted {count} objects under {prefix}, and the topic and the queue {name}.")


def _delete_objects(env: Mapping[str, str], key: AccessKey, resources: Resources) -> int:
    """Delete all objects under the prefix of this run, and return their number."""
    auth = oss2.StsAuth(key.id, key.secret, key.token) if key.token else oss2.Auth(key.id, key.secret)
    bucket = oss2.Bucket(auth, env["OSS_ENDPOINT"], resources.bucket)
    keys = [listed.key for listed in oss2.ObjectIteratorV2(bucket, prefix=resources.prefix)]
    for start in range(0, len(keys), 1000):
        bucket.batch_delete_objects(keys[start : start + 1000])
    return len(keys)
