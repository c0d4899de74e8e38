// Drafts and dossiers as cards that are links.

import { dateTime, t } from "../i18n/text.js";
import { h } from "./dom.js";
import { tag } from "./parts.js";

/** @param {import("../store/drafts.js").Draft[]} drafts @param {Map<string, string>} names code → procedure @param {string} title @returns {HTMLElement[]} nothing for none */
export function draftCards(drafts, names, title) {
  if (!drafts.length) return [];
  const card = (/** @type {import("../store/drafts.js").Draft} */ draft) => h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/drafts/${draft.id}`, "data-key": draft.id }, names.get(draft.procedure) ?? draft.procedure)),
    h("div", { class: "card__row" },
      draft.type === "dossier.supplemented" && tag(t("home.draft_supplement"), "quiet"),
      draft.behalf && tag(draft.behalf.name ? t("behalf.for", { name: draft.behalf.name }) : t("behalf.tag"), "quiet"),
      h("span", null, t("home.draft_saved", { time: dateTime(draft.savedMs) }))));
  return [h("h2", null, title), h("ul", { class: "cards" }, drafts.map(card))];
}

/** @param {import("../summaries.js").Summary[]} summaries @param {string} title @returns {HTMLElement[]} */
export function dossierCards(summaries, title) {
  const card = (/** @type {import("../summaries.js").Summary} */ one) => h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/dossiers/${one.stream}`, "data-key": one.stream }, one.name)),
    h("div", { class: "card__row" }, tag(one.label, one.tone), one.behalf && tag(t("behalf.for", { name: one.behalf }), "quiet"),
      h("span", null, one.code || (one.behalf ? "" : one.applicant)), one.when && h("span", null, dateTime(one.when))),
    one.next && h("p", null, one.next));
  return [h("h2", null, title), h("ul", { class: "cards" }, summaries.map(card))];
}

/** What stands where there is no list yet. @returns {HTMLElement} */
export const nothingYet = () => h("div", { class: "empty" }, h("p", null, h("strong", null, t("home.empty_title"))), h("p", null, t("home.empty")));
