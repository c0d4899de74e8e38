// Files in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_BYTES, LARGE_CHUNK_BYTES, MOST_PREVIEW_BYTES, chunkSize, cutFile, joinFile, manifestId } from "../../pwa/lib/chunks.js";
import { sha256Id } from "../../pwa/lib/hashing.js";
import { packed } from "../../pwa/lib/gzip.js";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const page = readFileSync(new URL("../../docs/formats/file.md", import.meta.url), "utf-8");
const sample = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

for (const size of [1, MOST_PREVIEW_BYTES, MOST_PREVIEW_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1, 100_000]) {
  test(`a file of ${size} bytes is cut, described and joined again`, async () => {
    const bytes = sample(size);
    const { manifest, chunks, manifestId: id } = await cutFile(bytes);
    const byId = new Map(chunks.map((chunk) => [chunk.id, chunk.bytes]));

    assert.equal(manifest.chunks.length, size <= MOST_PREVIEW_BYTES ? 1 : Math.ceil(size / CHUNK_BYTES));
    assert.equal(manifest.chunks.reduce((sum, _, i) => sum + chunkSize(manifest, i), 0), size);
    assert.equal(manifest.sha256, await sha256Id(bytes));
    assert.equal(id, await manifestId(manifest));
    assert.deepEqual(await joinFile(manifest, async (name) => byId.get(name)), bytes);
  });
}

test("a file is cut by its size alone, as the office cuts it", async () => {
  const { manifest, manifestId: id } = await cutFile(new Uint8Array(15_000).fill("x".charCodeAt(0)));
  assert.deepEqual([manifest.v, manifest.chunk_bytes, manifest.chunks.length], [2, CHUNK_BYTES, 2]);
  assert.equal(id, page.match(/"_id": "file:(sha256-[\w-]+)"/)[1]); // docs/formats/file.md, which the server's test computes too
});

test("a file of more than 1,024 small pieces is cut into large ones", async () => {
  for (const [size, count, version] of [[1024 * CHUNK_BYTES, 1024, 2], [1024 * CHUNK_BYTES + 1, 313, 1]]) {
    const { manifest } = await cutFile(new Uint8Array(size));
    assert.deepEqual([manifest.chunks.length, manifest.v, "chunk_bytes" in manifest], [count, version, version === 2]);
    assert.equal(manifest.chunks.reduce((sum, _, i) => sum + chunkSize(manifest, i), 0), size);
  }
});

test("a preview is one piece, named as the file is", async () => {
  const { manifest } = await cutFile(sample(MOST_PREVIEW_BYTES));
  assert.deepEqual([manifest.v, manifest.chunks], [1, [manifest.sha256]]);
});

test("what was signed with large pieces is told and sent as such", () => {
  const manifest = { v: 1, sha256: "", size: 40_000, chunks: ["", ""] };
  assert.deepEqual([chunkSize(manifest, 0), chunkSize(manifest, 1)], [LARGE_CHUNK_BYTES, 40_000 - LARGE_CHUNK_BYTES]);
});

test("equal pieces are kept once and listed each time", async () => {
  const { manifest, chunks } = await cutFile(new Uint8Array(3 * CHUNK_BYTES));
  assert.equal(chunks.length, 1);
  assert.equal(manifest.chunks.length, 3);
});

test("pieces that are gone or changed never make a file", async () => {
  const { manifest, chunks } = await cutFile(sample(70_000));
  const damaged = new Map(chunks.map((chunk) => [chunk.id, chunk.bytes]));
  damaged.get(manifest.chunks[1])[5] ^= 1;
  await assert.rejects(joinFile(manifest, async (id) => damaged.get(id)), RangeError);
  await assert.rejects(joinFile(manifest, async () => new Uint8Array()), RangeError);
});

test("an empty file is refused", () => assert.rejects(cutFile(new Uint8Array()), RangeError));

test("text is gzipped for the wire, JPEG and noise are not", async () => {
  const text = new TextEncoder().encode("hồ sơ ".repeat(4000));
  const small = await packed(text, "text/plain");
  assert.ok(small.gzipped && small.bytes.length < text.length / 10);
  assert.deepEqual(new Uint8Array(gunzipSync(small.bytes)), text);
  assert.equal((await packed(text, "image/jpeg")).gzipped, false);
  assert.equal((await packed(crypto.getRandomValues(new Uint8Array(30_000)), "image/bmp")).gzipped, false);
});
