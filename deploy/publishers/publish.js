#!/usr/bin/env node
// Publishes alerts with amqplib: one JSON object a line on stdin. AMQP_URL, AMQP_EXCHANGE (`alerts`).
//
// publish() resolves only when the broker has stored the alert. A rejection means that it may not be stored: publish it
// again, with the same id.

const amqp = require("amqplib");
const readline = require("node:readline");

async function openChannel(url) {
  const connection = await amqp.connect(url, { timeout: 10_000 });
  const channel = await connection.createConfirmChannel();
  const returned = new Map();
  // Comes before the confirmation, where no queue is bound: nobody would ever see the alert.
  channel.on("return", (message) => returned.set(message.properties.messageId, message.fields.replyText));
  // The connection ends with an error event; the publish that waits is rejected.
  connection.on("error", () => {});
  channel.on("error", () => {});
  return { connection, channel, returned };
}

function publish({ channel, returned }, exchange, alert) {
  const properties = {
    messageId: alert.id,
    contentType: "application/json",
    persistent: true,
    mandatory: true,
  };
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("not confirmed within 60 s")), 60_000);
    channel.publish(exchange, `alert.${alert.type}`, Buffer.from(JSON.stringify(alert)), properties, (error) => {
      clearTimeout(timer);
      const unroutable = returned.get(alert.id);
      returned.delete(alert.id);
      if (error) reject(error);
      else if (unroutable) reject(new Error(`not routed: ${unroutable}`));
      else resolve();
    });
  });
}

async function main() {
  const broker = await openChannel(process.env.AMQP_URL);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await publish(broker, process.env.AMQP_EXCHANGE || "alerts", JSON.parse(line));
  }
  await broker.connection.close();
}

if (require.main === module) {
  main().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}

module.exports = { openChannel, publish };
