// #/procedures/<code> : what it takes, what to bring, what it costs, and where each of these was read.

import { procedure as findProcedure } from "../catalogue.js";
import { papersOf } from "../lib/procedures.js";
import { both, known, t } from "../i18n/text.js";
import { go, notFound } from "../page.js";
import { newDraft, newDraftForOther } from "../drafts.js";
import { isHelper } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, button, heading, notice, summaryList, tag } from "../ui/parts.js";

/** @typedef {import("../lib/procedures.js").Procedure} Procedure */

/** @param {string[]} path @param {URLSearchParams} query `behalf` for somebody else's dossier @returns {Promise<import("../page.js").Page>} */
export async function procedurePage([code], query) {
  const one = await findProcedure(code);
  if (!one) return { ...notFound(), refreshOn: ["catalogue"] };
  const title = both(one.name);
  const shown = one.components.filter((component) => component.present);
  const content = h("div", null, backLink(query.has("behalf") ? "#/procedures?behalf=1" : "#/procedures"), heading(title, both(one.field)),
    summaryList([
      [t("procedure.time"), withMark(both(one.time.text), one, "time")],
      [t("procedure.fee"), withMark(both(one.fee.text), one, "fee")],
      [t("procedure.level"), [t(known(`procedure.level.${one.level}`, "procedure.level.KHONG")), one.one_visit && h("div", null, tag(t("procedure.one_visit"), "good"))]],
      [t("procedure.code"), one.code],
    ]),
    h("h2", null, t("procedure.bring")), papers(papersOf(one)), mark(one, "components"),
    shown.length ? [h("h2", null, t("procedure.show")), papers(shown)] : null,
    start(one, query.has("behalf") && isHelper()), sources(one));
  return { title, content };
}

/** @param {import("../lib/procedures.js").Component[]} components */
function papers(components) {
  return h("ul", null, components.map((one) => h("li", null, both(one.name), " ",
    h("span", { class: "soft small" }, `(${[t(`procedure.copy.${one.copy}`), !one.required && !one.condition && t("procedure.if_any")].filter(Boolean).join(", ")})`),
    one.condition && h("div", { class: "small soft" }, both(one.condition)))));
}

/** @param {string} text @param {Procedure} one @param {string} part */
const withMark = (text, one, part) => [text, mark(one, part)];

/** The small print under a value: whether anybody compared it with a source. @param {Procedure} one @param {string} part */
function mark(one, part) {
  const found = one.marks[part];
  return found ? h("div", { class: "source" }, t(`procedure.mark.${found.mark}`)) : null;
}

/** @param {Procedure} one @param {boolean} behalf */
function start(one, behalf) {
  if (one.level === "KHONG") return notice("info", h("p", null, t("procedure.go_there")));
  const begin = async () => go(`drafts/${(await (behalf ? newDraftForOther(one) : newDraft(one))).id}`);
  return h("p", { class: "actions" }, button(t(behalf ? "behalf.start" : "procedure.start"), begin, "button--big"));
}

/** @param {Procedure} one */
function sources(one) {
  const rows = Object.entries(one.marks).map(([part, found]) => /** @type {[string, import("../ui/dom.js").Child[]]} */ ([
    t(known(`procedure.part.${part}`, "procedure.sources")),
    [found.source, h("div", { class: "source" }, [t(`procedure.mark.${found.mark}`), found.note].filter(Boolean).join(" · "))],
  ]));
  return h("details", { class: "disclosure no-print" }, h("summary", null, t("procedure.sources")), summaryList(rows));
}
