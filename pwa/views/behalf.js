// #/drafts/<id>/behalf : whose dossier it is, how they sign on paper, and who saw it.

import { behalfFaults, fillRequester, loadWork, numberDoubts } from "../drafts.js";
import { both, t } from "../i18n/text.js";
import { cleanLine } from "../lib/normalise.js";
import { cleanIdNumber, cleanPhone } from "../lib/validate.js";
import { notFound } from "../page.js";
import { Doubts } from "../ui/doubts.js";
import { radioField, textField } from "../ui/fields.js";
import { heading } from "../ui/parts.js";
import { questionPage } from "./question.js";

/** @typedef {import("../store/drafts.js").Behalf} Behalf */
/** @typedef {import("../ui/fields.js").FieldElement} FieldElement */

const NAME_LENGTH = 200; // server/dossier/body.py

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function behalfPage([id], query) {
  const work = await loadWork(id);
  if (!work?.draft.behalf) return notFound();
  const { applicant, behalf } = work.draft;
  const title = t("behalf.who");
  const oninput = () => { take(); void made.save(); };
  const fields = {
    name: textField({ label: t("behalf.name"), hint: t("behalf.name_hint"), value: behalf.name, maxlength: NAME_LENGTH, oninput }),
    id_number: textField({ label: t("applicant.id_number"), value: applicant.id_number, inputmode: "numeric", size: "20", maxlength: 16, required: false, oninput }),
    phone: textField({ label: t("applicant.phone"), hint: t("behalf.phone_hint"), value: applicant.phone, type: "tel", inputmode: "tel", size: "20", maxlength: 20, required: false, oninput }),
    address: textField({ label: t("applicant.address"), hint: t("applicant.address_hint"), value: applicant.address, maxlength: 500, required: false, oninput }),
    how: radioField({
      label: t("behalf.how"), value: behalf.how, oninput,
      choices: [{ value: "wet_signature", label: t("behalf.how.wet_signature") }, { value: "fingerprint", label: t("behalf.how.fingerprint") }],
    }),
    witness: textField({ label: t("behalf.witness_name"), hint: t("behalf.witness_hint"), value: behalf.witness, maxlength: NAME_LENGTH, oninput }),
  };
  const take = () => {
    Object.assign(behalf, { name: fields.name.read(), how: /** @type {Behalf["how"]} */ (fields.how.read()), witness: fields.witness.read() });
    Object.assign(applicant, { id_number: fields.id_number.read(), phone: fields.phone.read(), address: fields.address.read() });
  };
  const before = { ...applicant };
  const doubts = new Doubts();
  const check = () => {
    Object.assign(behalf, { name: cleanLine(fields.name.read()), how: fields.how.read(), witness: cleanLine(fields.witness.read()) });
    Object.assign(applicant, {
      name: behalf.name, id_number: cleanIdNumber(fields.id_number.read()), phone: cleanPhone(fields.phone.read()), address: cleanLine(fields.address.read()),
    });
    fillRequester(work, before);
    Object.assign(before, applicant);
    const doubted = numberDoubts(applicant);
    const ask = (/** @type {"id_number" | "phone"} */ name) => (doubted[name] ? doubts.about(name, applicant[name], doubted[name]) : "");
    return showEach(fields, { ...behalfFaults(work.draft), id_number: ask("id_number"), phone: ask("phone"), address: "" });
  };
  const questions = [heading(title, both(work.procedure.name)), ...Object.values(fields).map((field) => field.element)];
  const made = questionPage({ work, query, title, path: "behalf", questions, check });
  return made.page;
}

/** @template {string} N @param {Record<N, FieldElement>} fields @param {Record<N, string>} faults @returns {{message: string, target: string}[]} */
function showEach(fields, faults) {
  return /** @type {N[]} */ (Object.keys(fields)).flatMap((name) => {
    fields[name].fault(faults[name]);
    return faults[name] ? [{ message: faults[name], target: fields[name].target }] : [];
  });
}
