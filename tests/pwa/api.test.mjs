// A slow line is not a silent one, and what comes is what was asked for.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Busy, NodeApi, Refused, Unreachable } from "../../pwa/lib/api.js";
import { DamagedFile } from "../../pwa/lib/chunks.js";
import { sha256Id } from "../../pwa/lib/hashing.js";
import { SILENCE_MS } from "../../pwa/lib/patience.js";

const PIECE = new Uint8Array(1000).fill(7);
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A node whose answer the test sends piece by piece; `fetch` gives it up where the caller's signal says so. */
function slowNode() {
  let out;
  const fetch = async (_, { signal }) => new Response(new ReadableStream({
    start(controller) {
      out = controller;
      signal.addEventListener("abort", () => controller.error(signal.reason));
    },
  }));
  return { api: new NodeApi("https://xa.example", { fetch }), send: (bytes) => out.enqueue(bytes), end: () => out.close() };
}

test("a file that comes slowly comes whole, however long it takes", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { api, send, end } = slowNode();
    const whole = new Uint8Array(10_000).fill(7);
    const asked = api.fetchFile(await sha256Id(whole));
    for (let i = 0; i < 10; i++) {
      await settled();
      mock.timers.tick(SILENCE_MS - 1000);
      send(PIECE);
    }
    await settled();
    end();
    assert.deepEqual(await asked, whole);
  } finally {
    mock.timers.reset();
  }
});

test("a line on which nothing comes any more is given up", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { api, send } = slowNode();
    const asked = assert.rejects(api.fetchFile(await sha256Id(PIECE)), Unreachable);
    await settled();
    send(PIECE);
    await settled();
    mock.timers.tick(SILENCE_MS + 1);
    await asked;
  } finally {
    mock.timers.reset();
  }
});

test("a node that is silent from the beginning is given up", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const fetch = (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const asked = assert.rejects(new NodeApi("https://xa.example", { fetch }).fetchNode(), Unreachable);
    await settled();
    mock.timers.tick(SILENCE_MS + 1);
    await asked;
  } finally {
    mock.timers.reset();
  }
});

test("other bytes than those a signed event names are no paper of it", async () => {
  const { api, send, end } = slowNode();
  const asked = assert.rejects(api.fetchFile(await sha256Id(PIECE)), DamagedFile);
  await settled();
  send(PIECE.slice(1));
  end();
  await asked;
});

test("an answer about the line or the node is no word on what was sent", async () => {
  const answering = (status) => new NodeApi("https://xa.example", { fetch: async () => Response.json({ error: "x", reason: "y" }, { status }) });
  for (const status of [408, 429, 500, 503]) await assert.rejects(answering(status).fetchMissing(["a"]), Busy);
  for (const status of [400, 403, 409, 413]) await assert.rejects(answering(status).fetchMissing(["a"]), Refused);
});
