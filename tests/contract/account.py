"""An account in the cloud, borrowed for the contract: what it must give, and what it gets back. Opt-in, by `-m cloud`.

Needed are the variables of docs/settings.md for the endpoints, the bucket (bound to an IMM project, without versioning)
and an access key that may do there what the functions may, and may make and remove topics and queues. One more is ours:
CLIPSTITCH_CONTRACT_PREFIX, below which all objects lie; default `clipstitch-contract/`.
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

UNUSED = {"CLIPSTITCH_COMPLETION_TOPIC": "the-contract-needs-none"}


class Place(NamedTuple):
    """Where a contract is proved: variables for `wire`, a bucket, what keys begin with, a topic and a queue."""

    env: Mapping[str, str]
    bucket: str
    prefix: str
    topic: str
    queue: str


def missing(env: Mapping[str, str]) -> str:
    """Say what an environment lacks to be an account; nothing when it is one."""
    problems = []
    for read in (read_settings, read_access_key):
        try:
            read({**UNUSED, **env})
        except InvalidSettings as error:
            problems.append(str(error))
    return "; ".join(problems)


@contextmanager
def borrowed(env: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Place]:
    """Say what will happen, make a topic and a queue, and leave the account as it was."""
    run = secrets.token_hex(4)
    prefix = f"{env.get('CLIPSTITCH_CONTRACT_PREFIX') or 'clipstitch-contract/'}{run}/"
    name, key = f"clipstitch-contract-{run}", read_access_key(env)
    place = Place({**UNUSED, **env}, env["CLIPSTITCH_BUCKET"], prefix, name, name)
    say(
        f"\nThe contract is proved on {env['OSS_ENDPOINT']} and {env['MNS_ENDPOINT']} with the key {key.id}. "
        f"It writes about 1,100 small objects below oss://{place.bucket}/{prefix}, starts three media tasks there, and "
        f"makes the topic and the queue {name}; at the end it removes all of them and nothing else."
    )
    account = Account(env["MNS_ENDPOINT"], key.id, key.secret, key.token or "")
    try:
        account.get_topic(name).create(TopicMeta())
        account.get_queue(name).create(QueueMeta())
        yield place
    finally:
        account.get_queue(name).delete()
        account.get_topic(name).delete()
        say(f"\nRemoved {_emptied(env, key, place)} objects below {prefix}, and the topic and the queue {name}.")


def _emptied(env: Mapping[str, str], key: AccessKey, place: Place) -> int:
    """Delete everything below the prefix of this run, and count it."""
    auth = oss2.StsAuth(key.id, key.secret, key.token) if key.token else oss2.Auth(key.id, key.secret)
    bucket = oss2.Bucket(auth, env["OSS_ENDPOINT"], place.bucket)
    keys = [found.key for found in oss2.ObjectIteratorV2(bucket, prefix=place.prefix)]
    for start in range(0, len(keys), 1000):
        bucket.batch_delete_objects(keys[start : start + 1000])
    return len(keys)
