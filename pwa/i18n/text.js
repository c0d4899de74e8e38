// Texts in the language chosen; Vietnamese until somebody chooses otherwise. The first screen brings the words it says itself;
// those of the other pages, room by room, and English are loaded when they are used.

import { texts as first } from "./vi/first.js";
import { arrived } from "../lib/arrived.js";

/** @typedef {keyof typeof first | keyof typeof import("./vi/filing.js").texts | keyof typeof import("./vi/dossier.js").texts | keyof typeof import("./vi/receipt.js").texts | keyof typeof import("./vi/phone.js").texts | keyof typeof import("./vi/behalf.js").texts} Key */

const FIRST = { vi: async () => ({ texts: first }), en: () => import("./en/first.js") };
const ROOMS = {
  vi: () => Promise.all([import("./vi/filing.js"), import("./vi/dossier.js"), import("./vi/receipt.js"), import("./vi/phone.js"), import("./vi/behalf.js")]),
  en: () => Promise.all([import("./en/filing.js"), import("./en/dossier.js"), import("./en/receipt.js"), import("./en/phone.js"), import("./en/behalf.js")]),
};

/** @type {Record<string, string>} */
let texts = first;
/** @type {"vi" | "en"} */
let language = "vi";
let whole = false;

export const lang = () => language;

/** @param {string} wanted "vi" or "en" @returns {Promise<void>} Throws `Unreachable`; then the language is what it was. */
export async function useLanguage(wanted) {
  const next = wanted === "en" ? "en" : "vi";
  const fresh = await arrived(FIRST[next]());
  const rooms = whole ? await arrived(ROOMS[next]()) : [];
  language = next;
  texts = Object.assign({}, fresh.texts, ...rooms.map((room) => room.texts));
}

/** Have the words of every page, not of the first screen alone. @returns {Promise<void>} Throws `Unreachable`. */
export async function loadTexts() {
  if (whole) return;
  const rooms = await arrived(ROOMS[language]());
  texts = Object.assign({}, texts, ...rooms.map((room) => room.texts));
  whole = true;
}

/** @param {Key} key @param {Record<string, string | number>} [values] @returns {string} */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {string} key made at run time @param {Key} otherwise @returns {Key} `key` if there is such a text */
export const known = (key, otherwise) => (key in texts ? /** @type {Key} */ (key) : otherwise);

/** @param {{vi: string, en: string}} both @returns {string} */
export const both = (both) => (language === "en" && both.en ? both.en : both.vi);

const locale = () => (language === "en" ? "en-GB" : "vi-VN");
const ZONE = "Asia/Ho_Chi_Minh";

/** @param {number | string | Date} when @returns {string} "10:32, 21/11/2026" */
export function dateTime(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? String(when) : `${clock(date)}, ${day(date)}`;
}

/** @param {number | string | Date} when @returns {string} "21/11/2026" */
export function day(when) {
  const date = new Date(when);
  if (Number.isNaN(date.getTime())) return String(when);
  return new Intl.DateTimeFormat(locale(), { day: "2-digit", month: "2-digit", year: "numeric", timeZone: ZONE }).format(date);
}

/** @param {number | Date} when @returns {string} "10:32" */
export const clock = (when) => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", timeZone: ZONE, hour12: false }).format(when);

/** @param {number} bytes @returns {string} "1,2 MB" */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: value < 10 && step ? 1 : 0 }).format(value)} ${units[step]}`;
}
