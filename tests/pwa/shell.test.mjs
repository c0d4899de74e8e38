// The application's shell: what the browser is asked to load, how heavy that is, and what must never stand in the sources.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ROOT } from "./support/vectors.mjs";

const PWA = join(ROOT, "pwa");
const read = (name) => readFileSync(join(PWA, name), "utf8");
/** The source without its comments. */
const code = (name) => read(name).replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{}])\/\/.*$/gm, "$1");
const gzipped = (name) => gzipSync(readFileSync(join(PWA, name)), { level: 9 }).length;
const modules = readdirSync(PWA, { recursive: true }).filter((name) => name.endsWith(".js") && !name.startsWith("vendor") && name !== "sw.js");
const FIRST_VISIT_BYTES = 60 * 1024;
const SIGNED_PAGE_BYTES = 180 * 1024; // from its own cache

/** Modules imported without condition, in the order they are met. */
function staticGraph(starts) {
  const seen = [];
  const visit = (name) => {
    if (seen.includes(name)) return;
    seen.push(name);
    for (const [, target] of read(name).matchAll(/^(?:import|export)\s[^"]*?from\s"([^"]+)";|^import\s"([^"]+)";/gm)) visit(normalize(join(dirname(name), target)));
  };
  starts.forEach(visit);
  return seen;
}

test("every import is relative, has its extension, and finds its file", () => {
  for (const name of modules) {
    for (const [, target] of code(name).matchAll(/(?:\bfrom |\bimport |\bimport\()"([^"]+)"/g)) {
      assert.match(target, /^\.{1,2}\/.*\.js$/, `${name}: ${target}`);
      assert.ok(existsSync(join(PWA, dirname(name), target)), `${name}: ${target}`);
    }
  }
});

test("index.html asks ahead for exactly the modules of the first screen", () => {
  const listed = [...read("index.html").matchAll(/rel="modulepreload" href="\/([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(listed, staticGraph(["app.js", "views/home.js"]).slice(1));
});

const weigh = (names) => [...new Set(names)].reduce((sum, name) => sum + gzipped(name), 0);
const FRAME = ["index.html", "tokens.css", "styles.css", "icons/icon.svg", "manifest.webmanifest"];

test("a first visit stays within its budget", () => {
  const bytes = weigh([...FRAME, ...staticGraph(["app.js", "views/home.js", "sync.js", "worker.js"])]);
  assert.ok(bytes <= FIRST_VISIT_BYTES, `${bytes} bytes`);
});

test("so does the first page of a phone that has signed, with PouchDB and all it does with its office", () => {
  const rooms = modules.filter((name) => name.startsWith("i18n/vi/"));
  const bytes = weigh([...FRAME, ...staticGraph(["app.js", "views/home.js", "views/signed.js", "sync.js", "exchange.js", "worker.js"]), ...rooms, "vendor/pouchdb.min.js"]);
  assert.ok(bytes <= SIGNED_PAGE_BYTES, `${bytes} bytes`);
});

test("the first screen says nothing whose words come later", () => {
  const first = read("i18n/vi/first.js");
  for (const name of staticGraph(["app.js", "views/home.js", "sync.js", "worker.js"])) {
    for (const [, key] of code(name).matchAll(/\bt\("([\w.]+)"/g)) assert.ok(first.includes(`"${key}"`), `${name}: ${key}`);
  }
});

test("lib/ runs without a browser: no DOM, no storage, nothing from the floors above", () => {
  for (const name of modules.filter((one) => one.startsWith("lib/"))) {
    assert.doesNotMatch(code(name), /\b(?:document|window|localStorage|indexedDB|navigator)\./, name);
    assert.doesNotMatch(code(name), /from "\.\.\//, name);
  }
});

test("no source makes markup out of text, code out of text, or styles in attributes", () => {
  for (const name of [...modules, "sw.js"]) {
    assert.doesNotMatch(code(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\("|\.style\b|srcdoc/, name);
  }
});

test("index.html has no inline script, style or handler, and loads from here alone", () => {
  const page = read("index.html");
  assert.doesNotMatch(page, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/);
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]+)"/g)) assert.match(url, /^(?:\/(?!\/)|#)/, url);
});

test("everything the page and the manifest name is there", () => {
  const manifest = JSON.parse(read("manifest.webmanifest"));
  const named = [...read("index.html").matchAll(/(?:src|href)="\/([^"#]+)"/g)].map(([, name]) => name);
  for (const name of [...named, ...manifest.icons.map((icon) => icon.src.slice(1))]) assert.ok(existsSync(join(PWA, name)), name);
});

test("only the modules meant to sign use a signing key", () => {
  const users = modules.filter((name) => /\bsignEvent\(|\bsignDocument\(/.test(code(name)) && !name.startsWith("lib/"));
  assert.deepEqual(users.sort(), ["desk-sign.js", "signing.js"]);
});
