// #/dossiers/<stream>/withdraw : ask for the reason, then say what is signed.

import { dossierName, loadDossier } from "../dossiers.js";
import { cleanText } from "../lib/normalise.js";
import { t } from "../i18n/text.js";
import { go, notFound } from "../page.js";
import { signWithdrawal } from "../signing.js";
import { state } from "../state.js";
import { fill, h } from "../ui/dom.js";
import { areaField } from "../ui/fields.js";
import { backLink, heading, showFaults } from "../ui/parts.js";
import { confirmation } from "./sign.js";

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function withdrawPage([stream]) {
  const loaded = await loadDossier(stream);
  if (!loaded?.mayWithdraw) return notFound();
  const title = t("dossier.withdraw");
  const faults = h("div", null);
  const reason = areaField({ label: t("dossier.withdraw_reason") });
  const ask = (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = cleanText(reason.read());
    const message = text ? "" : t("fault.required", { label: t("dossier.withdraw_reason").toLowerCase() });
    reason.fault(message);
    if (message) return showFaults(faults, [{ message, target: reason.target }]);
    fill(content, confirm(stream, dossierName(loaded), text));
    content.querySelector("h1")?.focus();
  };
  const content = h("div", null, backLink(`#/dossiers/${stream}`), faults, heading(title, dossierName(loaded)),
    h("form", { novalidate: true, onsubmit: ask }, reason.element, h("div", { class: "actions" }, h("button", { class: "button", type: "submit" }, t("app.continue")))));
  return { title, content };
}

/** @param {string} stream @param {string} procedure @param {string} reason */
function confirm(stream, procedure, reason) {
  const { identity } = state;
  const statement = t("sign.statement_withdraw", { name: identity?.name ?? "", procedure, office: identity?.node.name ?? "", reason });
  const act = async () => { await signWithdrawal(stream, reason); go(`dossiers/${stream}`, { replace: true }); };
  return confirmation({ title: t("sign.withdraw_title"), back: `#/dossiers/${stream}`, statement, label: t("sign.go_withdraw"), act });
}
