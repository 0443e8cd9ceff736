"""Connect settings to adapters: the only module that knows which SDK implements which port."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from clipstitch.adapters.oss import OssAudioService, OssBuckets, OssObjectStore, TaskLookup, is_custom_domain
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.adapters.threads import ThreadWorkers
from clipstitch.common.clock import Clock
from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.common.ports import (
    MessageSender,
    NoRenderService,
    ObjectFiles,
    RenderService,
    TaskOutcome,
    TaskRunning,
    WebhookSender,
)
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, read_settings

_UNVERSIONED: set[str] = set()  # buckets without versioning; lives as long as the function instance
T = TypeVar("T")


def build_context(env: Mapping[str, str], fc_context: object = None, clock: Clock | None = None) -> Context:
    """Return the context of a use case; raise `InvalidSettings`, which names everything that is missing.

    Called for every event, since Function Compute renews the access key in the environment.
    """
    settings = read_settings(env)
    if settings.state_bucket_name != settings.bucket and is_custom_domain(settings.oss_endpoint):
        message = (
            f"OSS_ENDPOINT {settings.oss_endpoint} is a domain of one bucket; facts are in {settings.state_bucket}"
        )
        raise InvalidSettings(f"{message}, so set it to an endpoint of OSS, such as the -internal one")
    key = read_access_key(env, fc_context)
    buckets = OssBuckets(settings.oss_endpoint, settings.oss_region, key)
    return Context(
        objects=OssObjectStore(buckets),
        audio=OssAudioService(buckets, _task_lookup(settings, key)),
        messages=_lazy(lambda: _smq(settings, key)),
        webhooks=_lazy(lambda: _webhooks(settings)),
        clock=clock or SystemClock(),
        settings=settings,
        unversioned=_UNVERSIONED,
        workers=ThreadWorkers(),
        renders=_lazy(lambda: _renders(settings, key)),
    )


def build_files(env: Mapping[str, str], fc_context: object = None) -> ObjectFiles:
    """Return the objects as files, for the function `render`."""
    from clipstitch.adapters.oss_files import OssObjectFiles  # noqa: PLC0415 - no other function needs it

    settings = read_settings(env)
    return OssObjectFiles(OssBuckets(settings.oss_endpoint, settings.oss_region, read_access_key(env, fc_context)))


def _task_lookup(settings: Settings, key: AccessKey) -> TaskLookup:
    """Return a task-status lookup; it returns None if IMM is not configured."""

    def look_up(task_id: str) -> TaskOutcome | TaskRunning | None:
        if not (settings.imm_endpoint and settings.imm_project):
            return None
        from clipstitch.adapters.imm import ImmTaskLookup  # noqa: PLC0415 - only sweeps and failures need it

        return ImmTaskLookup(settings.imm_endpoint, settings.imm_project, key)(task_id)

    return look_up


def _renders(settings: Settings, key: AccessKey) -> RenderService:
    if not (settings.fc_endpoint and settings.render_function):
        return NoRenderService()
    from clipstitch.adapters.fc import FcRenderService  # noqa: PLC0415 - see _Lazy

    return FcRenderService(settings.fc_endpoint, settings.render_function, key)


def _smq(settings: Settings, key: AccessKey) -> MessageSender:
    from clipstitch.adapters.smq import SmqMessageSender  # noqa: PLC0415 - see _Lazy

    return SmqMessageSender(settings.mns_endpoint, key)


def _webhooks(settings: Settings) -> WebhookSender:
    from clipstitch.adapters.webhook_http import HttpWebhookSender  # noqa: PLC0415 - see _Lazy

    return HttpWebhookSender(allow_private=settings.webhook_allow_private)


class _Lazy:
    """A port that is made when it is first used: most invocations send no event, most deployments have no webhook."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def _lazy(make: Callable[[], T]) -> T:
    return _Lazy(make)  # type: ignore[return-value] # it has the methods of the port
