#!/bin/sh
# Publishes alerts from a shell: one JSON object a line on stdin. AMQP_URL, AMQP_EXCHANGE (`alerts`).
#
# rtir-relay looks at each alert first, and ends with 0 only when the broker has stored all of them. If it does not, run
# it again: publishing an alert twice does no harm.
set -eu
exec rtir-relay publish -
