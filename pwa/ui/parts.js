// The patterns pages are made of: back link, tags, error summary, summary list, notices.

import { t } from "../i18n/text.js";
import { fill, h } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {"good" | "wait" | "bad" | "info" | "quiet"} Tone */

/** @param {string} href @param {string} [text] */
export const backLink = (href, text = t("app.back")) => h("a", { class: "back", href }, text);

/** @param {string} text @param {Tone} tone */
export const tag = (text, tone) => h("span", { class: `tag tag--${tone}` }, text);

/** @param {Tone} tone @param {...(Child | Child[])} children */
export const notice = (tone, ...children) => h("div", { class: `notice notice--${tone}` }, ...children);

/** @param {string} text @param {(event: Event) => any} onclick @param {string} [more] classes */
export const button = (text, onclick, more = "") => h("button", { type: "button", class: `button ${more}`, onclick }, text);

/** @param {string} text @param {string} href @param {string} [more] */
export const linkButton = (text, href, more = "") => h("a", { class: `button ${more}`, href }, text);

/** The page's heading. It takes the focus when the page opens. @param {string} text @param {string} [caption] */
export const heading = (text, caption) => h("h1", { tabindex: "-1" }, caption && h("span", { class: "caption" }, caption), text);

/** @param {[string, Child | Child[], Child?][]} rows label, value, action */
export function summaryList(rows) {
  return h("dl", { class: "summary" }, rows.map(([label, value, action]) =>
    h("div", null, h("dt", null, label), h("dd", null, ...[value].flat()), action && h("dd", { class: "summary__action" }, action))));
}

/**
 * Problems at the head of the page, each a link to its field (GOV.UK "error summary"). Show it and move the focus to it.
 * @param {HTMLElement} place @param {{message: string, target?: string}[]} faults `target` is the id of the field
 * @param {string} [title] what they have in common
 */
export function showFaults(place, faults, title = t("error.title")) {
  if (!faults.length) return fill(place);
  const list = faults.map(({ message, target }) => h("li", null, target ? h("a", { href: `#${target}`, onclick: goTo(target) }, message) : message));
  const box = h("div", { class: "error-summary", role: "alert", tabindex: "-1" }, h("h2", null, title), h("ul", null, list));
  fill(place, box);
  box.focus();
  box.scrollIntoView({ block: "nearest" });
}

/** The router lives in the address's hash, so a link to a field moves the focus by hand. @param {string} target */
const goTo = (target) => (/** @type {Event} */ event) => {
  event.preventDefault();
  const field = document.getElementById(target);
  field?.focus();
  field?.closest(".field")?.scrollIntoView({ block: "center" });
};

/** @param {number} value @param {number} max @param {string} label */
export const progressBar = (value, max, label) => h("progress", { class: "progress", max: Math.max(max, 1), value, "aria-label": label });
