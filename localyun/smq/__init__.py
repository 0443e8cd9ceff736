"""The local Simple Message Queue (SMQ, formerly MNS): queues, topics, subscriptions and deliveries.

No module outside `http` knows HTTP: pushes to HTTP endpoints are registered with `MessageService.deliver_to`.

The vendor's host names begin with the account (ACCOUNT.mns.REGION.aliyuncs.com), and helpers of its SDKs read it there.
At 127.0.0.1 they read "127": the first label of the host that a caller uses is another name of the account.

http             the API 2015-06-06 over HTTP, and pushes to HTTP endpoints
values           queues, topics, subscriptions and messages, and the vendor's limits
store            the SQLite tables
account          the attributes of the account
resources        what queues and topics have in common: names with attributes
queues           queues and their message counts
messages         messages in queues: send, receive, hide, delete, move to a dead-letter queue
topics           topics and subscriptions
deliveries       publishes messages and delivers them to subscribers, with retries
message_formats  the notification that a subscriber receives
service          the parts above, connected
"""
