// base64url, hashes and ids.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, fromBase64, toBase64 } from "../../pwa/lib/base64url.js";
import { ID_PATTERN, revOf, sha256Id } from "../../pwa/lib/hashing.js";
import { isUuid7, uuid7 } from "../../pwa/lib/uuid7.js";

test("bytes of every length come back from base64url", () => {
  for (let length = 0; length < 70; length++) {
    const bytes = crypto.getRandomValues(new Uint8Array(length));
    assert.deepEqual(decode(encode(bytes)), bytes);
    assert.equal(encode(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  }
});

test("a large file does not break the encoder", () => {
  const bytes = new Uint8Array(300_001).fill(7);
  assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
});

for (const text of ["QQ==", "QR", "Q", "Q Q", "QQ\n", "+/", "QQ!", "QUI="]) {
  test(`base64url refuses ${JSON.stringify(text)}`, () => assert.throws(() => decode(text), RangeError));
}

test("ids are those of crypto.hashing: the hash of nothing", async () => {
  assert.equal(await sha256Id(new Uint8Array()), "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
  assert.equal(await revOf(new Uint8Array()), "1-e3b0c44298fc1c149afbf4c8996fb924");
  assert.match(await sha256Id(new Uint8Array()), ID_PATTERN);
});

test("a UUIDv7 holds its time, version and variant, and sorts by time (RFC 9562 §5.7)", () => {
  const random = new Uint8Array(10).fill(0xff);
  assert.equal(uuid7(0x017f22e279b0, random), "017f22e2-79b0-7fff-bfff-ffffffffffff");
  assert.ok(uuid7(1_700_000_000_000, random) < uuid7(1_700_000_000_001, new Uint8Array(10)));
  assert.ok(isUuid7(uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10)))));
});

test("a UUIDv7 without a time or with too little randomness is refused", () => {
  assert.throws(() => uuid7(-1, new Uint8Array(10)), RangeError);
  assert.throws(() => uuid7(1.5, new Uint8Array(10)), RangeError);
  assert.throws(() => uuid7(1, new Uint8Array(9)), RangeError);
});
