"""Publishes alerts from Celery, as a Django platform would: `publish_alert.delay(alert)` once the alert is saved.

In Django call it by `transaction.on_commit(lambda: publish_alert.delay(alert))`. Publishing an alert twice does no harm,
so the task is acknowledged late and tried until the broker has stored the alert.
"""

import os

from celery import Celery

import kombu_publisher

app = Celery("alerts", broker=os.environ["AMQP_URL"])


@app.task(
    name="publish_alert",
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
    autoretry_for=(Exception,),
    max_retries=None,
    retry_backoff=True,
    retry_backoff_max=300,
)
def publish_alert(alert):
    kombu_publisher.publish(alert)
