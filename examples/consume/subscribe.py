"""Subscribes a push endpoint to the events topic: python subscribe.py https://you.example/smq. Again does no harm."""

import os
import sys

from mns.account import Account
from mns.subscription import SubscriptionMeta

NAME = "consumer"


def main(url: str) -> None:
    """Ask SMQ to push there, in JSON, with retries for a day."""
    env = os.environ
    key = (env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"], env.get("OSS_SESSION_TOKEN", ""))
    subscription = Account(env["MNS_ENDPOINT"], *key).get_topic(env["CLIPSTITCH_EVENTS_TOPIC"]).get_subscription(NAME)
    subscription.subscribe(SubscriptionMeta(url, "EXPONENTIAL_DECAY_RETRY", "JSON"))


if __name__ == "__main__":
    main(*sys.argv[1:])
