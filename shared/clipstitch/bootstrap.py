"""Settings into adapters: the only place that knows which SDK stands behind which port."""

from collections.abc import Callable, Mapping
from datetime import datetime

from clipstitch.adapters.oss import Ask, OssAudio, OssBuckets, OssObjects
from clipstitch.common.clock import Clock, SystemClock
from clipstitch.common.ports import Answer, Ended, Hooks, Messages, Running, Webhook
from clipstitch.usecases.context import Cloud
from clipstitch.usecases.settings import AccessKey, Settings, read_access_key, read_settings

_TRUSTED: set[str] = set()  # state buckets found fit; lives as long as the function's instance


def wire(env: Mapping[str, str], context: object = None, clock: Clock | None = None) -> Cloud:
    """Build everything from an environment; `BadSettings` names all that is missing.

    Called for every event, since Function Compute renews the access key that the environment holds.
    """
    settings = read_settings(env)
    key = read_access_key(env, context)
    buckets = OssBuckets(settings, key)
    return Cloud(
        objects=OssObjects(buckets),
        audio=OssAudio(buckets, _imm(settings, key)),
        messages=LazyMessages(lambda: _mns(settings, key)),
        clock=clock or SystemClock(),
        settings=settings,
        trusted=_TRUSTED,
        hooks=LazyHooks(lambda: _hooks(settings)),
    )


def _imm(settings: Settings, key: AccessKey) -> Ask:
    """Return somebody who knows how tasks ended; nobody does where IMM is not configured."""

    def ask(task_id: str) -> Ended | Running | None:
        if not (settings.imm_endpoint and settings.imm_project):
            return None
        from clipstitch.adapters.imm import ImmTasks  # noqa: PLC0415 - only sweeps and failures ask

        return ImmTasks(settings.imm_endpoint, settings.imm_project, key)(task_id)

    return ask


def _mns(settings: Settings, key: AccessKey) -> Messages:
    """Import the SMQ SDK and connect."""
    from clipstitch.adapters.smq import MnsMessages  # noqa: PLC0415 - see LazyMessages

    return MnsMessages(settings.mns_endpoint, key)


def _hooks(settings: Settings) -> Hooks:
    """Import what signs and posts webhooks."""
    from clipstitch.adapters.webhook_http import HttpHooks  # noqa: PLC0415 - see LazyHooks

    return HttpHooks(allow_private=settings.webhook_allow_private)


class LazyHooks:
    """The `Hooks` port, made when first used: most deployments have no webhook."""

    def __init__(self, make: Callable[[], Hooks]) -> None:
        self._make = make

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> Answer:
        """Tell a receiver."""
        return self._make().post(hook, event_id, text, at)


class LazyMessages:
    """The `Messages` port, connected when first used: most invocations of submit tell nobody anything."""

    def __init__(self, connect: Callable[[], Messages]) -> None:
        self._connect = connect
        self._messages: Messages | None = None

    def _connected(self) -> Messages:
        self._messages = self._messages or self._connect()
        return self._messages

    def publish(self, topic: str, text: str) -> None:
        """Tell everybody who subscribed to a topic."""
        self._connected().publish(topic, text)

    def send(self, queue: str, text: str) -> None:
        """Put a text into a queue."""
        self._connected().send(queue, text)
