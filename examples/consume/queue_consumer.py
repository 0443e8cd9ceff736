"""Consumes the events queue: long polls, acts on each event once, deletes it afterwards. Ends on SIGTERM or Ctrl-C.

Any number of these may run side by side; on one machine they share the database.
"""

import base64
import json
import logging
import signal
import time
from contextlib import suppress

from act import act
from environment import Environment
from inbox import Event, Inbox
from mns.account import Account
from mns.mns_exception import MNSExceptionBase
from mns.queue import Message, Queue

LONG_POLL_S = 20  # SMQ allows 30
REST_S = 2  # when SMQ does not answer


class Ending:
    """Whether somebody wants us to end: at once while we wait for a message, else when the one at hand is done."""

    def __init__(self) -> None:
        self.asked = self.waiting = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True
        if self.waiting:
            raise SystemExit(0)


def main() -> None:
    """Consume until the end."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    inbox = Inbox(Environment().get("CONSUMER_DATABASE", "consumed.sqlite"))
    queue, ending = connect(), Ending()
    logging.info("consuming %s", queue.queue_name)
    while not ending.asked:
        ending.waiting = True
        message = receive(queue)
        ending.waiting = False
        if message:
            work(message, queue, inbox)


def connect() -> Queue:
    """Return the queue as the environment names it; its texts as they travel."""
    env = Environment()
    key = (env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"], env.get("OSS_SESSION_TOKEN", ""))
    queue = Account(env["MNS_ENDPOINT"], *key).get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
    queue.set_encoding(False)
    return queue


def receive(queue: Queue) -> Message | None:
    """Wait for a message; None when none came."""
    try:
        return queue.receive_message(LONG_POLL_S)
    except (MNSExceptionBase, OSError) as error:
        if getattr(error, "type", "") != "MessageNotExist":
            logging.warning("nothing received: %s", error)
            time.sleep(REST_S)
    return None


def work(message: Message, queue: Queue, inbox: Inbox) -> None:
    """Act on the event in a message, then delete the message. What fails stays, and is seen again after a while."""
    try:
        inbox.once(read(message.message_body), act)
        queue.delete_message(message.receipt_handle)
    except Exception:
        logging.exception("not done; the message stays in the queue")


def read(body: str | bytes) -> Event:
    """Read an event: clipstitch sends queues Base64, as the vendor's clients do; a topic that feeds one sends JSON."""
    with suppress(ValueError):
        return json.loads(body)
    return json.loads(base64.b64decode(body, validate=True))


if __name__ == "__main__":
    main()
