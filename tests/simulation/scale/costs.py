"""Ports whose every call costs virtual time, in a cloud that may have outages."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any, NamedTuple

from clipstitch.adapters.threads import MAX_CONCURRENT
from clipstitch.common.errors import CloudBusy, ObjectArchived, SinkTargetNotFound, WebhookNoResponse
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import WebhookResponse
from tests.simulation.scale.virtual_time import VirtualClock
from tests.world import CallInterceptor

TIMEOUT_S = 10  # of a webhook


class Costs(NamedTuple):
    """Seconds per call, and names per request of a listing or of a deletion.

    300 jobs at the costs of `in_small` are like 10,000 jobs at the real costs.
    """

    call_s: float = 0.03
    page: int = 1000

    @classmethod
    def in_small(cls) -> "Costs":
        """Return costs at which a few jobs take as long as 33 times as many."""
        return cls(1.0, 30)


class Receiver(NamedTuple):
    """How a receiver of webhooks responds: its status (0: it never does), and after how many seconds."""

    status: int = 204
    after_s: float = 0.0


class Outages(NamedTuple):
    """What is wrong with the cloud: receivers by the name of their webhook, topics, queues, and archived manifests."""

    receivers: tuple[tuple[str, Receiver], ...] = ()
    deleted_topics: frozenset[str] = frozenset()
    busy_queues: frozenset[str] = frozenset()
    archived_prefix: str | None = None


class CostedCalls(CallInterceptor):
    """Spends the time of every call and counts its requests, by the name of the method. Can be switched off."""

    def __init__(self, clock: VirtualClock, outages: Outages, costs: Costs) -> None:
        self._clock = clock
        self._costs = costs
        self._outages = outages
        self._receivers = dict(outages.receivers)
        self.free_of_charge = True
        self.requests: Counter[str] = Counter()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Spend the time of a call, then make it, unless an outage prevents it."""
        name = function.__name__
        if name in ("list", "list_folders"):
            return self._pages(name, function(*args, **kwargs))
        if name == "post":
            return self._post(function, *args)
        if name == "probe":
            self._request(name, len(args[0]), self._costs.call_s * ceil(len(args[0]) / MAX_CONCURRENT))
            return function(*args)
        if name == "delete":
            refs = list(args[0])
            self._request(name, ceil(len(refs) / self._costs.page))
            return function(refs)
        if name == "copy" and not kwargs.get("size"):
            self._request("describe")  # the adapter asks for the size first
        self._request(name)
        self._refuse(name, args[0])
        return function(*args, **kwargs)

    def _request(self, name: str, count: int = 1, seconds: float | None = None) -> None:
        if not self.free_of_charge:
            self.requests[name] += count
            self._clock.spend(self._costs.call_s * count if seconds is None else seconds)

    def _pages(self, name: str, found: Iterator[Any]) -> Iterator[Any]:
        """Yield what a listing finds; each thousand is a request, which is made when it is needed."""
        self._request(name)
        for number, each in enumerate(found):
            if number and number % self._costs.page == 0:
                self._request(name)
            yield each

    def _post(self, function: Callable[..., Any], hook: Any, *args: Any) -> WebhookResponse:
        receiver = self._receivers.get(hook.name, Receiver())
        self._request("post", seconds=self._costs.call_s + (receiver.after_s if receiver.status else TIMEOUT_S))
        if not receiver.status:
            raise WebhookNoResponse(f"{hook.name} did not respond")
        function(hook, *args)
        return WebhookResponse(receiver.status)

    def _refuse(self, name: str, target: object) -> None:
        """Raise the error with which the cloud refuses a call."""
        outages = self._outages
        if name == "publish" and target in outages.deleted_topics:
            raise SinkTargetNotFound(f"topic {target} does not exist")
        if name == "send" and target in outages.busy_queues:
            raise CloudBusy(f"queue {target} is busy")
        archived = outages.archived_prefix
        if name == "read" and archived and isinstance(target, ObjectRef) and target.key.startswith(archived):
            raise ObjectArchived(f"{target.uri} is archived")
