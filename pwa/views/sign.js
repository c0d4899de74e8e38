// #/drafts/<id>/sign : says what is signed, and signs. The key is used only after the button here.

import { applicantOf, loadWork, partsOf } from "../drafts.js";
import { both, day, size, t } from "../i18n/text.js";
import { go, notFound } from "../page.js";
import { signDraft } from "../signing.js";
import { nodeNowMs, state } from "../state.js";
import { behalfText } from "../ui/behalf.js";
import { fill, h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { backLink, heading, linkButton, notice, showFaults } from "../ui/parts.js";

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function signPage([id]) {
  const work = await loadWork(id);
  if (!work) return notFound();
  const supplement = work.draft.type === "dossier.supplemented";
  const title = t(supplement ? "sign.supplement_title" : "sign.title");
  if (partsOf(work).some((part) => part.faults.length)) {
    go(`drafts/${id}/check`, { replace: true });
    return { title, content: h("div", null, heading(title)) };
  }
  const bytes = work.files.reduce((sum, file) => sum + file.size, 0);
  const { behalf } = work.draft;
  const statement = t(supplement ? "sign.statement_supplement" : behalf ? "behalf.statement" : "sign.statement", {
    name: supplement || behalf ? (state.identity?.name ?? "") : applicantOf(work).name, behalf: behalf ? behalfText(behalf) : "", other: behalf?.name ?? "",
    procedure: both(work.procedure.name), office: state.identity?.node.name ?? t("app.office"),
    files: work.files.length ? t("sign.files", { count: work.files.length, size: size(bytes) }) : t("sign.no_files"),
  });
  const act = async () => { go(`dossiers/${(await signDraft(work)).event.stream}`, { replace: true }); };
  return { title, content: confirmation({ title, back: `#/drafts/${id}/check`, statement, label: t(supplement ? "sign.go_supplement" : "sign.go"), act }), refreshOn: state.identity ? ["draft"] : ["draft", "key"] };
}

/**
 * The one shape of every page that signs.
 * @param {{title: string, back: string, statement: string, label: string, act: () => Promise<void>}} what
 */
export function confirmation({ title, back, statement, label, act }) {
  const { identity } = state;
  const faults = h("div", null);
  const head = [backLink(back), faults, heading(title)];
  if (!identity) return h("div", null, head, notice("wait", h("p", null, t("sign.need_register"))), h("div", { class: "actions" }, linkButton(t("home.register"), "#/register")));
  if (identity.expires && Date.parse(identity.expires) < nodeNowMs()) {
    return h("div", null, head, notice("bad", h("p", null, t("sign.expired", { until: day(identity.expires) }))));
  }
  const button = h("button", { type: "button", class: "button button--big" }, label);
  button.addEventListener("click", async () => {
    button.disabled = true; // a second tap must not sign twice
    fill(button, t("sign.working"));
    try {
      await act();
    } catch (cause) {
      button.disabled = false;
      fill(button, label);
      showFaults(faults, [{ message: sayFault(cause) }]);
    }
  });
  return h("div", null, head, h("div", { class: "panel" }, h("p", { class: "caption" }, t("sign.you_sign")), h("p", { class: "lead" }, statement)),
    h("p", { class: "small soft" }, t("sign.key", { name: identity.name })), h("p", null, t("sign.what_next")),
    h("div", { class: "actions" }, button));
}
