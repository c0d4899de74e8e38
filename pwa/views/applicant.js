// #/drafts/<id>/applicant : who files the dossier.

import { applicantFault, loadWork, numberDoubts } from "../drafts.js";
import { both, t } from "../i18n/text.js";
import { cleanLine } from "../lib/normalise.js";
import { cleanIdNumber, cleanPhone } from "../lib/validate.js";
import { notFound } from "../page.js";
import { Doubts } from "../ui/doubts.js";
import { textField } from "../ui/fields.js";
import { heading } from "../ui/parts.js";
import { questionPage } from "./question.js";

/** @typedef {keyof import("../store/drafts.js").Draft["applicant"]} Name */

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function applicantPage([id], query) {
  const work = await loadWork(id);
  if (!work) return notFound();
  const { applicant } = work.draft;
  const title = t("draft.applicant");
  const make = (/** @type {Name} */ name, /** @type {Partial<Parameters<typeof textField>[0]>} */ more) =>
    textField({ label: t(`applicant.${name}`), value: applicant[name], oninput: () => { applicant[name] = fields[name].read(); void made.save(); }, ...more });
  /** @type {Record<Name, import("../ui/fields.js").FieldElement>} */
  const fields = {
    name: make("name", { autocomplete: "name", maxlength: 200 }),
    id_number: make("id_number", { inputmode: "numeric", size: "20", maxlength: 16, required: false }),
    phone: make("phone", { type: "tel", inputmode: "tel", autocomplete: "tel", size: "20", maxlength: 20, required: false }),
    address: make("address", { hint: t("applicant.address_hint"), autocomplete: "street-address", maxlength: 500, required: false }),
  };
  const doubts = new Doubts();
  const check = () => {
    Object.assign(applicant, {
      name: cleanLine(fields.name.read()), id_number: cleanIdNumber(fields.id_number.read()),
      phone: cleanPhone(fields.phone.read()), address: cleanLine(fields.address.read()),
    });
    const doubted = numberDoubts(applicant);
    const ask = (/** @type {"id_number" | "phone"} */ name) => (doubted[name] ? doubts.about(name, applicant[name], doubted[name]) : "");
    const faults = { name: applicantFault(applicant), id_number: ask("id_number"), phone: ask("phone"), address: "" };
    return /** @type {Name[]} */ (Object.keys(fields)).flatMap((name) => {
      fields[name].fault(faults[name]);
      return faults[name] ? [{ message: faults[name], target: fields[name].target }] : [];
    });
  };
  const questions = [heading(title, both(work.procedure.name)), ...Object.values(fields).map((field) => field.element)];
  const made = questionPage({ work, query, title, path: "applicant", questions, check });
  return made.page;
}
