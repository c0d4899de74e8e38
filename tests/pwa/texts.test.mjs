// Vietnamese and English say the same things, and the pages ask only for texts that exist.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { ROOT } from "./support/vectors.mjs";

const ROOMS = ["first", "filing", "dossier", "receipt", "phone", "behalf"];
const whole = async (language) => Object.assign({}, ...(await Promise.all(ROOMS.map(async (room) => (await import(`../../pwa/i18n/${language}/${room}.js`)).texts))));
const [vi, en] = await Promise.all([whole("vi"), whole("en")]);
const sources = readdirSync(`${ROOT}pwa`, { recursive: true }).filter((name) => name.endsWith(".js") && !/vendor|i18n/.test(name)).map((name) => readFileSync(`${ROOT}pwa/${name}`, "utf8")).join("\n");
const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("no text stands in two rooms, and no room is forgotten", async () => {
  for (const language of ["vi", "en"]) {
    assert.deepEqual(readdirSync(`${ROOT}pwa/i18n/${language}`).sort(), ROOMS.map((room) => `${room}.js`).sort());
    const keys = (await Promise.all(ROOMS.map(async (room) => Object.keys((await import(`../../pwa/i18n/${language}/${room}.js`)).texts)))).flat();
    assert.equal(new Set(keys).size, keys.length);
  }
});

test("both languages have the same keys, with the same places to fill in", () => {
  assert.deepEqual(Object.keys(en), Object.keys(vi));
  for (const key of Object.keys(vi)) assert.deepEqual(places(en[key]), places(vi[key]), key);
});

test("no text is empty, untrimmed or outside Unicode NFC", () => {
  for (const texts of [vi, en]) for (const [key, text] of Object.entries(texts)) assert.ok(text && text === text.trim() && text === text.normalize("NFC"), key);
});

test("Vietnamese texts carry their diacritics", () => {
  const bare = Object.entries(vi).filter(([, text]) => text.replace(/\{\w+\}/g, "").length > 12 && !/[^\x00-\x7f]/.test(text)).map(([key]) => key);
  assert.deepEqual(bare, []);
});

test("every text is used, by its name or as one of a family", () => {
  const families = [...sources.matchAll(/`([\w.]+\.)\$\{/g)].map(([, stem]) => stem);
  const unused = Object.keys(vi).filter((key) => !sources.includes(`"${key}"`) && !families.some((stem) => key.startsWith(stem)));
  assert.deepEqual(unused, []);
});
