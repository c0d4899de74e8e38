// #/drafts/<id> : the task list of one dossier being filled in.

import { readDraft, markDeleted } from "../store/drafts.js";
import { both, t } from "../i18n/text.js";
import { loadWork, partsOf } from "../drafts.js";
import { foldWithStory, readStories } from "../stories.js";
import { go, notFound } from "../page.js";
import { knownEvents } from "../signing.js";
import { tellAll, tellOthers } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, heading, notice, tag } from "../ui/parts.js";
import { toast } from "../ui/shell.js";

/** @typedef {import("../drafts.js").Part} Part */
/** @type {Record<Part["state"], import("../ui/parts.js").Tone>} */
const TONES = { done: "good", todo: "info", partly: "wait", optional: "quiet" };

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function draftPage([id]) {
  const work = await loadWork(id);
  if (!work) return withoutProcedure(id);
  const { draft, procedure } = work;
  const parts = partsOf(work);
  const needed = parts.filter((part) => part.state !== "optional");
  const done = needed.filter((part) => part.state === "done").length;
  const title = both(procedure.name);
  const supplement = draft.type === "dossier.supplemented";
  const group = (/** @type {Part["group"]} */ which) => parts.filter((part) => part.group === which).map((part) => row(id, part));
  const content = h("div", null, backLink(supplement ? `#/dossiers/${draft.stream}` : draft.behalf ? "#/behalf" : "#/"),
    heading(title, draft.behalf ? t(draft.behalf.name ? "behalf.for" : "behalf.tag", { name: draft.behalf.name }) : t(supplement ? "draft.supplement_title" : "draft.title")),
    supplement ? await asked(draft.stream) : null,
    supplement ? null : h("p", null, t("draft.tasks_done", { done, all: needed.length })),
    draft.behalf ? [h("h2", null, t("behalf.group")), h("ul", { class: "tasks" }, group("behalf"))] : null,
    supplement ? null : h("h2", null, t("draft.form")), h("ul", { class: "tasks" }, group("form")),
    h("h2", null, t("draft.papers")), h("ul", { class: "tasks" }, group("papers")),
    supplement ? null : h("h2", null, t("draft.delivery")),
    h("ul", { class: "tasks" }, group("last"), checkRow(id, parts)),
    h("p", null, h("button", { type: "button", class: "link link--warning", onclick: () => remove(draft, title) }, t("draft.delete"))));
  return { title, content, refreshOn: ["draft"] };
}

/** What the office wants, beside the papers that answer it. @param {string} stream */
async function asked(stream) {
  const { request } = foldWithStory(stream, await knownEvents(stream), await readStories());
  return request && notice("wait", h("h2", null, t("dossier.request")), h("ul", null, request.items.map((item) => h("li", null, item))), h("p", null, t("dossier.request_reason", { reason: request.reason })));
}

/** @param {string} id @param {Part} part */
const row = (id, part) => h("li", null, h("a", { href: `#/drafts/${id}/${part.path}` }, part.label), tag(t(`draft.state.${part.state}`), TONES[part.state]));

/** @param {string} id @param {Part[]} parts */
function checkRow(id, parts) {
  const ready = parts.every((part) => !part.faults.length);
  return h("li", null, h("a", { href: `#/drafts/${id}/check` }, t("draft.check")), tag(t(ready ? "draft.state.todo" : "draft.state.blocked"), ready ? "info" : "quiet"));
}

/** Deleted at once, and brought back as easily; gone for good at the next start. @param {import("../store/drafts.js").Draft} draft @param {string} name */
async function remove(draft, name) {
  await markDeleted(draft, true);
  tellOthers("draft");
  const undo = async () => {
    await markDeleted(draft, false);
    tellAll("draft");
  };
  toast(t("draft.deleted", { name }), { label: t("app.undo"), run: undo });
  go(draft.type === "dossier.supplemented" ? `dossiers/${draft.stream}` : draft.behalf ? "behalf" : "", { replace: true });
}

/** A procedure may leave the catalogue while somebody fills in its form: the draft stays, and says so. @param {string} id @returns {Promise<import("../page.js").Page>} */
async function withoutProcedure(id) {
  const draft = await readDraft(id);
  if (!draft) return notFound();
  const title = t("draft.title");
  return { title, content: h("div", null, backLink("#/"), heading(title), notice("bad", h("p", null, t("draft.no_procedure", { code: draft.procedure })))), refreshOn: ["catalogue"] };
}
