// An ordinary Express application: what people put behind a gateway, and what a gateway can break.
// Run it with `node app.js HOST:PORT` or `node app.js unix:PATH`. `../fastapi/app.py` has the same
// endpoints, so that one suite drives both.
"use strict";

const compression = require("compression");
const cookie = require("cookie");
const cookieParser = require("cookie-parser");
const crypto = require("node:crypto");
const express = require("express");
const fs = require("node:fs");
const http = require("node:http");
const multer = require("multer");
const os = require("node:os");
const path = require("node:path");
const { Readable } = require("node:stream");
const { WebSocketServer } = require("ws");

const BLOCK = Buffer.alloc(65536, Buffer.from(Array.from({ length: 256 }, (_, at) => at)));
// A fixed day, so that two answers can be compared.
const EXPIRES = new Date("2100-01-01T00:00:00Z");
const files = fs.mkdtempSync(path.join(os.tmpdir(), "portcullis-express-"));
fs.writeFileSync(path.join(files, "data.bin"), BLOCK);
fs.writeFileSync(path.join(files, "page.html"), "<!doctype html><title>page</title><p>static</p>\n");
// A fixed time, so that the answers of two instances can be compared.
for (const name of ["data.bin", "page.html"]) fs.utimesSync(path.join(files, name), 1_700_000_000, 1_700_000_000);

const app = express();
app.use(compression({ threshold: 1000 }));
app.use(cookieParser());
app.use("/static", express.static(files));

const gates = new Map();
const finished = new Set();

// `length` bytes; byte i has the value i mod 256.
function* block(length) {
  for (; length > 0; length -= BLOCK.length) yield BLOCK.subarray(0, length);
}

function gate(name) {
  if (!gates.has(name)) {
    let open;
    const opened = new Promise((resolve) => (open = resolve));
    gates.set(name, { open, opened });
  }
  return gates.get(name);
}

async function measured(stream) {
  const digest = crypto.createHash("sha256");
  let size = 0;
  for await (const chunk of stream) {
    digest.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: digest.digest("hex") };
}

app.get("/", (request, response) => response.json({ application: "express" }));

app.all("/echo/*path", async (request, response) => {
  const [raw_path, query = ""] = request.originalUrl.split(/\?(.*)/s);
  const headers = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]]);
  }
  response.json({ method: request.method, raw_path, query, headers, ...(await measured(request)) });
});

app.post("/items", express.json(), (request, response) => {
  const { name, price, tags = [] } = request.body ?? {};
  if (typeof name !== "string" || typeof price !== "number") {
    return response.status(422).json({ detail: [{ type: "missing", loc: ["body"], msg: "Field required" }] });
  }
  response.status(201).json({ name, price, tags });
});

app.post("/upload", multer({ storage: multer.memoryStorage() }).single("file"), (request, response) => {
  const { originalname, buffer } = request.file;
  const sha256 = crypto.createHash("sha256").update(buffer).digest("hex");
  response.json({ filename: originalname, note: request.body.note ?? "", size: buffer.length, sha256 });
});

app.put("/raw", async (request, response) => response.json(await measured(request)));

// Express answers HEAD with the GET handler.
app.get("/download/:length", (request, response) => {
  const length = Number(request.params.length);
  response.set("Content-Type", "application/octet-stream");
  response.set("Content-Length", String(length));
  response.set("Content-Disposition", 'attachment; filename="data.bin"');
  if (request.method === "HEAD") return response.end();
  Readable.from(block(length)).pipe(response);
});

app.get("/stream/:length", (request, response) => {
  response.set("Content-Type", "application/octet-stream");
  Readable.from(block(Number(request.params.length))).pipe(response);
});

// Sends one event, and the others only when somebody has posted to `/events/{name}/release`.
app.get("/events/:name", async (request, response) => {
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform" });
  response.flushHeaders();
  const count = Number(request.query.count ?? 3);
  for (let number = 0; number < count; number += 1) {
    if (number === 1) await gate(request.params.name).opened;
    response.write(`event: tick\nid: ${number}\ndata: ${JSON.stringify({ number })}\n\n`);
  }
  response.end();
});

app.post("/events/:name/release", (request, response) => {
  gate(request.params.name).open();
  response.status(204).end();
});

app.get("/cookies", (request, response) => {
  response.json({ cookies: Object.fromEntries(Object.entries(request.cookies).sort()) });
});

app.get("/cookies/set", (request, response) => {
  for (const [name, value] of Object.entries(request.query)) {
    response.cookie(name, value, { expires: EXPIRES, httpOnly: true, sameSite: "lax" });
  }
  response.cookie("plain", "1");
  response.status(204).end();
});

app.get("/redirect/:status", (request, response) => {
  const url = request.query.absolute ? `${request.protocol}://${request.get("host")}/` : "/?from=redirect";
  response.redirect(Number(request.params.status), url);
});

app.get("/slash/", (request, response) => response.json({ slash: true }));

app.get("/large", (request, response) => {
  const rows = Array.from({ length: 500 }, (_, number) => ({ number, text: "some text that compresses well" }));
  response.json({ rows });
});

app.get("/status/:status", (request, response) => {
  const status = Number(request.params.status);
  if (status === 204 || status === 304) return response.status(status).set("ETag", '"fixed"').end();
  if (status === 500) throw new Error("an error that nobody catches");
  if (status >= 400) return response.status(status).set("X-Reason", "asked").json({ detail: `refused with ${status}` });
  response.status(status).type("text/plain").send("as asked\n");
});

app.post("/background/:name", (request, response) => {
  response.status(202).json({ accepted: request.params.name });
  setImmediate(() => finished.add(request.params.name));
});

app.get("/background/:name", (request, response) => response.json({ finished: finished.has(request.params.name) }));

app.get("/headers/many", (request, response) => {
  for (let number = 0; number < 40; number += 1) response.set(`X-Many-${number}`, "v".repeat(100));
  response.append("X-Twice", "one");
  response.append("X-Twice", "two");
  response.append("Link", '</style.css>; rel="preload"');
  response.type("text/plain").send("many\n");
});

// Says so in a trailer, to whoever asks with `TE: trailers`.
app.get("/trailers", (request, response) => {
  response.set({ "Content-Type": "text/plain", "Cache-Control": "no-transform", Trailer: "X-Checksum" });
  response.write("with a trailer\n");
  response.addTrailers({ "X-Checksum": "abc" });
  response.end();
});

// Interim answers before the one that counts.
app.get("/hints", (request, response) => {
  response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
  response.type("text/plain").send("after a hint\n");
});

const server = http.createServer(app);
const sockets = new WebSocketServer({
  noServer: true,
  handleProtocols: (offered) => (offered.has("echo") ? "echo" : false),
});

server.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://application");
  if (!["/ws", "/ws/about"].includes(url.pathname)) {
    return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }
  sockets.handleUpgrade(request, socket, head, (client) => {
    if (url.pathname === "/ws/about") {
      const cookies = cookie.parse(request.headers.cookie ?? "");
      const query = Object.fromEntries(url.searchParams);
      client.send(JSON.stringify({ query, cookies, origin: request.headers.origin ?? null }));
      return client.close();
    }
    client.on("message", (data, binary) => {
      if (!binary && data.toString() === "bye") return client.close(4001, "as asked");
      client.send(data, { binary });
    });
  });
});

// A gateway keeps connections; the application must not end them first by default (5 s in Node).
server.keepAliveTimeout = 65_000;

const listen = process.argv[2] ?? "127.0.0.1:3000";
const unix = /^unix:(.*)$/.exec(listen);
if (unix) {
  fs.rmSync(unix[1], { force: true });
  server.listen(unix[1]);
} else {
  const [host, port] = listen.split(":");
  server.listen(Number(port), host);
}
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    fs.rmSync(files, { recursive: true, force: true });
    process.exit(0);
  });
}
