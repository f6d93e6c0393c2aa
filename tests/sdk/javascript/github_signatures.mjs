// What GitHub's own package makes of a secret and a body, and whether it accepts a signature of them.
import { text } from "node:stream/consumers";
import { sign, verify } from "@octokit/webhooks-methods";

const { secret, body, signature } = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify({ signature: await sign(secret, body), accepted: await verify(secret, body, signature) }));
