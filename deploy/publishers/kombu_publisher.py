#!/usr/bin/env python3
"""Publishes alerts with kombu: one JSON object a line on stdin. AMQP_URL, AMQP_EXCHANGE (`alerts`).

publish() returns only when the broker has stored the alert. Any exception means that it may not be stored: publish it
again, with the same id.
"""

import json
import os
import sys

from kombu import Connection
from kombu.pools import connections


class Unroutable(Exception):
    """No queue is bound to the exchange: nobody would ever see the alert."""


# Confirmed, and no wait is for ever.
BROKER = Connection(
    os.environ["AMQP_URL"],
    connect_timeout=10,
    transport_options={"confirm_publish": True, "read_timeout": 60, "write_timeout": 60},
)
EXCHANGE = os.environ.get("AMQP_EXCHANGE", "alerts")


def publish(alert):
    with connections[BROKER].acquire(block=True, timeout=60) as connection:
        connection.ensure_connection(max_retries=3)
        returned = []
        # A channel of its own: a confirmation that comes late is not taken for that of the next alert. And with
        # `on_return`: else py-amqp raises before it has read the confirmation that follows.
        with connection.channel() as channel:
            producer = connection.Producer(channel, on_return=lambda error, *_: returned.append(error))
            producer.publish(
                json.dumps(alert, ensure_ascii=False).encode(),
                exchange=EXCHANGE,
                routing_key=f"alert.{alert['type']}",
                content_type="application/json",
                content_encoding="utf-8",
                message_id=alert["id"],
                delivery_mode="persistent",
                mandatory=True,
                timeout=60,
                confirm_timeout=60,
            )
        if returned:
            raise Unroutable(returned[0])


if __name__ == "__main__":
    for line in sys.stdin:
        publish(json.loads(line))
