"""A throw-away place in a real cloud: a prefix, a queue that listens to the completion topic, a bucket without a project.

Whatever is made is remembered with how it is removed, before it is made; so it is removed after an error, too.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta

from clipstitch.adapters.lean_oss2 import oss2
from clipstitch.adapters.mns import ours as ours_mns
from clipstitch.adapters.oss import OssBuckets
from clipstitch.cloud import Cloud
from clipstitch.errors import BadNotice, ClipstitchError, CloudBusy, CloudRefused
from clipstitch.notice import read_notice
from clipstitch.settings import AccessKey
from clipstitch_cli.doctor_experiments import HOME, Experiment, Refused, Seen, key_of, objects_of, target_of
from clipstitch_cli.doctor_tones import RATE, Heard, Tone, listen
from clipstitch_cli.pcm import decode

POLL_S = 2
RETENTION_S = 3600  # should we die, the queue's messages do not outlive the hour
Definition = Callable[[str], dict[str, Any]]


class Place(NamedTuple):
    """Names of throw-away things. `unbound`: a bucket without a project; `new`: it is ours to make and to remove."""

    stamp: str
    bucket: str
    unbound: str
    new: bool

    @property
    def prefix(self) -> str:
        """What the keys of all objects begin with."""
        return f"doctor-{self.stamp}/"

    @property
    def queue(self) -> str:
        """The queue, and its subscription."""
        return f"doctor-{self.stamp}"

    def at(self, where: str) -> str:
        """Return the bucket of an experiment."""
        return self.bucket if where == HOME else self.unbound


class Bench:
    """Runs experiments in a place."""

    def __init__(self, place: Place, cloud: Cloud, key: AccessKey, account: str, definition: Definition) -> None:
        self.place, self._cloud, self._account_id, self._definition = place, cloud, account, definition
        self._buckets = OssBuckets(cloud.settings, key)
        self._account = Account(cloud.settings.mns_endpoint, key.id, key.secret, key.token or "")
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._deaf = ""  # why there is no queue to listen to
        self.requests = 0

    def run(self, experiments: Sequence[Experiment], wait: timedelta) -> dict[str, Seen]:
        """Do all experiments at once; what one meets does not stop the others."""
        self._listen()
        self._put(experiments)
        seen = {experiment.name: self._start(experiment) for experiment in experiments}
        seen = self._hear(seen, wait)
        return {experiment.name: self._look(experiment, seen[experiment.name]) for experiment in experiments}

    def later(self, what: str, undo: Callable[[], object]) -> None:
        """Remember how to remove something; what is remembered last is removed first."""
        self._undo.append((what, undo))

    def remove(self) -> list[str]:
        """Remove everything that was made, whatever happens meanwhile; return what is left."""
        left = []
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except ClipstitchError as error:
                left.append(f"{what}: {error}")
        return left

    def _listen(self) -> None:
        """Make a queue, and subscribe it to the completion topic, where alone IMM's role may publish."""
        settings, name = self._cloud.settings, self.place.queue
        queue, topic = self._account.get_queue(name), settings.completion_topic
        endpoint = f"acs:mns:{settings.oss_region}:{self._account_id}:queues/{name}"
        subscription = self._account.get_subscription(topic, name)
        try:
            self.later(f"queue {name}", lambda: self._mns(f"deleting queue {name}", queue.delete))
            self._mns(f"creating queue {name}", lambda: queue.create(QueueMeta(msg_ttl=RETENTION_S)))
            self.later(
                f"subscription {name} of topic {topic}", lambda: self._mns(f"ending {name}", subscription.unsubscribe)
            )
            wanted = SubscriptionMeta(endpoint, "BACKOFF_RETRY", "SIMPLIFIED")
            self._mns(f"subscribing {name} to topic {topic}", lambda: subscription.subscribe(wanted))
        except ClipstitchError as error:
            self._deaf = str(error)

    def _mns(self, doing: str, call: Callable[[], object]) -> None:
        """Call SMQ; what is not there need not be removed."""
        try:
            with ours_mns(doing):
                call()
        except ClipstitchError as error:
            if getattr(error.__cause__, "type", "") not in ("SubscriptionNotExist", "QueueNotExist", "TopicNotExist"):
                raise

    def _put(self, experiments: Sequence[Experiment]) -> None:
        """Make the bucket, and put the clips."""
        place = self.place
        unbound = self._oss(place.unbound)
        if place.new and any(experiment.where != HOME for experiment in experiments):
            self.later(f"bucket {place.unbound}", lambda: self._call(unbound.delete_bucket))
            self._try(unbound.create_bucket)
        for where in {experiment.where for experiment in experiments}:
            name = place.at(where)
            self.later(f"oss://{name}/{place.prefix}", lambda name=name: self.clear(name, place.prefix))  # type: ignore[misc]
            for clip, body in objects_of(experiments, where).items():
                self._try(self._oss(name).put_object, key_of(clip, place.prefix), body)

    def clear(self, bucket: str, prefix: str) -> None:
        """Delete everything below a prefix, and look whether something is left."""
        if found := self._listed(bucket, prefix):
            self._call(self._oss(bucket).batch_delete_objects, found)
        if left := self._listed(bucket, prefix):
            raise CloudBusy(f"{', '.join(left)} is still there")

    def _listed(self, bucket: str, prefix: str) -> list[str]:
        """List a prefix; ours never have more objects than a page."""
        found = self._call(self._oss(bucket).list_objects_v2, prefix=prefix, max_keys=1000)
        return [each.key for each in found.object_list]

    def _start(self, experiment: Experiment) -> Seen:
        """Post a request."""
        place = self.place
        bucket = place.at(experiment.where)
        process = experiment.process(place.prefix, bucket, self._cloud.settings.completion_topic)
        self.requests += 1
        try:
            answer = self._oss(bucket).async_process_object(key_of(experiment.main, place.prefix), process)
        except oss2.exceptions.ServerError as error:
            return Seen(Refused(error.status, error.code or "", error.message or ""))
        except (oss2.exceptions.OssError, KeyError, ValueError) as error:
            return Seen(trouble=f"no answer to the request: {error}")
        return Seen(task=answer.task_id, event=answer.event_id)

    def _hear(self, seen: dict[str, Seen], wait: timedelta) -> dict[str, Seen]:
        """Wait until every accepted task has said its end, or time is up; then ask IMM for the silent ones."""
        names = {one.task: name for name, one in seen.items() if one.task}
        seen, waiting = dict(seen), set(names)
        deadline = self._cloud.clock.now() + wait
        while waiting and not self._deaf and self._cloud.clock.now() < deadline:
            for task, body in self._receive():
                if task in waiting:
                    waiting.discard(task)
                    seen[names[task]] = seen[names[task]]._replace(body=body)
        return {**seen, **{names[task]: self._silent(seen[names[task]], deadline) for task in waiting}}

    def _receive(self) -> Iterator[tuple[str, str]]:
        """Take a message out of the queue; it may be about a task of somebody else's."""
        queue = self._account.get_queue(self.place.queue)
        queue.set_encoding(False)
        try:
            with ours_mns("listening"):
                message = queue.receive_message_with_str_body(POLL_S)
                queue.delete_message(message.receipt_handle)
        except ClipstitchError as error:
            if not isinstance(error.__cause__, MNSServerException):
                self._deaf = str(error)
            return
        yield task_of(message.message_body), message.message_body

    def _silent(self, one: Seen, deadline: Any) -> Seen:
        """Ask IMM about a task whose message did not come; where nothing could come, wait as long."""
        ended = self._cloud.audio.ended(one.task)
        while ended is None and self._deaf and self._cloud.clock.now() < deadline:
            time.sleep(POLL_S)
            ended = self._cloud.audio.ended(one.task)
        says = "it is not known to have ended" if ended is None else "it succeeded" if ended.succeeded else "it failed"
        return one._replace(trouble=f"no message ({self._deaf or 'none came in time'}); IMM says that {says}")

    def _look(self, experiment: Experiment, one: Seen) -> Seen:
        """Listen to what was made, and ask IMM what it was asked for."""
        if not one.task:
            return one
        asked = self._definition(one.task)
        try:
            heard = self._sound(experiment) if experiment.sound else ()
        except ClipstitchError as error:
            return one._replace(asked=asked, trouble=one.trouble or str(error))
        return one._replace(asked=asked, heard=heard)

    def _sound(self, experiment: Experiment) -> tuple[Heard, ...]:
        """Fetch an output, decode it, and listen."""
        from clipstitch_cli.doctor_experiments import TONES  # noqa: PLC0415 - below

        body = self._call(self._oss(self.place.bucket).get_object, target_of(experiment, self.place.prefix)).read()
        tones: list[Tone] = [TONES[clip] for clip in dict.fromkeys(experiment.clips)]
        with TemporaryDirectory(prefix="clipstitch-doctor-") as folder:
            file = Path(folder) / "made.flac"
            file.write_bytes(body)
            return listen(decode(file, RATE).samples, tones)

    def _oss(self, bucket: str) -> Any:
        return self._buckets(bucket)

    def _call(self, call: Callable[..., Any], *args: Any, **words: Any) -> Any:
        """Call OSS, and count it."""
        self.requests += 1
        with ours_oss():
            return call(*args, **words)

    def _try(self, call: Callable[..., Any], *args: Any) -> None:
        """Call OSS; what was not put, an experiment will miss, and say so."""
        try:
            self._call(call, *args)
        except ClipstitchError:
            return


@contextmanager
def ours_oss() -> Iterator[None]:
    """Let no error of OSS past; what is not there need not be removed."""
    try:
        yield
    except oss2.exceptions.NoSuchBucket:
        return
    except oss2.exceptions.OssError as error:
        text = f"{error.code or 'no answer'} ({error.status}): {error.message or error.body}"
        raise (CloudRefused(text) if 400 <= error.status < 500 else CloudBusy(text)) from error


def task_of(body: str) -> str:
    """Return the task that a message is about; "" when we cannot read it."""
    try:
        notice = read_notice(body.encode())
    except BadNotice:
        return ""
    return notice.task_id if notice else ""
