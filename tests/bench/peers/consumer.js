#!/usr/bin/env node
// A plain consumer of alerts, as a team would write it: amqplib, undici, Basic.
//
// It reads the variables that the relay reads, and BENCH_REQUESTS: 3 (find, create, verify) or 1 (create).

const amqp = require("amqplib");
const { Agent, request } = require("undici");

const { env } = process;
const rest = `${env.RTIR_URL}/REST/2.0`;
const proves = env.BENCH_REQUESTS === "3";
const concurrency = Number(env.RTIR_CONCURRENCY);
const keepsAlive = env.RTIR_KEEP_ALIVE === "true";
const dispatcher = new Agent({ connections: concurrency, pipelining: keepsAlive ? 1 : 0 });
const authorization = `Basic ${Buffer.from(`${env.RTIR_USERNAME}:${env.RTIR_PASSWORD}`).toString("base64")}`;

async function send(url, options) {
  const { statusCode, body } = await request(url, { dispatcher, ...options });
  if (statusCode >= 300) throw new Error(`RT answers ${statusCode}: ${await body.text()}`);
  return body.json();
}

async function find(key) {
  const query = `'CF.{Alert ID}' = '${key}' AND EffectiveId > 0`;
  const parameters = new URLSearchParams({ query, fields: "CustomFields,EffectiveId,Subject", orderby: "id" });
  const page = await send(`${rest}/tickets?${parameters}`, { headers: { authorization } });
  return page.items.length > 0;
}

async function makeTicket(content) {
  const alert = JSON.parse(content);
  if (proves && (await find(alert.id))) return;
  const people = (alert.entity.focal_points ?? []).filter((who) => who.active !== false && who.email);
  const ticket = {
    Queue: env.RTIR_QUEUE,
    Subject: `${alert.type}: ${alert.platform.url}`,
    Content: content.toString(),
    ContentType: "text/plain",
    Requestor: people.map((who) => who.email),
    Priority: 60,
    Status: "new",
    CustomFields: { "Alert ID": alert.id },
  };
  const headers = { authorization, "content-type": "application/json" };
  const made = await send(`${rest}/ticket`, { method: "POST", headers, body: JSON.stringify(ticket) });
  if (!made.id || (proves && !(await find(alert.id)))) throw new Error(`no ticket of ${alert.id}`);
}

async function main() {
  const connection = await amqp.connect(env.AMQP_URL);
  const channel = await connection.createChannel();
  await channel.prefetch(concurrency);
  await channel.consume(env.AMQP_QUEUE, async (message) => {
    try {
      await makeTicket(message.content);
      channel.ack(message);
    } catch (error) {
      console.error(error);
      process.exit(1);
    }
  });
}

main();
