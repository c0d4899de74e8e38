// Files in pieces of 32 KiB.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_BYTES, chunkSize, cutFile, joinFile, manifestId } from "../../pwa/lib/chunks.js";
import { sha256Id } from "../../pwa/lib/hashing.js";
import { packed } from "../../pwa/lib/gzip.js";
import { gunzipSync } from "node:zlib";

const sample = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

for (const size of [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 100_000]) {
  test(`a file of ${size} bytes is cut, described and joined again`, async () => {
    const bytes = sample(size);
    const { manifest, chunks, manifestId: id } = await cutFile(bytes);
    const byId = new Map(chunks.map((chunk) => [chunk.id, chunk.bytes]));

    assert.equal(manifest.chunks.length, Math.ceil(size / CHUNK_BYTES));
    assert.equal(manifest.chunks.reduce((sum, _, i) => sum + chunkSize(manifest, i), 0), size);
    assert.equal(manifest.sha256, await sha256Id(bytes));
    assert.equal(id, await manifestId(manifest));
    assert.deepEqual(await joinFile(manifest, async (name) => byId.get(name)), bytes);
  });
}

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
