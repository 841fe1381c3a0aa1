// The CloudEvents SDK for JavaScript at one end of the wire (see ../go/main.go):
//   peer.mjs send MODE URL      binary, structured, batch
//   peer.mjs listen             an HTTP server: first its address, then each event
//   peer.mjs kafka-read         messages of Kafka, a line each: {"headers": {}, "value": text}
//   peer.mjs kafka-write MODE   such lines, the value in base64, of events
//   peer.mjs validate           what the SDK says of each event in JSON: "" or why it is none
import http from "node:http";
import readline from "node:readline";
import { CloudEvent, HTTP, Kafka, Mode, emitterFor, httpTransport } from "cloudevents";

const [command, mode, url] = process.argv.slice(2);
const RAW = ["id", "source", "type", "specversion", "subject", "dataschema", "datacontenttype", "time"];

async function* lines() {
  for await (const line of readline.createInterface({ input: process.stdin })) yield JSON.parse(line);
}

function made({ attributes, kind, text, json, bytes }) {
  const data = { json, text, bytes: bytes && new Uint8Array(Buffer.from(bytes, "base64")) }[kind];
  return new CloudEvent({ ...attributes, ...(kind ? { data } : {}) });
}

function bytesOf(event) {
  if (event.data_base64) return Buffer.from(event.data_base64, "base64");
  if (event.data === undefined || event.data === "") return null;
  return typeof event.data === "string" && !/json/.test(event.datacontenttype ?? "json") ? Buffer.from(event.data) : Buffer.from(JSON.stringify(event.data));
}

function print(event) {
  const attributes = {};
  for (const [name, value] of Object.entries(event))
    if (!["data", "data_base64"].includes(name) && value !== undefined) attributes[name] = RAW.includes(name) ? value : String(value);
  console.log(JSON.stringify({ attributes, data: bytesOf(event)?.toString("base64") ?? null }));
}

async function send() {
  const events = [];
  for await (const line of lines()) events.push(made(line));
  if (mode === "batch") {
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/cloudevents-batch+json" }, body: JSON.stringify(events) });
    if (answer.status !== 202) throw new Error(await answer.text());
    return;
  }
  const emit = emitterFor(httpTransport(url), { mode: { binary: Mode.BINARY, structured: Mode.STRUCTURED }[mode] });
  for (const event of events) {
    const answer = await emit(event);
    if (answer.body) throw new Error(answer.body);   // the SDK tells no status; ours has no body when it is 202
  }
}

function listen() {
  const server = http.createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces), type = request.headers["content-type"] ?? "";
    const binary = request.headers["ce-id"] && !/json|text/.test(type);
    const got = HTTP.toEvent({ headers: request.headers, body: binary ? (body.length ? new Uint8Array(body) : undefined) : body.toString() });
    for (const event of [got].flat()) print(event);
    response.end();
  });
  server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
}

switch (command) {
  case "send":
    await send();
    break;
  case "listen":
    listen();
    break;
  case "kafka-read":
    for await (const message of lines()) print(Kafka.toEvent(message));
    break;
  case "kafka-write":
    for await (const line of lines()) {
      const { headers, value } = Kafka[mode](made(line));
      const bytes = ArrayBuffer.isView(value) ? Buffer.from(value) : Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
      for (const name in headers) headers[name] = headers[name] === undefined ? undefined : String(headers[name]);
      console.log(JSON.stringify({ headers, value: bytes.toString("base64") }));
    }
    break;
  case "validate":
    for await (const event of lines()) {
      let why = "";
      try {
        new CloudEvent(event, false).validate();
      } catch (e) {
        why = e.message;
      }
      console.log(JSON.stringify(why));
    }
}
