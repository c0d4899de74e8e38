// #/drafts/<id>/delivery : how the result comes back.

import { loadWork } from "../drafts.js";
import { t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { radioField } from "../ui/fields.js";
import { questionPage } from "./question.js";

const WAYS = /** @type {const} */ (["counter", "post", "online"]);

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function deliveryPage([id], query) {
  const work = await loadWork(id);
  if (!work) return notFound();
  const title = t("draft.delivery");
  const field = radioField({
    label: title, title: true, value: work.draft.delivery,
    choices: WAYS.filter((value) => value !== "online" || !work.draft.behalf).map((value) => ({ value, label: t(`delivery.${value}`) })),
    oninput: () => { take(); void made.save(); },
  });
  const take = () => { work.draft.delivery = /** @type {typeof WAYS[number] | ""} */ (field.read()); };
  const check = () => {
    take();
    const message = work.draft.delivery ? "" : t("fault.select", { label: title.toLowerCase() });
    field.fault(message);
    return message ? [{ message, target: field.target }] : [];
  };
  const made = questionPage({ work, query, title, path: "delivery", questions: [field.element], check });
  return made.page;
}
