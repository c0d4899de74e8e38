// Dossiers that were erased at the office: their place in the list, and the page that says by whom and why.

import { dateTime, day, t } from "../i18n/text.js";
import { listErased } from "../store/erased.js";
import { h } from "../ui/dom.js";
import { backLink, heading, notice, summaryList, tag } from "../ui/parts.js";

/** @typedef {import("../lib/erasure.js").Erased} Erased */

/** @returns {Promise<import("../ui/dom.js").Child[]>} heading and cards, nothing where nothing was erased */
export async function erasedList() {
  const notes = await listErased();
  if (!notes.length) return [];
  const card = (/** @type {Erased} */ one) => h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/dossiers/${one.stream}`, "data-key": one.stream }, one.code || t("erased.no_code"))),
    h("div", { class: "card__row" }, tag(t("erased.tag"), "quiet"), h("span", null, dateTime(one.confirmedAt))),
    h("p", null, who(one)));
  return [h("h2", null, t("erased.title")), h("ul", { class: "cards" }, notes.map(card))];
}

/** @param {string} stream @returns {Promise<import("../page.js").Page | null>} null unless this dossier was erased */
export async function erasedPage(stream) {
  const one = (await listErased()).find((note) => note.stream === stream);
  if (!one) return null;
  const title = t("erased.page");
  const hash = (/** @type {string} */ id) => h("span", { class: "mono small" }, id || t("erased.none"));
  const content = h("div", null, backLink("#/", t("home.title")), heading(title, one.code),
    notice("info", h("p", null, who(one)), h("p", null, t("erased.gone"))),
    summaryList([
      [t("erased.confirmed"), dateTime(one.confirmedAt)],
      [t("erased.basis"), one.basis],
      [t("erased.rule"), one.rule],
      [t("erased.ended"), day(one.ended)],
    ]),
    h("h2", null, t("erased.kept")), h("p", null, t("erased.kept_text")),
    summaryList([
      [t("erased.submission"), hash(one.submission)],
      [t("erased.receipt"), hash(one.receipt)],
      [t("erased.order"), hash(one.order)],
      [t("erased.confirmation"), hash(one.confirmation)],
    ]));
  return { title, content };
}

/** @param {Erased} one */
const who = ({ proposer, confirmer, basis }) => (proposer && confirmer ? t("erased.who", { proposer, confirmer, basis }) : t("erased.who_unknown", { basis }));
