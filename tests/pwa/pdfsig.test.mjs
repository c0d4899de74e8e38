// Signatures inside PDF files, made by OpenSSL, as the phone looks at them before a dossier is signed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkPdf } from "../../pwa/lib/pdfsig.js";

const ROOM = 8192; // hexadecimal digits kept free for the signature
let folder;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "tram-pdf-"));
  const at = (name) => join(folder, name);
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("key"), "-out", at("pem"), "-subj", "/CN=Nguoi ky", "-days", "2"], { stdio: "pipe" });
});
after(() => rmSync(folder, { recursive: true }));

/** A PDF with one signature over all of it but the signature, signed as a signing tool does. */
function signed(body, ...options) {
  const head = `%PDF-1.7\n1 0 obj\n<</Type /Catalog>>\nendobj\n${body}\n2 0 obj\n<</Type /Sig /SubFilter /ETSI.CAdES.detached /Contents `;
  const tailOf = (range) => ` /ByteRange [${range}]>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n`;
  const from = head.length + ROOM + 2;
  const width = tailOf("0000000000 0000000000 0000000000 0000000000").length;
  const range = [0, head.length, from, width].map((one) => String(one).padStart(10, "0")).join(" ");
  const tail = tailOf(range);
  writeFileSync(join(folder, "data"), head + tail, "latin1");
  const cms = execFileSync("openssl", ["cms", "-sign", "-binary", "-in", join(folder, "data"), "-signer", join(folder, "pem"), "-inkey", join(folder, "key"), "-outform", "DER", "-md", "sha256", ...options]);
  return Uint8Array.from(Buffer.from(`${head}<${cms.toString("hex").padEnd(ROOM, "0")}>${tail}`, "latin1"));
}

test("a PDF that was left as it was signed is intact", async () => assert.equal(await checkPdf(signed("(Giay khai sinh)")), "intact"));

test("a PDF with one letter changed anywhere after it was signed is broken", async () => {
  const pdf = signed("(Giay khai sinh)");
  const at = Buffer.from(pdf).indexOf("khai sinh");
  for (const place of [at, 10, pdf.length - 3]) {
    const damaged = Uint8Array.from(pdf);
    damaged[place] ^= 1;
    assert.equal(await checkPdf(damaged), "broken", `byte ${place}`);
  }
});

test("a signature that leaves out more than itself, or names bytes that are not there, is broken", async () => {
  const text = Buffer.from(signed("(Giay)")).toString("latin1");
  const [range] = /\[0{10} \d{10} \d{10} \d{10}\]/.exec(text);
  const [, b, c, d] = /\[0+ (\d+) (\d+) (\d+)\]/.exec(text).map(Number);
  const with_ = (numbers) => Uint8Array.from(Buffer.from(text.replace(range, `[${numbers.map((one) => String(one).padStart(10, "0")).join(" ")}]`), "latin1"));
  for (const numbers of [[0, b - 5, c, d], [0, b, c + 9, d - 9], [5, b - 5, c, d], [0, b, c, d + 100], [0, c, b, d]]) assert.equal(await checkPdf(with_(numbers)), "broken", numbers.join());
});

test("something added behind the signature is told apart; white space is nothing", async () => {
  const pdf = signed("(Giay)");
  const longer = (text) => Uint8Array.from([...pdf, ...Buffer.from(text)]);
  assert.equal(await checkPdf(longer("\n3 0 obj\n(them)\nendobj\n")), "added");
  assert.equal(await checkPdf(longer("\r\n\n")), "intact");
});

test("a PDF without a signature, and anything else, says nothing", async () => {
  for (const text of ["%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "", "/ByteRange"]) assert.equal(await checkPdf(Uint8Array.from(Buffer.from(text))), "unsigned");
});

test("a signature in a form that is not read here is left to the office", async () => {
  const pdf = signed("(Giay)", "-noattr");
  assert.equal(await checkPdf(pdf), "unchecked");
  const start = Buffer.from(pdf).indexOf("/Contents <") + "/Contents <".length;
  const garbled = Uint8Array.from(pdf);
  garbled.fill("0".charCodeAt(0), start, start + ROOM);
  assert.equal(await checkPdf(garbled), "unchecked");
});
