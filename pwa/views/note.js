// #/drafts/<id>/note : a message that goes with further papers.

import { loadWork } from "../drafts.js";
import { t } from "../i18n/text.js";
import { cleanText } from "../lib/normalise.js";
import { notFound } from "../page.js";
import { areaField } from "../ui/fields.js";
import { questionPage } from "./question.js";

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function notePage([id], query) {
  const work = await loadWork(id);
  if (!work) return notFound();
  const title = t("note.label");
  const field = areaField({
    label: title, title: true, hint: t("note.hint"), value: work.draft.note, required: false,
    oninput: () => { work.draft.note = field.read(); void made.save(); },
  });
  const check = () => {
    work.draft.note = cleanText(field.read());
    return [];
  };
  const made = questionPage({ work, query, title, path: "note", questions: [field.element], check });
  return made.page;
}
