// #/ : my dossiers, each in an honest state, and the one big button. What is signed is listed by signed.js: a phone on which
// nothing was ever signed does not load the reading of events for it.

import { procedures } from "../catalogue.js";
import { both, loadTexts, t } from "../i18n/text.js";
import { arrived } from "../lib/arrived.js";
import { isHelper, state } from "../state.js";
import { setting } from "../store/db.js";
import { listDrafts, listEntries } from "../store/drafts.js";
import { h } from "../ui/dom.js";
import { draftCards, nothingYet } from "../ui/lists.js";
import { heading, linkButton, notice } from "../ui/parts.js";

/** @returns {Promise<import("../page.js").Page>} */
export async function home() {
  const [drafts, catalogue, signed] = await Promise.all([listDrafts(), procedures(), mayHaveSigned()]);
  const names = new Map(catalogue.map((one) => [one.code, both(one.name)]));
  const content = h("div", null,
    heading(t("home.title")),
    registration(),
    h("p", null, linkButton(t("home.new"), "#/procedures", "button--big")), helping(),
    draftCards(drafts.filter((draft) => !draft.behalf), names, t("home.drafts")), draftCards(drafts.filter((draft) => draft.behalf), names, t("behalf.drafts")),
    signed ? await signedPart(names, drafts.length > 0) : drafts.length ? null : nothingYet());
  return { title: t("home.title"), content, refreshOn: ["outbox", "events", "key", "draft", "link", "catalogue", "keeping", "me", "receipts"] };
}

/** @returns {Promise<boolean>} whether something may stand here that was signed, also with a key that is gone */
async function mayHaveSigned() {
  if (state.record || (await listEntries()).length) return true;
  const [stories, erased] = await Promise.all([setting("stories", {}), setting("erased", [])]);
  return Object.keys(stories).length + erased.length > 0;
}

/** @param {Map<string, string>} names @param {boolean} hasDrafts @returns {Promise<HTMLElement>} */
async function signedPart(names, hasDrafts) {
  const [signed] = await Promise.all([arrived(import("./signed.js")), loadTexts()]);
  return signed.signedPart(names, hasDrafts);
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
