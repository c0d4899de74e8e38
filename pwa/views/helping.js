// #/behalf : the helper's page: how filing for somebody without a phone goes, what is under way, and what has left this phone.

import { procedures } from "../catalogue.js";
import { KEEP_DAYS, readKeeping } from "../keeping.js";
import { both, day, known, t } from "../i18n/text.js";
import { nodeApi } from "../speaking.js";
import { isHelper, refreshMe, state } from "../state.js";
import { listDrafts, listEntries } from "../store/drafts.js";
import { allEvents } from "../store/mine.js";
import { readStories } from "../stories.js";
import { accusedStreams, dossierSummaries } from "../summaries.js";
import { h } from "../ui/dom.js";
import { dossierCards, draftCards } from "../ui/lists.js";
import { sayFault } from "../ui/faults.js";
import { backLink, button, heading, linkButton, notice, tag } from "../ui/parts.js";
import { toast } from "../ui/shell.js";

/** @typedef {import("../keeping.js").Left} Left */

const STEPS = /** @type {const} */ (["who", "paper", "read", "photo", "form", "slip"]);

/** @returns {Promise<import("../page.js").Page>} */
export async function helpingPage() {
  const title = t("behalf.title");
  const [drafts, entries, events, catalogue, stories, keeping] = await Promise.all([listDrafts(), listEntries(), allEvents(), procedures(), readStories(), readKeeping()]);
  const names = new Map(catalogue.map((one) => [one.code, both(one.name)]));
  const others = dossierSummaries(entries, events, names, stories, await accusedStreams()).filter((one) => one.behalf);
  const content = h("div", null, backLink("#/", t("app.home")), heading(title), start(others.length === 0),
    draftCards(drafts.filter((draft) => draft.behalf), names, t("behalf.drafts")),
    others.length ? dossierCards(others, t("behalf.sent")) : h("p", { class: "soft" }, t("behalf.none")),
    leftList(keeping.left, names));
  return { title, content, refreshOn: ["outbox", "events", "draft", "keeping", "me"] };
}

/** @param {boolean} first nothing was filed for others yet */
function start(first) {
  if (!isHelper()) return notAsked();
  return [h("p", null, t("behalf.lead")),
    h("details", { class: "disclosure", open: first }, h("summary", null, t("behalf.steps")),
      h("ol", null, STEPS.map((step) => h("li", null, t(`behalf.step.${step}`)))), h("p", { class: "small soft" }, t("behalf.privacy", { days: KEEP_DAYS }))),
    h("div", { class: "actions" }, linkButton(t("behalf.choose"), "#/procedures?behalf=1"), linkButton(t("behalf.print_blank"), "#/behalf/paper", "button--secondary"))];
}

/** Who was given to just now need not wait for the hour in which the phone asks by itself. */
function notAsked() {
  if (!state.identity) return notice("wait", h("p", null, t("sign.need_register")), h("p", null, linkButton(t("home.register"), "#/register", "button--secondary")));
  const ask = async () => {
    try {
      await refreshMe(nodeApi());
      if (!isHelper()) toast(t("behalf.not_yet"));
    } catch (cause) {
      toast(sayFault(cause));
    }
  };
  return notice("wait", h("p", null, t("behalf.not_helper")), h("p", null, button(t("behalf.ask_again"), ask, "button--secondary")));
}

/** What is gone from here but for its code: the office has it. @param {Left[]} left @param {Map<string, string>} names */
function leftList(left, names) {
  if (!left.length) return null;
  const row = (/** @type {Left} */ one) => h("li", { class: "card" },
    h("span", { class: "card__title" }, names.get(one.procedure) ?? one.procedure),
    h("div", { class: "card__row" }, h("span", { class: "mono" }, one.code), h("span", null, t("behalf.left_on", { day: day(one.leftMs) })), one.news && tag(t(known(`step.${one.news}`, "step.other")), "wait")));
  return h("details", { class: "disclosure", open: left.some((one) => one.news) }, h("summary", null, t("behalf.left", { count: left.length })), h("p", { class: "small" }, t("behalf.left_lead")), h("ul", { class: "cards" }, left.map(row)));
}
