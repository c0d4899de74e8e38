// #/procedures : find a procedure, with or without diacritics, by field.

import { procedures, refreshCatalogue } from "../catalogue.js";
import { searchProcedures } from "../lib/procedures.js";
import { both, t } from "../i18n/text.js";
import { fill, h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { textField } from "../ui/fields.js";
import { backLink, button, heading, notice } from "../ui/parts.js";

/** @typedef {import("../lib/procedures.js").Procedure} Procedure */

/** What was typed last, so that "back" from a procedure finds the list as it was left. */
const last = { query: "", field: "" };

/** @param {string[]} _ @param {URLSearchParams} query `behalf` for somebody else's dossier @returns {Promise<import("../page.js").Page>} */
export async function procedureList(_, query) {
  const behalf = query.has("behalf");
  const title = t("procedures.title");
  const all = await procedures();
  const body = all.length ? list(all, behalf) : notHere();
  return { title, content: h("div", null, backLink(behalf ? "#/behalf" : "#/"), heading(title, behalf ? t("behalf.title") : undefined), body), refreshOn: all.length ? [] : ["catalogue"] };
}

/** @param {Procedure[]} all @param {boolean} behalf */
function list(all, behalf) {
  const count = h("p", { class: "small soft", role: "status" });
  const results = h("ul", { class: "cards" });
  const search = textField({
    label: t("procedures.search"), hint: t("procedures.search_hint"), value: last.query, type: "search",
    oninput: () => { last.query = search.read(); draw(); },
  });
  const fields = h("select", { class: "select", id: "field-filter", oninput: () => { last.field = fields.value; draw(); } },
    h("option", { value: "" }, t("procedures.all_fields")), fieldOptions(all));
  fields.value = last.field;
  function draw() {
    const found = searchProcedures(all, last.query, last.field);
    fill(count, found.length ? t("procedures.count", { count: found.length }) : "");
    fill(results, found.length ? found.map((one) => card(one, behalf)) : h("li", { class: "empty" }, t("procedures.none")));
  }
  draw();
  return h("div", null, search.element,
    h("div", { class: "field" }, h("label", { htmlFor: "field-filter" }, t("procedures.field")), fields), count, results);
}

/** @param {Procedure[]} all */
function fieldOptions(all) {
  const names = new Map(all.map((one) => [one.field.id, both(one.field)]));
  return [...names].sort(([, a], [, b]) => a.localeCompare(b, "vi")).map(([id, name]) => h("option", { value: id }, name));
}

/** @param {Procedure} one @param {boolean} behalf */
function card(one, behalf) {
  return h("li", { class: "card" },
    h("span", { class: "card__title" }, h("a", { href: `#/procedures/${one.code}${behalf ? "?behalf=1" : ""}` }, both(one.name))),
    h("div", { class: "card__row" }, h("span", null, both(one.field)), h("span", null, both(one.time.text))));
}

function notHere() {
  const fault = h("p", { class: "field__error", role: "alert" });
  const retry = async () => {
    try {
      fill(fault);
      await refreshCatalogue();
      dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (cause) {
      fill(fault, sayFault(cause));
    }
  };
  return notice("wait", h("h2", null, t("procedures.not_yet_title")), h("p", null, t("procedures.not_yet")), fault, h("p", null, button(t("procedures.retry"), retry, "button--secondary")));
}
