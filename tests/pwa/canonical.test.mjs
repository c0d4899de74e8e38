// Canonical JSON (RFC 8785), as far as our data goes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { canonical, canonicalText } from "../../pwa/lib/canonical.js";
import { THEIRS, absent, readJson } from "./support/vectors.mjs";

const JCS = `${THEIRS}jcs/`;

for (const name of ["arrays", "french", "structures", "unicode", "weird"]) {
  test(`canonical form of the RFC 8785 sample "${name}" is the published one`, { skip: absent(JCS) }, () => {
    const value = readJson(`${JCS}input/${name}.json`);
    if (JSON.stringify(value).includes(".")) return assertRefused(value);
    assert.equal(canonicalText(value), readFileSync(`${JCS}output/${name}.json`, "utf8"));
  });
}

test("the RFC 8785 sample with floats is refused: signed data holds none", { skip: absent(JCS) }, () => assertRefused(readJson(`${JCS}input/values.json`)));

function assertRefused(value) {
  assert.throws(() => canonicalText(value), TypeError);
}

test("members are sorted by UTF-16 code units, not by code points", () => {
  assert.equal(canonicalText({ "\u{1F600}": 1, "\ufb33": 2, "a": 3 }), '{"a":3,"\u{1F600}":1,"\ufb33":2}');
});

test("Vietnamese text stays as it is, in UTF-8", () => {
  assert.deepEqual([...canonical("Ễ")], [0x22, 0xe1, 0xbb, 0x84, 0x22]);
});

for (const [what, value] of Object.entries({
  "a float": 1.5, "minus zero": -0, "an integer beyond 2^53": 2 ** 53, "not a number": NaN, "a lone surrogate": "\ud800",
  "a lone surrogate in a name": { "\udc00": 1 }, "undefined": { a: undefined }, "a date": new Date(0), "bytes": new Uint8Array(2),
  "a hole in an array": [, 1], "17 levels": Array.from({ length: 17 }).reduce((inner) => [inner], 1),
})) test(`${what} is refused`, () => assertRefused(value));

test("16 levels and the largest safe integer are taken", () => {
  assert.equal(canonicalText(Array.from({ length: 16 }).reduce((inner) => [inner], 2 ** 53 - 1)), `${"[".repeat(16)}9007199254740991${"]".repeat(16)}`);
});
