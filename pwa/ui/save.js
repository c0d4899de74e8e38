// Handing bytes over as a download: what others made never runs inside this page.

import { h } from "./dom.js";

const KEPT_MS = 60_000;

/** @param {Blob} blob @param {string} name of the file */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
