// The same job with node's SOAP server: each record checked against an XSD by libxml2, the same rows, SOAP out.
// One pg pool a process, named (prepared) statements, one transaction. With BENCH_WORKERS above 1, node's cluster.
// It reads one spelling alone, fields in the schema's order, and leaves out what statements.sql says.
import cluster from "node:cluster";
import { createHash, randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import libxml from "libxmljs2";
import pg from "pg";
import soap from "soap";

const { BENCH_DSN, BENCH_PORT, BENCH_WORKERS, BENCH_STATEMENTS } = process.env;
const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");

const statements = {};
for (const part of readFileSync(BENCH_STATEMENTS, "utf8").split("-- name: ").slice(1)) {
  const [name, ...lines] = part.split("\n");
  statements[name] = { name, text: lines.join("\n") };
}

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

// Ids that sort by time, as the receiver's: a random id would cost the index more.
function uuid7() {
  const bytes = randomFillSync(Buffer.alloc(16));
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function check(schema, body) {
  const record = libxml.parseXml(body.toString()).get("//bookingConfirmation");
  const document = new libxml.Document();
  document.root(record);
  if (!document.validate(schema)) throw new Error(document.validationErrors[0].message);
}

const list = (found) => (found === undefined ? [] : Array.isArray(found) ? found : [found]);

async function store(pool, body, contentType, sent) {
  const values = { ...sent, theBookingCodes: list(sent.theBookingCodes) };
  const json = JSON.stringify(values);
  const key = sha256(json);
  const [pushId, notificationId, now] = [uuid7(), uuid7(), new Date()];
  const v = (name) => values[name] ?? null;
  const client = await pool.connect();
  const run = (name, ...parameters) => client.query({ ...statements[name], values: parameters });
  try {
    await client.query("BEGIN");
    await run("push", pushId, now, body.length, sha256(body), contentType);
    await run("body", pushId, body);
    const { rowCount } = await run("notification", notificationId, pushId, values.bookingId, key, v("changedDate"), now, json);
    if (rowCount === 0) {
      await run("repeat", pushId, key);
    } else {
      await run(
        "booking",
        ...[values.bookingId, v("primaryOrderNumber"), v("secondaryOrderNumber"), v("tertiaryOrderNumber")],
        ...[v("tokenId"), v("planningWindowStart"), v("planningWindowEnd"), v("targetDate"), v("bookingReason")],
        ...[v("bookingSequence"), v("originalBookingId"), v("numberOfOperatives"), v("userId"), v("contract")],
        ...[v("locationID"), v("changedDate"), now, notificationId, key],
      );
      if (values.theBookingCodes.length) await run("codes", values.bookingId, JSON.stringify(values.theBookingCodes));
      await run("change", values.bookingId, notificationId, v("changedDate"), now);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function serve() {
  const schema = libxml.parseXml(here("confirmation.xsd"));
  const pool = new pg.Pool({ connectionString: BENCH_DSN, max: 16 });
  const service = {
    Receiver: {
      Receiver: {
        bookingConfirmation: async ({ bookingConfirmation }, _callback, _headers, request) => {
          check(schema, request.body);
          await store(pool, request.body, request.headers["content-type"], bookingConfirmation);
          return { return: { id: 0, status: "success" } };
        },
      },
    },
  };
  // node-soap takes a body that was read before it; read here, so that the bytes can be stored as they came.
  const server = http.createServer((_request, response) => response.writeHead(404).end());
  server.keepAliveTimeout = 30_000;
  await new Promise((callback) => soap.listen(server, { path: "/", services: service, xml: here("service.wsdl"), callback }));
  const [handle] = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      request.body = Buffer.concat(chunks);
      handle.call(server, request, response);
    });
  });
  server.listen(Number(BENCH_PORT), "127.0.0.1");
}

if (cluster.isPrimary && Number(BENCH_WORKERS) > 1) {
  for (let i = 0; i < Number(BENCH_WORKERS); i++) cluster.fork();
} else {
  await serve();
}
