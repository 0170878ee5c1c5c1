// A server of the chat-completions protocol. What does not follow the protocol is answered with 400
// and the reason, as public servers do. It needs the bearer token of its first argument. Prints a
// line of JSON for each request. Lines on standard input say how the next requests are answered:
//   {"say": "text"}                                     a plain answer
//   {"call": "name", "arguments": "{...}"}              a tool call
//   {"status": 429, "headers": {...}, "body": "..."}    as it stands
//   {"raw": {...}}                                      this JSON with 200
//   {"hang": true}                                      nothing, ever
//   {"huge": 5000000}                                   so many octets
//   {"drip": true}                                      an octet now and then, without end
//   {"hold": true} … {"release": true}                  wait until released
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const token = process.argv[2];
const answers = [];
const held = [];

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const unknown = (value, keys) => Object.keys(value).find((key) => !keys.includes(key));

// What the protocol allows of what we may send; everything else is refused.
function problem(request, headers, body) {
  if (request.method !== "POST") return [405, "method must be POST"];
  if (!request.url.endsWith("/chat/completions")) return [404, "unknown path"];
  if (headers.authorization !== `Bearer ${token}`) return [401, "Incorrect API key provided"];
  if (!/^application\/json(;|$)/.test(headers["content-type"] ?? "")) return [400, "content type must be application/json"];
  if (!isObject(body)) return [400, "could not parse the JSON body of your request"];
  const key = unknown(body, ["model", "messages", "tools", "tool_choice", "temperature", "max_tokens", "max_completion_tokens", "stream", "n", "stop", "user", "parallel_tool_calls"]);
  if (key) return [400, `Unrecognized request argument supplied: ${key}`];
  if (typeof body.model !== "string" || body.model === "") return [400, "you must provide a model parameter"];
  if (body.stream) return [400, "streaming is not served here"];
  if (!Array.isArray(body.messages) || body.messages.length === 0) return [400, "messages is too short"];
  for (const [place, message] of body.messages.entries()) {
    const where = `messages[${place}]`;
    if (!isObject(message)) return [400, `${where} is not an object`];
    const roles = ["system", "user", "assistant", "tool", "developer"];
    if (!roles.includes(message.role)) return [400, `${where}.role is not one of ${roles}`];
    const extra = unknown(message, ["role", "content", "name", "tool_calls", "tool_call_id"]);
    if (extra) return [400, `${where}: unrecognized ${extra}`];
    if (typeof message.content !== "string") return [400, `${where}.content is not a string`];
    if (message.name !== undefined && !/^[a-zA-Z0-9_-]{1,64}$/.test(message.name)) return [400, `${where}.name does not match the pattern '^[a-zA-Z0-9_-]{1,64}$'`];
  }
  for (const [place, tool] of (body.tools ?? []).entries()) {
    const where = `tools[${place}]`;
    if (!isObject(tool) || tool.type !== "function") return [400, `${where}.type must be 'function'`];
    const f = tool.function;
    if (!isObject(f) || !/^[a-zA-Z0-9_-]{1,64}$/.test(f.name ?? "")) return [400, `${where}.function.name is invalid`];
    if (f.parameters !== undefined && (!isObject(f.parameters) || f.parameters.type !== "object" || !isObject(f.parameters.properties))) return [400, `${where}.function.parameters is not a JSON schema`];
  }
  if (body.tool_choice !== undefined && !body.tools) return [400, "tool_choice is only allowed when tools are specified"];
  return null;
}

function completion(model, message, finish_reason) {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [{ index: 0, message: { role: "assistant", content: null, refusal: null, ...message }, logprobs: null, finish_reason }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}

function answerWith(response, model, answer) {
  if (answer.hang) return;
  if (answer.hold) return void held.push(() => answerWith(response, model, answer.hold));
  if (answer.status) return send(response, answer.status, answer.body ?? "", answer.headers);
  if (answer.raw !== undefined) return send(response, 200, answer.raw);
  if (answer.drip) {
    response.writeHead(200, { "content-type": "application/json" });
    const drops = setInterval(() => response.write(" "), 20);
    return void response.on("close", () => clearInterval(drops));
  }
  if (answer.huge) return send(response, 200, "x".repeat(answer.huge));
  if (answer.call) {
    const call = { id: "call_1", type: "function", function: { name: answer.call, arguments: answer.arguments ?? "{}" } };
    return send(response, 200, completion(model, { content: answer.say ?? null, tool_calls: [call] }, "tool_calls"));
  }
  send(response, 200, completion(model, { content: answer.say }, answer.finish ?? "stop"));
}

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    let body = null;
    try {
      body = JSON.parse(Buffer.concat(parts).toString("utf8"));
    } catch {}
    const wrong = problem(request, request.headers, body);
    console.log(JSON.stringify({ body, headers: request.headers, wrong: wrong && wrong[1] }));
    if (wrong) {
      return send(response, wrong[0], { error: { message: wrong[1], type: "invalid_request_error", param: null, code: null } });
    }
    const last = body.messages.filter((message) => message.role === "user").at(-1);
    answerWith(response, body.model, answers.shift() ?? { say: `You said: ${last?.content}` });
  });
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const answer = JSON.parse(line);
    if (answer.release) held.splice(0).forEach((release) => release());
    else if (Object.keys(answer).length > 0) answers.push(answer);
    console.log(JSON.stringify({ heard: true }));
  })
  .on("close", () => process.exit(0));

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
