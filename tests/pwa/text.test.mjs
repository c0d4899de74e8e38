// Text from people: what is repaired before signing, what search compares.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanFileName, cleanLine, cleanText, fold, isClean } from "../../pwa/lib/normalise.js";
import { OURS, absent, readJson } from "./support/vectors.mjs";

const VECTORS = `${OURS}event/events.json`;
const IN_TEXT = ["NFD", "right-to-left", "isolate", "zero-width", "byte order mark", "control", "carriage"];

test("text that crypto/text.py refuses is seen here, and can be signed after cleaning", { skip: absent(VECTORS) }, () => {
  const spoilt = readJson(VECTORS).filter(({ name, ok }) => !ok && name.startsWith("data:") && IN_TEXT.some((word) => name.includes(word)));
  assert.equal(spoilt.length, IN_TEXT.length);
  for (const { name, event } of spoilt) {
    const texts = everyText(event);
    assert.ok(texts.some((text) => !isClean(text)), name);
    assert.ok(texts.every((text) => isClean(cleanText(text))), name);
  }
});

const everyText = (value) => (typeof value === "string" ? [value] : value && typeof value === "object" ? Object.values(value).flatMap(everyText) : []);

test("a name typed in decomposed letters is kept in composed ones", () => {
  assert.equal(cleanLine("  Nguyễn   Thị Ánh ".normalize("NFD")), "Nguyễn Thị Ánh");
});

test("invisible characters and turned reading directions disappear", () => {
  assert.equal(cleanLine("a\u202Efdp.exe\u200b\ufeff"), "afdp.exe");
  assert.equal(cleanText("một\r\nhai\u2066\x00"), "một\nhai");
});

test("a file name loses its folder and stays within its length, keeping its ending", () => {
  assert.equal(cleanFileName("C:\\fakepath\\giấy.jpg"), "giấy.jpg");
  assert.equal(cleanFileName("../../etc/passwd"), "passwd");
  assert.equal(cleanFileName(`${"ả".repeat(300)}.pdf`).length, 120);
  assert.ok(cleanFileName(`${"ả".repeat(300)}.pdf`).endsWith(".pdf"));
  assert.equal(cleanFileName("\u200b"), "tep");
});

test("search sees no diacritics, and đ as d", () => {
  assert.equal(fold("Đăng ký  KHAI SINH, Đường"), "dang ky khai sinh, duong");
  assert.equal(fold("hòa"), fold("hoà".normalize("NFD")));
});
