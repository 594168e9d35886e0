#!/usr/bin/env python3
"""Publishes alerts with pika: one JSON object a line on stdin. AMQP_URL, AMQP_EXCHANGE (`alerts`).

publish() returns only when the broker has stored the alert. Any exception (pika.exceptions.AMQPError: NackError,
UnroutableError, a lost connection) means that it may not be stored: publish it again, with the same id.
"""

import json
import os
import sys

import pika


def open_channel(url):
    parameters = pika.URLParameters(url)
    # A broker that is short of memory or disk lets publishers wait: not for ever.
    parameters.blocked_connection_timeout = 60
    channel = pika.BlockingConnection(parameters).channel()
    channel.confirm_delivery()
    return channel


def publish(channel, exchange, alert):
    channel.basic_publish(
        exchange=exchange,
        routing_key=f"alert.{alert['type']}",
        body=json.dumps(alert, ensure_ascii=False).encode(),
        properties=pika.BasicProperties(
            message_id=alert["id"],
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
        ),
        mandatory=True,
    )


if __name__ == "__main__":
    alerts = open_channel(os.environ["AMQP_URL"])
    for line in sys.stdin:
        publish(alerts, os.environ.get("AMQP_EXCHANGE", "alerts"), json.loads(line))
