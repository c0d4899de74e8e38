// #/drafts/<id>/form/<page> : one group of questions from the catalogue's definition of the form.

import { both, t } from "../i18n/text.js";
import { fieldFault, fieldsOf, loadWork } from "../drafts.js";
import { isShown, optionsOf } from "../lib/procedures.js";
import { cleanValue } from "../lib/validate.js";
import { notFound } from "../page.js";
import { h } from "../ui/dom.js";
import { Doubts } from "../ui/doubts.js";
import { areaField, choiceField, dateField, textField } from "../ui/fields.js";
import { heading } from "../ui/parts.js";
import { questionPage } from "./question.js";

/** @typedef {import("../lib/procedures.js").Field} Field */
/** @typedef {import("../drafts.js").Work} Work */
/** @typedef {import("../ui/fields.js").FieldElement} FieldElement */

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function formPage([id, pageId], query) {
  const work = await loadWork(id);
  const group = work?.procedure.form.pages.find((page) => page.id === pageId);
  if (!work || !group) return notFound();
  const fields = work.procedure.form.fields.filter((field) => field.page === pageId);
  /** @type {Map<string, FieldElement>} */
  const controls = new Map();
  const doubts = new Doubts();
  const changed = (/** @type {Field} */ field) => {
    work.draft.form[field.id] = controls.get(field.id)?.read() ?? "";
    showWhatApplies(fields, controls, work);
    void made.save();
  };
  for (const field of fields) controls.set(field.id, control(field, work, () => changed(field)));
  showWhatApplies(fields, controls, work);
  const pages = work.procedure.form.pages.filter((page) => fieldsOf(work, page.id).length);
  const position = pages.findIndex((page) => page.id === pageId) + 1;
  const title = both(group.title);
  const made = questionPage({
    work, query, title, path: `form/${pageId}`,
    questions: [
      heading(title, `${both(work.procedure.name)} · ${t("app.page", { page: position, pages: pages.length })}`),
      group.help && h("p", null, both(group.help)),
      ...fields.map((field) => /** @type {FieldElement} */ (controls.get(field.id)).element),
    ],
    check: () => checkFields(work, pageId, controls, doubts),
  });
  return made.page;
}

/** @param {Work} work @param {string} pageId @param {Map<string, FieldElement>} controls @param {Doubts} doubts */
function checkFields(work, pageId, controls, doubts) {
  const { draft, procedure } = work;
  for (const field of fieldsOf(work, pageId)) draft.form[field.id] = cleanValue(field, controls.get(field.id)?.read() ?? "");
  return fieldsOf(work, pageId).flatMap((field) => {
    const shown = /** @type {FieldElement} */ (controls.get(field.id));
    const value = draft.form[field.id] ?? "";
    const fault = fieldFault(field, value, procedure);
    const message = fault?.doubt ? doubts.about(field.id, value, fault.message) : (fault?.message ?? "");
    shown.fault(message);
    return message ? [{ message, target: shown.target }] : [];
  });
}

/** @param {Field[]} fields @param {Map<string, FieldElement>} controls @param {Work} work */
function showWhatApplies(fields, controls, { draft }) {
  for (const field of fields) /** @type {FieldElement} */ (controls.get(field.id)).element.hidden = !isShown(field, draft.form);
}

/** @param {Field} field @param {Work} work @param {() => void} oninput @returns {FieldElement} */
function control(field, { draft, procedure }, oninput) {
  const options = {
    label: both(field.label), hint: field.help && both(field.help), value: draft.form[field.id] ?? "", required: field.required, oninput,
  };
  switch (field.type) {
    case "date": return dateField(options);
    case "textarea": return areaField(options);
    case "select": return choiceField({ ...options, choices: optionsOf(procedure, field).map((one) => ({ value: one.value, label: both(one) })) });
    case "phone": return textField({ ...options, type: "tel", inputmode: "tel", size: "20", maxlength: 20 });
    case "id_number": return textField({ ...options, inputmode: "numeric", size: "20", maxlength: 16 });
    default: return textField(options);
  }
}
