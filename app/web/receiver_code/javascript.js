// A receiver in JavaScript, with nothing but Node: WEBHOOK_SECRET=whsec_… node javascript.js
const crypto = require("node:crypto");
const http = require("node:http");

const TOLERANCE = 5 * 60; // seconds
const LONGEST_BODY = 1024 * 1024;

// Whether the bytes of a body (a Buffer) were signed with the secret, within five minutes of now (Unix, seconds).
function verify(headers, body, secret, now) {
  const family = ["webhook", "svix"].find((name) =>
    ["id", "timestamp", "signature"].every((part) => headers[`${name}-${part}`]),
  );
  if (!family) return false;
  const id = headers[`${family}-id`];
  const timestamp = headers[`${family}-timestamp`];
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp)) > TOLERANCE) return false;

  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  if (key.length === 0) return false;
  const expected = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.`, "latin1").update(body).digest();
  // While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
  return headers[`${family}-signature`].split(" ").some((signature) => {
    const [version, encoded] = signature.split(",");
    if (version !== "v1" || !encoded) return false;
    const given = Buffer.from(encoded, "base64");
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}

// With Express: app.post("/", express.raw({ type: "*/*" }), …), and body is request.body.
const server = http.createServer((request, response) => {
  const chunks = [];
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (length <= LONGEST_BODY) chunks.push(chunk);
  });
  request.on("end", () => {
    // The bytes as they came: JSON that is parsed and written anew has another signature.
    const body = Buffer.concat(chunks);
    const now = Date.now() / 1000;
    if (length > LONGEST_BODY) response.writeHead(413).end();
    else if (!verify(request.headers, body, process.env.WEBHOOK_SECRET || "", now)) response.writeHead(401).end();
    // Keep the message, then answer at once. The same id may come again: do its work only once.
    else response.writeHead(204).end();
  });
});

server.listen(Number(process.env.PORT || 8000), "127.0.0.1");
