// The official JavaScript package does what most of its users do. Prints the name of each flow that worked; what does not
// work is an exception, and so another exit code. POSTRIDER_URL and POSTRIDER_TOKEN say where, and as whom.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { ApiException, Svix, Webhook } from "svix";

const { POSTRIDER_URL: serverUrl, POSTRIDER_TOKEN: token } = process.env;
const svix = new Svix(token, { serverUrl });

/** A receiver on loopback: its URL, and its first request. */
async function receiver() {
  let arrived;
  const arrival = new Promise((resolve) => (arrived = resolve));
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      response.writeHead(204).end();
      arrived({ headers: request.headers, body: Buffer.concat(parts).toString() });
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, arrival, close: () => server.close() };
}

/** What `find` finds, once that is something. */
async function eventually(find) {
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = await find();
    if (found) return found;
  }
  throw new Error("it never came about");
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof ApiException, String(error));
    return error;
  }
  throw new Error("it was not refused");
}

const flows = {
  async application() {
    const made = await svix.application.create({ name: "Shop", uid: "js-shop", metadata: { plan: "gold" } });
    assert.equal((await svix.application.get("js-shop")).id, made.id);
    assert.equal((await svix.application.getOrCreate({ name: "Other", uid: "js-shop" })).name, "Shop");
    assert.equal((await svix.application.patch("js-shop", { name: "Store" })).name, "Store");
    assert(made.createdAt instanceof Date);
  },

  async eventType() {
    const schemas = { 1: { type: "object", title: "Invoice" } };
    await svix.eventType.create({ name: "invoice.paid", description: "Paid.", schemas });
    assert.deepEqual((await svix.eventType.get("invoice.paid")).schemas, schemas);
    assert.deepEqual((await svix.eventType.list()).data.map((item) => item.name), ["invoice.paid"]);
  },

  async delivery() {
    const till = await receiver();
    const endpoint = await svix.endpoint.create("js-shop", { url: till.url, uid: "till", eventTypes: ["invoice.paid"] });
    const { key } = await svix.endpoint.getSecret("js-shop", "till");
    const message = await svix.message.create("js-shop", { eventType: "invoice.paid", payload: { amount: 4200 } });
    const { headers, body } = await till.arrival;
    till.close();
    // What is not as it was signed is an exception.
    new Webhook(key).verify(body, headers);
    assert.deepEqual(JSON.parse(body), { amount: 4200 });
    assert.equal(headers["webhook-id"], message.id);
    assert.throws(() => new Webhook(key).verify(`${body} `, headers));
    const attempts = await eventually(async () => {
      const { data } = await svix.messageAttempt.listByMsg("js-shop", message.id);
      return data.length && data;
    });
    assert.deepEqual(
      attempts.map(({ endpointId, responseStatusCode, status }) => ({ endpointId, responseStatusCode, status })),
      [{ endpointId: endpoint.id, responseStatusCode: 204, status: 0 }],
    );
  },

  async rotation() {
    const { key } = await svix.endpoint.getSecret("js-shop", "till");
    await svix.endpoint.rotateSecret("js-shop", "till", {});
    assert.notEqual((await svix.endpoint.getSecret("js-shop", "till")).key, key);
  },

  async portal() {
    const access = await svix.authentication.appPortalAccess("js-shop", {});
    const portal = new Svix(access.token, { serverUrl });
    assert.deepEqual((await portal.endpoint.list("js-shop")).data.map((item) => item.uid), ["till"]);
    assert.equal((await refusal(portal.application.list())).code, 403);
  },

  async pagination() {
    for (let number = 0; number < 5; number++) {
      await svix.endpoint.create("js-shop", { url: "http://127.0.0.1:1024/", uid: `page-${number}`, disabled: true });
    }
    const found = [];
    for (let page, iterator; !page?.done; iterator = page.iterator) {
      page = await svix.endpoint.list("js-shop", { limit: 2, iterator, order: "ascending" });
      assert(page.data.length <= 2);
      found.push(...page.data.map((item) => item.uid));
    }
    // Of what was made in the same milliseconds any may be first.
    assert.deepEqual(found.sort(), ["page-0", "page-1", "page-2", "page-3", "page-4", "till"]);
  },

  async retry() {
    // The answer of the first try is lost on its way, after the server has done what was asked.
    const keys = [];
    const losing = async (...request) => {
      const answer = await fetch(...request);
      keys.push(new Headers(request[1].headers).get("idempotency-key"));
      return keys.length === 1 ? new Response("{}", { status: 503 }) : answer;
    };
    const patient = new Svix(token, { serverUrl, fetch: losing, retryScheduleInMs: [1] });
    const message = await patient.message.create("js-shop", { eventType: "invoice.lost", payload: {} });
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    const { data } = await svix.message.list("js-shop", { eventTypes: ["invoice.lost"] });
    assert.deepEqual(data.map((item) => item.id), [message.id]);
  },

  async ingest() {
    const config = { secret: "whsec_one" };
    const made = await svix.ingest.source.create({ name: "Payments", uid: "js-stripe", type: "stripe", config });
    assert(made.ingestUrl.startsWith(`${serverUrl}/in/`));
    const { ingestUrl } = await svix.ingest.source.rotateToken("js-stripe");
    assert.notEqual(ingestUrl, made.ingestUrl);
    assert.equal((await svix.ingest.source.get(made.id)).ingestUrl, ingestUrl);
    await svix.ingest.endpoint.create("js-stripe", { url: "http://127.0.0.1:1024/", uid: "ledger" });
    assert.deepEqual((await svix.ingest.endpoint.list("js-stripe")).data.map((item) => item.uid), ["ledger"]);
    await svix.ingest.source.delete("js-stripe");
    assert.equal((await refusal(svix.ingest.source.get("js-stripe"))).code, 404);
  },

  async errors() {
    const invalid = await refusal(svix.application.create({ name: "" }));
    assert.equal(invalid.code, 422);
    assert.deepEqual(invalid.body.detail[0].loc, ["body", "name"]);
    const missing = await refusal(svix.application.get("nothing"));
    assert.deepEqual([missing.code, missing.body.code], [404, "not_found"]);
    const impatient = new Svix(token, { serverUrl, retryScheduleInMs: [] });
    const unserved = await refusal(impatient.connector.list());
    // The package reads the bodies of 4xx only.
    assert.deepEqual([unserved.code, JSON.parse(unserved.body).code], [501, "not_implemented"]);
  },

  async end() {
    await svix.endpoint.delete("js-shop", "till");
    await svix.application.delete("js-shop");
    assert.equal((await refusal(svix.application.get("js-shop"))).code, 404);
  },
};

for (const [name, flow] of Object.entries(flows)) {
  await flow();
  console.log(name);
}
