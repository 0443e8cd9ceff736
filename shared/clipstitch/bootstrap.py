"""Settings into adapters: the only place that knows which SDK stands behind which port."""

from collections.abc import Callable, Mapping
from datetime import datetime

from clipstitch.adapters.oss import Ask, OssAudioService, OssBuckets, OssObjectStore
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.clock import Clock
from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.ports import MessageSender, TaskOutcome, TaskRunning, Webhook, WebhookResponse, WebhookSender
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, read_settings

_TRUSTED: set[str] = set()  # state buckets found fit; lives as long as the function's instance


def build_context(env: Mapping[str, str], context: object = None, clock: Clock | None = None) -> Context:
    """Build everything from an environment; `InvalidSettings` names all that is missing.

    Called for every event, since Function Compute renews the access key that the environment holds.
    """
    settings = read_settings(env)
    key = read_access_key(env, context)
    buckets = OssBuckets(settings.oss_endpoint, settings.oss_region, key)
    return Context(
        objects=OssObjectStore(buckets),
        audio=OssAudioService(buckets, _imm(settings, key)),
        messages=LazyMessageSender(lambda: _mns(settings, key)),
        clock=clock or SystemClock(),
        settings=settings,
        trusted=_TRUSTED,
        hooks=LazyWebhookSender(lambda: _hooks(settings)),
    )


def _imm(settings: Settings, key: AccessKey) -> Ask:
    """Return somebody who knows how tasks ended; nobody does where IMM is not configured."""

    def ask(task_id: str) -> TaskOutcome | TaskRunning | None:
        if not (settings.imm_endpoint and settings.imm_project):
            return None
        from clipstitch.adapters.imm import ImmTaskLookup  # noqa: PLC0415 - only sweeps and failures ask

        return ImmTaskLookup(settings.imm_endpoint, settings.imm_project, key)(task_id)

    return ask


def _mns(settings: Settings, key: AccessKey) -> MessageSender:
    """Import the SMQ SDK and connect."""
    from clipstitch.adapters.smq import SmqMessageSender  # noqa: PLC0415 - see LazyMessages

    return SmqMessageSender(settings.mns_endpoint, key)


def _hooks(settings: Settings) -> WebhookSender:
    """Import what signs and posts webhooks."""
    from clipstitch.adapters.webhook_http import HttpWebhookSender  # noqa: PLC0415 - see LazyHooks

    return HttpWebhookSender(allow_private=settings.webhook_allow_private)


class LazyWebhookSender:
    """The `WebhookSender` port, made when first used: most deployments have no webhook."""

    def __init__(self, make: Callable[[], WebhookSender]) -> None:
        self._make = make

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Tell a receiver."""
        return self._make().post(hook, event_id, text, at)


class LazyMessageSender:
    """The `MessageSender` port, connected when first used: most invocations of submit tell nobody anything."""

    def __init__(self, connect: Callable[[], MessageSender]) -> None:
        self._connect = connect
        self._messages: MessageSender | None = None

    def _connected(self) -> MessageSender:
        self._messages = self._messages or self._connect()
        return self._messages

    def publish(self, topic: str, text: str) -> None:
        """Tell everybody who subscribed to a topic."""
        self._connected().publish(topic, text)

    def send(self, queue: str, text: str) -> None:
        """Put a text into a queue."""
        self._connected().send(queue, text)
