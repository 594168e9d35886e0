#!/usr/bin/env python3
"""A plain consumer of alerts, as a team would write it: pika, requests, one alert at a time, Basic.

It reads the variables that the relay reads, and BENCH_REQUESTS: 3 (find, create, verify) or 1 (create)."""
import json
import os

import pika
import requests

setting = os.environ.__getitem__
rest = setting("RTIR_URL") + "/REST/2.0"
proves = setting("BENCH_REQUESTS") == "3"
session = requests.Session()
session.trust_env = False
session.auth = (setting("RTIR_USERNAME"), setting("RTIR_PASSWORD"))
if setting("RTIR_KEEP_ALIVE") != "true":
    session.headers["Connection"] = "close"


def find(key):
    query = f"'CF.{{Alert ID}}' = '{key}' AND EffectiveId > 0"
    parameters = {"query": query, "fields": "CustomFields,EffectiveId,Subject", "orderby": "id"}
    answer = session.get(rest + "/tickets", params=parameters, timeout=60)
    answer.raise_for_status()
    return answer.json()["items"]


def make_ticket(body):
    alert = json.loads(body)
    if proves and find(alert["id"]):
        return
    people = alert["entity"].get("focal_points", [])
    ticket = {
        "Queue": setting("RTIR_QUEUE"),
        "Subject": f"{alert['type']}: {alert['platform']['url']}",
        "Content": body.decode(),
        "ContentType": "text/plain",
        "Requestor": [who["email"] for who in people if who.get("active", True) and who.get("email")],
        "Priority": 60,
        "Status": "new",
        "CustomFields": {"Alert ID": alert["id"]},
    }
    answer = session.post(rest + "/ticket", json=ticket, timeout=60)
    answer.raise_for_status()
    answer.json()["id"]
    assert not proves or find(alert["id"])


def handle(channel, method, _properties, body):
    make_ticket(body)
    channel.basic_ack(method.delivery_tag)


channel = pika.BlockingConnection(pika.URLParameters(setting("AMQP_URL"))).channel()
channel.basic_qos(prefetch_count=2)
channel.basic_consume(setting("AMQP_QUEUE"), handle)
channel.start_consuming()
