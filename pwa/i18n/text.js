// Texts in the language chosen; Vietnamese until somebody chooses otherwise. English is loaded only when it is used.

import { vi } from "./vi.js";

/** @typedef {keyof typeof vi} Key */

/** @type {Record<Key, string>} */
let texts = vi;
let language = "vi";

export const lang = () => language;

/** @param {string} wanted "vi" or "en" */
export async function useLanguage(wanted) {
  language = wanted === "en" ? "en" : "vi";
  texts = language === "en" ? (await import("./en.js")).en : vi;
}

/** @param {Key} key @param {Record<string, string | number>} [values] @returns {string} */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {string} key made at run time @param {Key} otherwise @returns {Key} `key` if there is such a text */
export const known = (key, otherwise) => (key in vi ? /** @type {Key} */ (key) : otherwise);

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
