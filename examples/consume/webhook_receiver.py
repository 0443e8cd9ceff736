"""Receives webhooks: verifies who signed, with the Standard Webhooks library, then acts on each event once."""

import logging
import os
from collections.abc import Mapping

from act import act
from inbox import Inbox
from serving import Refused, serve
from standardwebhooks import Webhook, WebhookVerificationError


def main() -> None:
    """Answer until the end."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    inbox = Inbox(os.environ.get("CONSUMER_DATABASE", "consumed.sqlite"))
    webhook = Webhook(os.environ["CONSUMER_WEBHOOK_SECRET"])

    def receive(_path: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            event = webhook.verify(body, dict(headers))
        except WebhookVerificationError as error:
            raise Refused(f"not signed with our secret, or long ago: {error}") from error
        inbox.once(event, act)

    serve(receive)


if __name__ == "__main__":
    main()
