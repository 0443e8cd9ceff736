"""Subscribe a push endpoint to the events topic: python subscribe.py https://you.example/smq. Safe to repeat."""

import sys

from environment import Environment
from mns.account import Account
from mns.mns_exception import MNSExceptionBase
from mns.subscription import SubscriptionMeta

NAME = "consumer"


def main(url: str) -> None:
    """Subscribe a URL to pushes in JSON, retried for one day. Ends the program if SMQ rejects the URL."""
    env = Environment()
    key = (env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"], env.get("OSS_SESSION_TOKEN", ""))
    subscription = Account(env["MNS_ENDPOINT"], *key).get_topic(env["CLIPSTITCH_EVENTS_TOPIC"]).get_subscription(NAME)
    try:
        subscription.subscribe(SubscriptionMeta(url, "EXPONENTIAL_DECAY_RETRY", "JSON"))
    except MNSExceptionBase as error:
        raise SystemExit(f"not subscribed: {error}") from error


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 2 else sys.exit(__doc__)
