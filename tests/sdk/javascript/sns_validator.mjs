// Amazon's own validator, over messages of which the certificate is given: one line for each, "valid" or the reason.
import https from "node:https";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";

import MessageValidator from "sns-validator";

const { certificate, messages } = JSON.parse(await text(process.stdin));
// It fetches the certificate itself: here there is no network.
https.get = (_, answer) => {
  const response = Readable.from([certificate]);
  response.statusCode = 200;
  answer(response);
  return response;
};

for (const message of messages) {
  await new Promise((done) =>
    new MessageValidator().validate(message, (error) => {
      console.log(error ? error.message : "valid");
      done();
    }),
  );
}
