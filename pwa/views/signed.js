// The part of the first page that lists what was signed on this phone, and what was erased at the office.

import { t } from "../i18n/text.js";
import { readStories } from "../stories.js";
import { listEntries } from "../store/drafts.js";
import { allEvents } from "../store/mine.js";
import { accusedStreams, dossierSummaries } from "../summaries.js";
import { fill, h } from "../ui/dom.js";
import { dossierCards, nothingYet } from "../ui/lists.js";
import { erasedList } from "./erased.js";

/** @typedef {import("../summaries.js").Summary} Summary */

/** @param {Map<string, string>} names code → procedure @param {boolean} hasDrafts @returns {Promise<HTMLElement>} */
export async function signedPart(names, hasDrafts) {
  const [entries, stories, accused, erased] = await Promise.all([listEntries(), readStories(), accusedStreams(), erasedList()]);
  const lists = h("div", null);
  const draw = (/** @type {Summary[]} */ summaries) => fill(lists, signedLists(summaries, hasDrafts));
  draw(dossierSummaries(entries, [], names, stories, accused));
  // The outbox is here at once; what the node told us needs PouchDB, which is loaded after the first screen.
  allEvents().then((events) => draw(dossierSummaries(entries, events, names, stories, accused)), (cause) => console.error("events not readable", cause));
  return h("div", null, lists, erased);
}

/** One's own, and apart from them what was filed for others. @param {Summary[]} summaries @param {boolean} hasDrafts */
function signedLists(summaries, hasDrafts) {
  if (!summaries.length) return hasDrafts ? null : nothingYet();
  const own = summaries.filter((one) => !one.behalf), others = summaries.filter((one) => one.behalf);
  return [own.length ? dossierCards(own, t("home.dossiers")) : [], others.length ? dossierCards(others, t("behalf.sent")) : []].flat();
}
