// #/ : my dossiers, each in an honest state, and the one big button.

import { procedures } from "../catalogue.js";
import { listDrafts, listEntries } from "../store/drafts.js";
import { allEvents } from "../store/mine.js";
import { both, t } from "../i18n/text.js";
import { isHelper, state } from "../state.js";
import { readStories } from "../stories.js";
import { accusedStreams, dossierSummaries } from "../summaries.js";
import { fill, h } from "../ui/dom.js";
import { dossierCards, draftCards } from "../ui/lists.js";
import { heading, linkButton, notice } from "../ui/parts.js";

/** @typedef {import("../summaries.js").Summary} Summary */

/** @returns {Promise<import("../page.js").Page>} */
export async function home() {
  const [drafts, entries, catalogue, stories, accused] = await Promise.all([listDrafts(), listEntries(), procedures(), readStories(), accusedStreams()]);
  const names = new Map(catalogue.map((one) => [one.code, both(one.name)]));
  const signed = h("div", null);
  const draw = (/** @type {Summary[]} */ summaries) => fill(signed, signedLists(summaries, drafts.length > 0));
  draw(dossierSummaries(entries, [], names, stories, accused));
  // The outbox is here at once; what the node told us needs PouchDB, which is loaded after the first screen.
  allEvents().then((events) => draw(dossierSummaries(entries, events, names, stories, accused)), (cause) => console.error("events not readable", cause));
  const erased = h("div", null);
  import("./erased.js").then(async ({ erasedList }) => fill(erased, await erasedList()), (cause) => console.error("erasures not readable", cause));
  const content = h("div", null,
    heading(t("home.title")),
    registration(),
    h("p", null, linkButton(t("home.new"), "#/procedures", "button--big")), helping(),
    draftCards(drafts.filter((draft) => !draft.behalf), names, t("home.drafts")), draftCards(drafts.filter((draft) => draft.behalf), names, t("behalf.drafts")), signed, erased);
  return { title: t("home.title"), content, refreshOn: ["outbox", "events", "key", "draft", "link", "catalogue", "keeping", "me", "receipts"] };
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

/** The way to filing for others, for those who were given to. @returns {HTMLElement | null} */
const helping = () => (isHelper() ? h("p", null, linkButton(t("behalf.short"), "#/behalf", "button--secondary")) : null);

/** One's own, and apart from them what was filed for others. @param {Summary[]} summaries @param {boolean} hasDrafts */
function signedLists(summaries, hasDrafts) {
  if (!summaries.length) {
    if (hasDrafts) return null;
    return h("div", { class: "empty" }, h("p", null, h("strong", null, t("home.empty_title"))), h("p", null, t("home.empty")));
  }
  const own = summaries.filter((one) => !one.behalf), others = summaries.filter((one) => one.behalf);
  return [own.length ? dossierCards(own, t("home.dossiers")) : [], others.length ? dossierCards(others, t("behalf.sent")) : []].flat();
}
