// What a page is, going to another one, and the pages for addresses that lead nowhere or failed.

import { t } from "./i18n/text.js";
import { Unreachable } from "./lib/api.js";
import { h } from "./ui/dom.js";
import { backLink, button, heading } from "./ui/parts.js";

/**
 * @typedef {object} Page
 * @property {string} title @property {Node} content
 * @property {string[]} [refreshOn] kinds of change (state.js) after which it is drawn anew
 * @property {() => void} [leave]   called when another page takes its place
 */

/** @param {string} path without "#/" @param {{replace?: boolean}} [options] */
export function go(path, { replace = false } = {}) {
  if (replace) location.replace(`#/${path}`);
  else location.hash = `#/${path}`;
}

/** @returns {Page} */
export function notFound() {
  const title = t("error.not_found_title");
  return { title, content: h("div", null, backLink("#/", t("app.home")), heading(title), h("p", null, t("error.not_found"))) };
}

/** @param {unknown} cause @returns {Page} never a blank screen, and never a lost draft */
export function failed(cause) {
  if (cause instanceof Unreachable) return notLoaded();
  console.error(cause);
  const title = t("error.unknown_title");
  const details = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return {
    title,
    content: h("div", null, backLink("#/", t("app.home")), heading(title), h("p", null, t("error.unknown")),
      h("p", null, h("code", null, details)), button(t("error.reload"), () => location.reload())),
  };
}

/** The line broke before this page was here. @returns {Page} */
function notLoaded() {
  const title = t("error.not_loaded_title");
  const again = () => dispatchEvent(new HashChangeEvent("hashchange"));
  return { title, content: h("div", null, backLink("#/", t("app.home")), heading(title), h("p", null, t("error.not_loaded")), button(t("error.retry"), again)) };
}
