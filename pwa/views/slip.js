// #/dossiers/<stream>/slip : the paper to take home: the code, whose dossier it is, and the receipt as a QR code. It fits receipt
// paper of 58 and 80 mm and A4; the printer's paper decides, in styles.css.

import { dossierName, loadDossier } from "../dossiers.js";
import { decode } from "../lib/base64url.js";
import { idInDocument } from "../lib/event.js";
import { hex } from "../lib/hashing.js";
import { dateTime, t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { state } from "../state.js";
import { behalfText } from "../ui/behalf.js";
import { h } from "../ui/dom.js";
import { backLink, button, notice } from "../ui/parts.js";
import { verdictNotice } from "../ui/revoked.js";
import { drawQr } from "../ui/qr.js";
import { logText } from "../ui/standing.js";

/** @typedef {import("../dossiers.js").Loaded} Loaded */
/** @typedef {[string, string]} Row */

const STREAM_CODE = 8; // what a receipt calls a dossier that has no code yet (docs/formats/receipt.md)

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function slipPage([stream]) {
  const loaded = await loadDossier(stream);
  if (!loaded) return notFound();
  const title = t("slip.title");
  const content = h("div", null, h("div", { class: "no-print" }, backLink(`#/dossiers/${stream}`), h("p", { class: "small soft" }, t("slip.hint"))),
    slip(loaded), h("div", { class: "actions no-print" }, button(t("slip.print"), () => print())));
  return { title, content, refreshOn: ["events", "receipts"] };
}

/** @param {Loaded} loaded */
function slip(loaded) {
  const { dossier, receipt, kept } = loaded;
  const { identity } = state;
  const behalf = dossier.submission?.on_behalf;
  const rows = /** @type {Row[]} */ ([
    [t("check.procedure"), dossierName(loaded)], ...peopleRows(loaded),
    [t("dossier.signed"), dateTime(dossier.steps[0].at)],
    ...(receipt ? [/** @type {Row} */ ([t("receipt.at"), dateTime(receipt.event.at)]), /** @type {Row} */ ([t("receipt.short"), shortCode(idInDocument(receipt))])] : []),
    [t("slip.files"), String(papersOf(loaded))],
  ]);
  return h("article", { class: "ticket" }, h("p", { class: "ticket__office" }, identity?.node.name ?? ""),
    h("h1", { tabindex: "-1" }, t(receipt ? "slip.heading" : "slip.heading_unsent")),
    h("p", { class: "ticket__code" }, t("dossier.code"), h("strong", { class: "mono" }, dossier.code || kept?.promise.code || dossier.stream.slice(0, STREAM_CODE))),
    loaded.verdict?.reason === "revoked" ? verdictNotice(loaded.verdict, identity?.node.name ?? "") : null,
    receipt ? null : notice("wait", h("p", null, t("slip.unsent", { office: identity?.node.name ?? "" }))),
    h("dl", { class: "ticket__rows" }, rows.map(([label, value]) => h("div", null, h("dt", null, label), h("dd", null, value)))),
    behalf && h("p", { class: "small" }, behalfText(behalf)), receipt && signedPart(loaded));
}

/** The receipt itself; only what can be true of a paper for ever. @param {Loaded} loaded */
function signedPart({ kept }) {
  return [kept ? [drawQr(kept.url, t("receipt.qr_label"), { ecc: "M" }), h("p", { class: "small" }, t("receipt.qr"))] : [],
    kept?.found?.standing === "cosigned" ? h("p", { class: "small" }, logText(kept)) : null,
    h("p", { class: "small" }, `${t("receipt.not_acceptance")} ${t("slip.warning")}`)].flat();
}

/** @param {Loaded} loaded @returns {Row[]} whose dossier it is, and who filed it where that was somebody else */
export function peopleRows({ dossier }) {
  const body = dossier.submission ?? {};
  const name = body.applicant?.name ?? "";
  const behalf = body.on_behalf;
  if (!behalf) return [[t("receipt.applicant"), name]];
  const { identity } = state;
  const asked = behalf.name === name ? [] : [/** @type {Row} */ ([t("behalf.of"), behalf.name])];
  return [[t("behalf.applicant"), name], ...asked, [t("behalf.by"), [identity?.name, identity?.phone].filter(Boolean).join(", ")]];
}

/** @param {Loaded} loaded */
function papersOf({ docs, dossier }) {
  const filing = docs.find((doc) => idInDocument(doc) === dossier.submissionId);
  return filing?.event.files.filter((file) => file.preview_of === undefined).length ?? 0;
}

/** Ten hexadecimal digits of the receipt's hash, to read out over a telephone. @param {string} id "sha256-…" */
export function shortCode(id) {
  return hex(decode(id.slice("sha256-".length)).subarray(0, 5)).toUpperCase().replace(/^(.{5})/, "$1-");
}
