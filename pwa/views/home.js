// #/ : my dossiers, each in an honest state, and the one big button.

import { procedures } from "../catalogue.js";
import { listDrafts, listEntries } from "../store/drafts.js";
import { allEvents } from "../store/mine.js";
import { both, dateTime, t } from "../i18n/text.js";
import { state } from "../state.js";
import { readStories } from "../stories.js";
import { dossierSummaries } from "../summaries.js";
import { fill, h } from "../ui/dom.js";
import { heading, linkButton, notice, tag } from "../ui/parts.js";

/** @typedef {import("../summaries.js").Summary} Summary */

/** @returns {Promise<import("../page.js").Page>} */
export async function home() {
  const [drafts, entries, catalogue, stories] = await Promise.all([listDrafts(), listEntries(), procedures(), readStories()]);
  const names = new Map(catalogue.map((one) => [one.code, both(one.name)]));
  const signed = h("div", null);
  const draw = (/** @type {Summary[]} */ summaries) => fill(signed, signedList(summaries, drafts.length > 0));
  draw(dossierSummaries(entries, [], names, stories));
  // The outbox is here at once; what the node told us needs PouchDB, which is loaded after the first screen.
  allEvents().then((events) => draw(dossierSummaries(entries, events, names, stories)), (cause) => console.error("events not readable", cause));
  const erased = h("div", null);
  import("./erased.js").then(async ({ erasedList }) => fill(erased, await erasedList()), (cause) => console.error("erasures not readable", cause));
  const content = h("div", null,
    heading(t("home.title")),
    registration(),
    h("p", null, linkButton(t("home.new"), "#/procedures", "button--big")),
    draftList(drafts, names), signed, erased);
  return { title: t("home.title"), content, refreshOn: ["outbox", "events", "key", "draft", "link", "catalogue"] };
}

/** What stands between this phone and signing, if anything does. */
function registration() {
  const { record, identity } = state;
  if (identity && record?.revoked) {
    return notice("bad", h("h2", null, t("home.revoked")), h("p", null, t("home.revoked_text")), h("p", null, linkButton(t("home.register_again"), "#/register", "button--secondary")));
  }
  if (identity) return null;
  if (record?.state === "pending") {
    return notice("wait", h("h2", null, t("home.pending")), h("p", null, t("home.pending_text", { code: record.code ?? "" })), h("p", null, h("a", { href: "#/register" }, t("home.see_code"))));
  }
  return notice("info", h("h2", null, t("home.not_registered")), h("p", null, t("home.not_registered_text")), h("p", null, linkButton(t("home.register"), "#/register", "button--secondary")));
}

/** @param {import("../store/drafts.js").Draft[]} drafts @param {Map<string, string>} names */
function draftList(drafts, names) {
  if (!drafts.length) return null;
  const card = (/** @type {import("../store/drafts.js").Draft} */ draft) => h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/drafts/${draft.id}`, "data-key": draft.id }, names.get(draft.procedure) ?? draft.procedure)),
    h("div", { class: "card__row" },
      draft.type === "dossier.supplemented" && tag(t("home.draft_supplement"), "quiet"),
      h("span", null, t("home.draft_saved", { time: dateTime(draft.savedMs) }))));
  return [h("h2", null, t("home.drafts")), h("ul", { class: "cards" }, drafts.map(card))];
}

/** @param {Summary[]} summaries @param {boolean} hasDrafts */
function signedList(summaries, hasDrafts) {
  if (!summaries.length) {
    if (hasDrafts) return null;
    return h("div", { class: "empty" }, h("p", null, h("strong", null, t("home.empty_title"))), h("p", null, t("home.empty")));
  }
  const card = (/** @type {Summary} */ one) => h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/dossiers/${one.stream}`, "data-key": one.stream }, one.name)),
    h("div", { class: "card__row" }, tag(one.label, one.tone), h("span", null, one.code || one.applicant), one.when && h("span", null, dateTime(one.when))),
    one.next && h("p", null, one.next));
  return [h("h2", null, t("home.dossiers")), h("ul", { class: "cards" }, summaries.map(card))];
}
