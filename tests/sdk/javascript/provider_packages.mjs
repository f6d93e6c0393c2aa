// What providers' own packages make of requests: for each what it says of it (false: refused), and, where the package
// signs, its signature of the first one's body.
import { text } from "node:stream/consumers";

const { provider, secret, requests } = JSON.parse(await text(process.stdin));
const write = (answer) => process.stdout.write(JSON.stringify(answer));
// Some of them talk; stdout is for the answer.
console.debug = console.info = console.log = () => {};

const packages = {
  async linear() {
    const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
    const client = new LinearWebhookClient(secret);
    const stamp = (body) => JSON.parse(body).webhookTimestamp;
    return { verify: ({ body, headers }) => client.verify(Buffer.from(body), headers["linear-signature"], stamp(body)) };
  },
  async nango() {
    const { Nango } = await import("@nangohq/node");
    const client = new Nango({ secretKey: "another", webhookSigningKey: secret });
    return { verify: ({ body, headers }) => client.verifyIncomingWebhookRequest(body, headers) };
  },
  async notion() {
    const { signWebhookPayload, verifyWebhookSignature } = await import("@notionhq/client");
    return {
      sign: (body) => signWebhookPayload({ body, verificationToken: secret }),
      verify: ({ body, headers }) =>
        verifyWebhookSignature({ body, signature: headers["x-notion-signature"], verificationToken: secret }),
    };
  },
  async resend() {
    const { Resend } = await import("resend");
    const client = new Resend("re_unused");
    const parts = (headers) => ["id", "timestamp", "signature"].map((name) => [name, headers[`svix-${name}`]]);
    const verify = ({ body, headers }) =>
      client.webhooks.verify({ payload: body, headers: Object.fromEntries(parts(headers)), webhookSecret: secret });
    return { verify };
  },
  async shopify() {
    await import("@shopify/shopify-api/adapters/web-api");
    const { LogSeverity, shopifyApi } = await import("@shopify/shopify-api");
    const { getHmac } = await import("@shopify/shopify-api/test-helpers");
    const { webhooks } = shopifyApi({
      apiKey: "unused",
      apiSecretKey: secret,
      apiVersion: "2026-10",
      hostName: "hooks.example.com",
      isEmbeddedApp: false,
      logger: { level: LogSeverity.Error, log: () => {} },
    });
    const verify = async ({ body, headers }) => {
      const rawRequest = new Request("https://hooks.example.com/", { method: "POST", headers, body });
      const told = await webhooks.validate({ rawBody: body, rawRequest });
      return told.valid && told;
    };
    return { sign: (body) => getHmac(body, secret), verify };
  },
  async zoom() {
    const { AwsLambdaReceiver } = await import("@zoom/rivet/chatbot");
    const handle = new AwsLambdaReceiver({ webhooksSecretToken: secret }).start();
    const verify = async ({ body, headers }) => {
      const told = await handle({ body, headers, isBase64Encoded: false }, {});
      return told.statusCode === 200 && JSON.parse(told.body);
    };
    return { verify };
  },
};

const { sign, verify } = await packages[provider]();
const verdicts = [];
for (const request of requests) {
  try {
    verdicts.push(await verify(request));
  } catch {
    verdicts.push(false);
  }
}
write({ verdicts, signature: (await sign?.(requests[0].body)) ?? null });
