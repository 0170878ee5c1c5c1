// Takes Ringdesk's webhooks as an admin's program would, with the code that docs/webhooks.md shows:
// verifies the signature over the raw body, and the age of the timestamp. Prints a line of JSON for
// each request. Lines on standard input say how the next requests are answered:
// {"status": 500, "headers": {...}, "body": "...", "hang": true, "path": "/slow"}; otherwise 204.
import { createServer } from "node:http";
import { createHmac, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";

const secret = process.argv[2];
const answers = [];

function verified(headers, body) {
  const timestamp = headers["ringdesk-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp)) return "no timestamp";
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return "too old";
  const expected = "v1=" + createHmac("sha256", secret).update(timestamp + ".").update(body).digest("hex");
  const given = Buffer.from(headers["ringdesk-signature"] ?? "");
  const same = given.length === expected.length && timingSafeEqual(given, Buffer.from(expected));
  return same ? "yes" : "wrong signature";
}

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const place = answers.findIndex((answer) => !answer.path || answer.path === request.url);
    const answer = place < 0 ? { status: 204 } : answers[place];
    if (place >= 0 && !answer.always) answers.splice(place, 1);
    let json = null;
    try {
      json = JSON.parse(body.toString("utf8"));
    } catch {}
    const line = {
      method: request.method,
      path: request.url,
      headers: request.headers,
      verified: verified(request.headers, body),
      json,
      answered: answer.hang ? "nothing" : answer.status,
    };
    console.log(JSON.stringify(line));
    if (answer.hang) return;
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body ?? "");
  });
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const answer = JSON.parse(line);
    if (answer.forget) answers.length = 0;
    else if (answer.status || answer.hang) answers.push(answer);
    console.log(JSON.stringify({ heard: true }));
  })
  .on("close", () => process.exit(0));

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
