"""Temporary resources on a real account for the contract tests. Opt-in, with `-m cloud`.

Required are the variables of docs/settings.md for the endpoints, the bucket (bound to an IMM project, not versioned)
and an access key with the permissions of the functions and permission to create and delete topics and queues.
CLIPSTITCH_CONTRACT_PREFIX is optional: the prefix of all objects. By default it is below `_clipstitch/work/`, the only
place to which IMM may write.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from clipstitch.bootstrap import build_context
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.settings import read_settings
from clipstitch_cli.doctor.live.cleanup import CleanupStack, delete_prefix
from clipstitch_cli.doctor.live.temporary_queues import create_queue, create_topic
from clipstitch_cli.smq_queue import smq_account

DEFAULT_PREFIX = "_clipstitch/work/contract/"
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
    prefix = f"{env.get('CLIPSTITCH_CONTRACT_PREFIX') or DEFAULT_PREFIX}{run}/"
    name, key = f"clipstitch-contract-{run}", read_access_key(env)
    resources = Resources({**UNUSED, **env}, env["CLIPSTITCH_BUCKET"], prefix, name, name)
    write_line(
        f"\nThe contract tests run on {env['OSS_ENDPOINT']} and {env['MNS_ENDPOINT']} with the key {key.id}. "
        f"They write about 1,100 small objects under oss://{resources.bucket}/{prefix}, start three media tasks there, "
        f"and create the topic and the queue {name}; afterwards they delete all of them and nothing else."
    )
    objects, account = build_context(resources.env).objects, smq_account(env["MNS_ENDPOINT"], key)
    cleanup = CleanupStack()
    deleted: list[int] = []
    try:
        cleanup.add(
            f"oss://{resources.bucket}/{prefix}",
            lambda: deleted.append(delete_prefix(resources.bucket, prefix, objects)),
        )
        create_topic(account, name, cleanup)
        create_queue(account, name, cleanup)
        yield resources
    finally:
        remaining = cleanup.run()
        write_line(f"\nDeleted {sum(deleted)} objects under {prefix}, and the topic and the queue {name}.")
    assert [] == remaining
