// The frame around every page: band with the office's name, the line about the network, main, foot, passing messages.

import { t } from "../i18n/text.js";
import { state } from "../state.js";
import { fill, h } from "./dom.js";

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const TOAST_MS = 12_000;

/** Draw the frame's texts in the language chosen. */
export function drawShell() {
  document.title = t("app.name");
  byId("skip").textContent = t("app.skip");
  byId("brand-name").textContent = t("app.name");
  byId("brand-unit").textContent = state.node?.name ?? state.identity?.node.name ?? "";
  byId("settings-link").textContent = t("app.settings");
  fill(byId("foot"), h("p", { class: "small soft" }, t("app.footer")));
  drawNetwork();
}

/** Say it when the network or the node is away; say nothing when all is well. */
export function drawNetwork() {
  const bar = byId("net");
  const office = state.node?.name ?? t("app.office");
  const text = !navigator.onLine ? t("app.offline") : state.link.outcome === "offline" && state.link.failures > 1 ? t("app.unreachable", { office }) : "";
  if (bar.textContent !== text) fill(bar, text && h("p", null, text));
  bar.hidden = !text;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** A passing message, with an action where there is one. @param {string} text @param {{label: string, run: () => void, stay?: boolean}} [action] */
export function toast(text, action) {
  const place = byId("toast");
  clearTimeout(timer);
  const close = () => { place.hidden = true; };
  const run = () => { close(); action?.run(); };
  fill(place, h("span", null, text), action && h("button", { type: "button", class: "link", onclick: run }, action.label));
  place.hidden = false;
  if (!action?.stay) timer = setTimeout(close, TOAST_MS);
}

/**
 * Put a page into main and move the focus to its heading.
 * @param {string} title @param {Node} content @param {{keepFocus?: boolean}} [options] `keepFocus`: the same page again, fresher
 */
export function showPage(title, content, { keepFocus = false } = {}) {
  const main = byId("main");
  document.title = `${title} · ${t("app.name")}`;
  const focused = keepFocus ? document.activeElement?.getAttribute("data-key") : null;
  fill(main, content);
  if (keepFocus) {
    if (focused) /** @type {HTMLElement | null} */ (main.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
    return;
  }
  scrollTo(0, 0);
  (/** @type {HTMLElement | null} */ (main.querySelector("h1")) ?? main).focus({ preventScroll: true });
}
