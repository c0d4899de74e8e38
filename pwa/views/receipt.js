// #/dossiers/<stream>/receipt : the node's receipt, its signature checked here; made to be printed or shown.

import { dossierName, loadDossier } from "../dossiers.js";
import { decode } from "../lib/base64url.js";
import { idInDocument } from "../lib/event.js";
import { hex } from "../lib/hashing.js";
import { dateTime, size, t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { state } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, button, heading, notice, summaryList } from "../ui/parts.js";

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function receiptPage([stream]) {
  const loaded = await loadDossier(stream);
  if (!loaded) return notFound();
  const title = t("receipt.title");
  const { receipt, dossier } = loaded;
  if (!receipt) return { title, content: h("div", null, backLink(`#/dossiers/${stream}`), heading(title), h("p", null, t("receipt.none"))), refreshOn: ["events"] };
  const submission = loaded.docs.find((doc) => idInDocument(doc) === dossier.submissionId);
  const files = submission?.event.files ?? [];
  const content = h("div", { class: "receipt" }, backLink(`#/dossiers/${stream}`), heading(title, dossierName(loaded)),
    notice("good", h("p", null, t("receipt.lead", { office: state.identity?.node.name ?? "" }))),
    h("div", { class: "panel" }, h("p", { class: "caption" }, t("receipt.short")), h("p", { class: "bigcode bigcode--long" }, shortCode(idInDocument(receipt)))),
    summaryList([
      [t("receipt.at"), dateTime(receipt.event.at)],
      [t("receipt.node"), [state.identity?.node.name, h("div", { class: "small mono" }, receipt.event.actor)]],
      [t("receipt.applicant"), dossier.submission?.applicant?.name ?? ""],
      [t("dossier.code"), dossier.code || t("dossier.no_code")],
      [t("receipt.hash"), h("span", { class: "mono" }, dossier.submissionId)],
    ]),
    h("h2", null, t("receipt.files")),
    files.length ? h("ul", null, files.map((file) => h("li", null, `${file.name}, ${size(file.size)}`, h("div", { class: "small mono" }, file.sha256)))) : h("p", null, t("receipt.no_files")),
    h("p", { class: "small soft" }, t("receipt.not_acceptance")),
    h("div", { class: "actions" }, button(t("receipt.print"), () => print(), "button--secondary")));
  return { title, content };
}

/** Ten hexadecimal digits of the receipt's hash, to read out over a telephone. @param {string} id "sha256-…" */
function shortCode(id) {
  return hex(decode(id.slice("sha256-".length)).subarray(0, 5)).toUpperCase().replace(/^(.{5})/, "$1-");
}
