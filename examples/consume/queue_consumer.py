"""Consume the events queue: poll, act on each event once, delete its message. SIGTERM and Ctrl-C stop the program.

Several consumers can run in parallel; on one machine they share the database.
"""

import base64
import json
import logging
import signal
import time

from act import act
from environment import Environment
from inbox import Event, Inbox
from mns.account import Account
from mns.mns_exception import MNSExceptionBase
from mns.queue import Message, Queue

LONG_POLL_S = 20  # SMQ allows at most 30
RETRY_DELAY_S = 2  # after a failed request to SMQ


class Shutdown:
    """A requested shutdown: immediate during a poll, otherwise after the current message."""

    def __init__(self) -> None:
        self.requested = self.polling = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request)

    def _request(self, *_: object) -> None:
        self.requested = True
        if self.polling:
            raise SystemExit(0)


def main() -> None:
    """Consume until a signal stops the program."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    inbox = Inbox(Environment().get("CONSUMER_DATABASE", "consumed.sqlite"))
    queue, shutdown = connect(), Shutdown()
    logging.info("consuming %s", queue.queue_name)
    while not shutdown.requested:
        shutdown.polling = True
        message = receive(queue)
        shutdown.polling = False
        if message:
            process(message, queue, inbox)


def connect() -> Queue:
    """Return the queue named in the environment; message bodies are returned without decoding."""
    env = Environment()
    key = (env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"], env.get("OSS_SESSION_TOKEN", ""))
    queue = Account(env["MNS_ENDPOINT"], *key).get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
    queue.set_encoding(False)
    return queue


def receive(queue: Queue) -> Message | None:
    """Wait for a message and return it; return None if there is none or SMQ does not respond."""
    try:
        return queue.receive_message(LONG_POLL_S)
    except (MNSExceptionBase, OSError) as error:
        if getattr(error, "type", "") != "MessageNotExist":
            logging.warning("cannot receive: %s", error)
            time.sleep(RETRY_DELAY_S)
    return None


def process(message: Message, queue: Queue, inbox: Inbox) -> None:
    """Act on the event in a message, then delete the message. After a failure the message becomes visible again."""
    try:
        inbox.once(parse_event(message.message_body), act)
        queue.delete_message(message.receipt_handle)
    except Exception:
        logging.exception("failed; the message stays in the queue")


def parse_event(body: str | bytes) -> Event:
    """Return the event in a message body: JSON from a topic, or Base64 of JSON from clipstitch. Raises ValueError."""
    try:
        event: Event = json.loads(body)
    except ValueError:
        event = json.loads(base64.b64decode(body, validate=True))
    return event


if __name__ == "__main__":
    main()
