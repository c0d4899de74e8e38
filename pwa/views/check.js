// #/drafts/<id>/check : everything that will be signed, each answer with a way to change it.

import { bodyOf, fieldsOf, loadWork, partsOf, partsToAttach } from "../drafts.js";
import { answerText } from "../answers.js";
import { both, size, t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { state } from "../state.js";
import { signingWarnings } from "../warnings.js";
import { h } from "../ui/dom.js";
import { backLink, heading, linkButton, notice, summaryList } from "../ui/parts.js";

/** @typedef {import("../drafts.js").Work} Work */
/** @typedef {[string, import("../ui/dom.js").Child, import("../ui/dom.js").Child?]} Row */

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function checkPage([id]) {
  const work = await loadWork(id);
  if (!work) return notFound();
  const title = t("check.title");
  const missing = partsOf(work).filter((part) => part.faults.length);
  const content = h("div", null, backLink(`#/drafts/${id}`), missing.length ? missingBox(id, missing) : null, heading(title, both(work.procedure.name)),
    work.draft.type === "dossier.supplemented" ? noteRows(work) : answers(work),
    h("h2", null, t("draft.papers")), summaryList(paperRows(work)),
    work.draft.behalf ? notice("info", h("p", null, t("behalf.read_aloud", { name: work.draft.behalf.name }))) : null,
    await doubts(work),
    missing.length ? null : h("div", { class: "actions" }, linkButton(t("check.continue"), `#/drafts/${id}/sign`)));
  return { title, content, refreshOn: ["draft"] };
}

/** What will be doubtful about the signature or the papers, while there is time to mend it. @param {Work} work */
async function doubts(work) {
  const names = new Map(partsToAttach(work).map((part) => [part.id, part.name]));
  const found = await signingWarnings(work.files, (file) => `${names.get(file.part) ?? file.part} (${file.name})`);
  if (!found.length) return null;
  return [h("h2", null, t("warn.title")), ...found.map(({ tone, text }) => notice(tone, h("p", null, text)))];
}

/** @param {string} id @param {import("../drafts.js").Part[]} missing */
function missingBox(id, missing) {
  const items = missing.flatMap((part) => part.faults.map((fault) => h("li", null, h("a", { href: `#/drafts/${id}/${part.path}?from=check` }, fault))));
  return h("div", { class: "error-summary", role: "alert" }, h("h2", null, t("check.missing")), h("ul", null, items));
}

/** @param {Work} work @param {string} path @param {string} label */
const change = ({ draft }, path, label) => h("a", { href: `#/drafts/${draft.id}/${path}?from=check`, "aria-label": t("check.change_of", { label }) }, t("app.change"));

/** @param {Work} work */
function answers(work) {
  const { draft, procedure } = work;
  const asked = partsOf(work).some((part) => part.path === "applicant");
  const applicant = /** @type {const} */ (["name", "id_number", "phone", "address"]).map((name) =>
    /** @type {Row} */ ([t(`applicant.${name}`), draft.applicant[name] || t("check.blank"), change(work, "applicant", t(`applicant.${name}`))]));
  return [
    summaryList([[t("check.procedure"), both(procedure.name)], [t("check.unit"), state.node?.name ?? t("app.office")]]),
    ...behalfRows(work),
    ...(asked ? [h("h2", null, t("draft.applicant")), summaryList(applicant)] : []),
    ...procedure.form.pages.filter((page) => fieldsOf(work, page.id).length).flatMap((page) => [
      h("h2", null, both(page.title)),
      summaryList(fieldsOf(work, page.id).map((field) => /** @type {Row} */ ([
        both(field.label), answerText(procedure, field, draft.form[field.id] ?? "") || t("check.blank"), change(work, `form/${page.id}`, both(field.label)),
      ]))),
    ]),
    h("h2", null, t("draft.delivery")),
    summaryList([[t("draft.delivery"), draft.delivery ? t(`delivery.${draft.delivery}`) : t("check.blank"), change(work, "delivery", t("draft.delivery"))]]),
  ];
}

/** Who signs on paper, and how. @param {Work} work */
function behalfRows(work) {
  const { behalf, applicant } = work.draft;
  if (!behalf) return [];
  const row = (/** @type {string} */ label, /** @type {string} */ value) => /** @type {Row} */ ([label, value || t("check.blank"), change(work, "behalf", label)]);
  return [h("h2", null, t("behalf.group")), summaryList([
    row(t("behalf.name"), behalf.name), row(t("applicant.id_number"), applicant.id_number), row(t("applicant.phone"), applicant.phone), row(t("applicant.address"), applicant.address),
    row(t("behalf.how"), behalf.how && t(`behalf.how.${behalf.how}`)), row(t("behalf.witness_name"), behalf.witness),
  ])];
}

/** @param {Work} work */
const noteRows = (work) => summaryList([[t("note.label"), bodyOf(work).note || t("check.blank"), change(work, "note", t("note.label"))]]);

/** @param {Work} work @returns {Row[]} */
function paperRows(work) {
  return partsToAttach(work).map((part) => {
    const files = work.files.filter((file) => file.part === part.id);
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const text = files.length ? `${t("papers.pages", { count: files.length })}, ${size(bytes)}` : t("papers.no_pages");
    return [part.name, text, change(work, `papers/${part.id}`, part.name)];
  });
}
