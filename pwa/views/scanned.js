// /r#<base64url> : a receipt that was scanned, checked here against the node this phone pinned at enrolment. What is in the
// fragment is sent nowhere. Look-alike addresses never come here: they open another site, which has no registration to show.

import { dateTime, t } from "../i18n/text.js";
import { fromBase64 } from "../lib/base64url.js";
import { NotAReceipt, decodeFragment, parseSign1, verifyCitizenReceipt } from "../lib/cose.js";
import { parseCertificate, publicKeyOf } from "../lib/der.js";
import { judge, lookUp } from "../lib/revocation.js";
import { sha256 } from "../lib/hashing.js";
import { fetchLists, keptLists } from "../revocations.js";
import { nodeApi } from "../speaking.js";
import { nodeNowMs, state } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, heading, notice, summaryList } from "../ui/parts.js";
import { verdictLine, verdictNotice } from "../ui/revoked.js";

/** @typedef {{name: string, urn: string, certificate: string, chain: string[], lists: import("../lib/revocation.js").Lists, pinned: boolean}} Office */

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function scannedReceipt([fragment]) {
  const title = t("scanned.title");
  const page = (/** @type {import("../ui/dom.js").Child[]} */ ...shown) => ({ title, content: h("div", { class: "receipt" }, backLink("/"), heading(title), ...shown, h("p", { class: "small soft" }, t("scanned.warning"))) });
  const office = await findOffice();
  if (!office) return page(notice("wait", h("p", null, t("scanned.unregistered"))));
  try {
    const receipt = await check(fragment, office);
    const verdict = await judgeOffice(receipt.issued * 1000, office);
    return page(
      verdictNotice(verdict, office.name),
      verdict.status !== "valid" ? null : notice("good", h("p", null, t("scanned.good", { office: office.name })), h("p", null, t(office.pinned ? "scanned.pinned" : "scanned.online"))),
      verdictLine(verdict),
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

/** Nobody but the receipt itself says when it was signed. @param {number} claimedMs @param {Office} office @returns {Promise<import("../lib/revocation.js").Verdict>} */
async function judgeOffice(claimedMs, { certificate, chain, lists }) {
  const parse = (/** @type {string} */ text) => parseCertificate(fromBase64(text));
  return judge(await lookUp(parse(certificate), chain.map(parse), lists), { claimedMs, provenMs: null, nowMs: nodeNowMs() });
}

/** @returns {Promise<Office | null>} the pinned office; without registration the one this address belongs to, if it answers */
async function findOffice() {
  const { identity } = state;
  if (identity) return { ...identity.node, chain: identity.chain, lists: await keptLists(), pinned: true };
  try {
    const api = nodeApi();
    const { node: said } = await api.fetchNode();
    const chain = said.chain ?? [];
    return { name: said.name, urn: said.urn, certificate: said.certificate, chain, lists: await fetchLists(api, chain, said.crls ?? {}), pinned: false };
  } catch (cause) {
    console.info("the node does not answer", cause);
    return null;
  }
}
