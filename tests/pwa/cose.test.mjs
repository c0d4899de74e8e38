// The citizen's receipt on the phone: what the node signs (tests/vectors/receipt) verifies, and nothing else does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NotAReceipt, decodeFragment, parseClaims, parseSign1, receiptInUrl, verifyCitizenReceipt } from "../../pwa/lib/cose.js";
import { OURS, absent, readJson } from "./support/vectors.mjs";

const VECTORS = `${OURS}receipt/receipts.json`;
const keyOf = (jwk) => crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
const refused = (code) => (cause) => cause instanceof NotAReceipt && cause.code === code;

if (absent(VECTORS)) test("receipt vectors", { skip: absent(VECTORS) }, () => {});
else {
  const { url, domain, jwk, claims } = readJson(VECTORS);
  const bytes = receiptInUrl(url, domain);

  test("a receipt signed by the node verifies on the phone and says the same", async () => {
    assert.deepEqual(await verifyCitizenReceipt(parseSign1(bytes), await keyOf(jwk), claims.unit), claims);
  });

  test("a receipt with any byte changed is refused", async () => {
    const key = await keyOf(jwk);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] ^= 0x41;
      await assert.rejects(async () => verifyCitizenReceipt(parseSign1(damaged), key, claims.unit), NotAReceipt, `byte ${at}`);
    }
  });

  test("a receipt cut short or with bytes behind it is refused", () => {
    for (let length = 0; length < bytes.length; length++) assert.throws(() => parseSign1(bytes.slice(0, length)), refused("form"));
    assert.throws(() => parseSign1(Uint8Array.from([...bytes, 0])), refused("form"));
  });

  test("an address that only looks like the official one is refused", () => {
    for (const bad of [url.replace(domain, `${domain}.example.com`), url.replace("https:", "http:"), url.replace("/r#", "/x#"), `https://a@${domain}/r#AA`]) {
      assert.throws(() => receiptInUrl(bad, domain), refused("origin"));
    }
  });

  test("another commune's valid receipt is refused by name", async () => {
    await assert.rejects(async () => verifyCitizenReceipt(parseSign1(bytes), await keyOf(jwk), "H41.12.04"), refused("unit"));
  });

  test("claims of another shape are refused", () => {
    for (const hex of ["a0", "a101", "85", "bf", "a5016161"]) assert.throws(() => parseClaims(Uint8Array.from(Buffer.from(hex, "hex"))), refused("form"));
    assert.throws(() => decodeFragment("not base64url!"), refused("form"));
  });
}
