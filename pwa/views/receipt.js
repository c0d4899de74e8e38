// #/dossiers/<stream>/receipt : the node's receipt, its signature checked here; its QR code, the full proof, and what the log keeps.

import { dossierName, loadDossier } from "../dossiers.js";
import { idInDocument } from "../lib/event.js";
import { dateTime, size, t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { state } from "../state.js";
import { behalfText } from "../ui/behalf.js";
import { h } from "../ui/dom.js";
import { backLink, button, heading, linkButton, notice, summaryList } from "../ui/parts.js";
import { verdictLine, verdictNotice } from "../ui/revoked.js";
import { drawQr } from "../ui/qr.js";
import { save } from "../ui/save.js";
import { askAgain, logNotice } from "../ui/standing.js";
import { peopleRows, shortCode } from "./slip.js";

/** @typedef {import("../dossiers.js").Loaded} Loaded */

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function receiptPage([stream]) {
  const loaded = await loadDossier(stream);
  if (!loaded) return notFound();
  const title = t("receipt.title");
  const { receipt, dossier } = loaded;
  const office = state.identity?.node.name ?? "";
  const refreshOn = ["events", "receipts"];
  if (!receipt) return { title, content: h("div", null, backLink(`#/dossiers/${stream}`), heading(title), h("p", null, t("receipt.none"))), refreshOn };
  const content = h("div", { class: "receipt" }, backLink(`#/dossiers/${stream}`), heading(title, dossierName(loaded)),
    loaded.verdict && verdictNotice(loaded.verdict, office, loaded.kept?.worseMs),
    loaded.verdict && loaded.verdict.status !== "valid" ? null : notice("good", h("p", null, t("receipt.lead", { office }))), loaded.verdict && verdictLine(loaded.verdict),
    code(loaded),
    summaryList([
      [t("receipt.at"), dateTime(receipt.event.at)],
      [t("receipt.node"), [state.identity?.node.name, h("div", { class: "small mono" }, receipt.event.actor)]],
      ...peopleRows(loaded), ...(dossier.submission?.on_behalf ? [/** @type {[string, string]} */ ([t("behalf.signed"), behalfText(dossier.submission.on_behalf)])] : []),
      [t("dossier.code"), dossier.code || t("dossier.no_code")],
      [t("receipt.short"), h("span", { class: "mono" }, shortCode(idInDocument(receipt)))],
      [t("receipt.hash"), h("span", { class: "mono" }, dossier.submissionId)],
    ]),
    log(loaded), files(loaded),
    h("p", { class: "small soft" }, t("receipt.not_acceptance")),
    h("div", { class: "actions" }, linkButton(t("receipt.slip"), `#/dossiers/${stream}/slip`, "button--secondary")));
  return { title, content, refreshOn };
}

/** @param {Loaded} loaded */
function code({ kept }) {
  if (!kept) return h("p", { class: "small soft" }, t("receipt.qr_later"));
  return h("div", { class: "panel" }, drawQr(kept.url, t("receipt.qr_label"), { ecc: "M" }), h("p", { class: "small" }, t("receipt.qr")));
}

/** @param {Loaded} loaded */
function log({ kept, docs }) {
  if (!kept) return null;
  const { found, promise, checkedMs } = kept;
  const proof = found?.proof;
  const download = () => save(new Blob([proof ?? ""], { type: "text/plain" }), `${promise.code}.tlog-proof`);
  return [h("h2", null, t("log.title")), logNotice(kept, docs), checkedMs ? h("p", { class: "small soft" }, t("log.checked", { time: dateTime(checkedMs) })) : null,
    h("div", { class: "actions" }, askAgain(kept), proof ? button(t("receipt.proof"), download, "button--secondary no-print") : null),
    proof ? h("p", { class: "small soft" }, t("receipt.proof_note")) : null];
}

/** @param {Loaded} loaded */
function files({ docs, dossier }) {
  const found = docs.find((doc) => idInDocument(doc) === dossier.submissionId)?.event.files.filter((file) => file.preview_of === undefined) ?? [];
  return [h("h2", null, t("receipt.files")),
    found.length ? h("ul", null, found.map((file) => h("li", null, `${file.name}, ${size(file.size)}`, h("div", { class: "small mono" }, file.sha256)))) : h("p", null, t("receipt.no_files"))];
}
