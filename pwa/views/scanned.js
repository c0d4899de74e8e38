// /r#<base64url> : a receipt that was scanned, checked here against the node this phone pinned at enrolment. What is in the
// fragment is sent nowhere. Look-alike addresses never come here: they open another site, which has no registration to show.

import { dateTime, t } from "../i18n/text.js";
import { fromBase64 } from "../lib/base64url.js";
import { NotAReceipt, decodeFragment, parseSign1, verifyCitizenReceipt } from "../lib/cose.js";
import { parseCertificate, publicKeyOf } from "../lib/der.js";
import { sha256 } from "../lib/hashing.js";
import { nodeApi, state } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, heading, notice, summaryList } from "../ui/parts.js";

/** @typedef {{name: string, urn: string, certificate: string, pinned: boolean}} Office */

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function scannedReceipt([fragment]) {
  const title = t("scanned.title");
  const page = (/** @type {import("../ui/dom.js").Child[]} */ ...shown) => ({ title, content: h("div", { class: "receipt" }, backLink("/"), heading(title), ...shown, h("p", { class: "small soft" }, t("scanned.warning"))) });
  const office = await findOffice();
  if (!office) return page(notice("wait", h("p", null, t("scanned.unregistered"))));
  try {
    const receipt = await check(fragment, office);
    return page(
      notice("good", h("p", null, t("scanned.good", { office: office.name })), h("p", null, t(office.pinned ? "scanned.pinned" : "scanned.online"))),
      summaryList([
        [t("scanned.unit"), [office.name, h("div", { class: "small mono" }, receipt.unit)]],
        [t("scanned.code"), receipt.code],
        [t("scanned.at"), dateTime(new Date(receipt.issued * 1000).toISOString())],
        [t("receipt.hash"), h("span", { class: "mono" }, receipt.event)],
        [t("scanned.log"), t("scanned.log_value", { size: receipt.size, generation: receipt.generation })],
      ]));
  } catch (cause) {
    if (!(cause instanceof NotAReceipt)) throw cause;
    const key = cause.code === "form" ? "scanned.form" : cause.code === "signature" ? "scanned.bad" : "scanned.foreign";
    return page(notice("bad", h("p", null, t(key, { office: office.name }))));
  }
}

/** @param {string} fragment @param {Office} office */
async function check(fragment, office) {
  const sign1 = parseSign1(decodeFragment(fragment));
  const der = fromBase64(office.certificate);
  const thumbprint = await sha256(der);
  if (sign1.kid.some((byte, i) => byte !== thumbprint[i])) throw new NotAReceipt("unit", "signed with another key than the office's");
  const unit = office.urn.replace("urn:tram:node:", "").replaceAll("-", ".").toUpperCase();
  return verifyCitizenReceipt(sign1, await publicKeyOf(parseCertificate(der)), unit);
}

/** @returns {Promise<Office | null>} the pinned office; without registration the one this address belongs to, if it answers */
async function findOffice() {
  const node = state.identity?.node;
  if (node) return { name: node.name, urn: node.urn, certificate: node.certificate, pinned: true };
  try {
    const { node: said } = await nodeApi().fetchNode();
    return { name: said.name, urn: said.urn, certificate: said.certificate, pinned: false };
  } catch (cause) {
    console.info("the node does not answer", cause);
    return null;
  }
}
