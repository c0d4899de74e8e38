// #/settings/wipe : delete everything on this phone, after saying what would be lost.

import { procedures } from "../catalogue.js";
import { isSettled } from "../lib/entry.js";
import { both, t } from "../i18n/text.js";
import { listDrafts, listEntries } from "../store/drafts.js";
import { freshId, h } from "../ui/dom.js";
import { backLink, heading, linkButton, notice, showFaults } from "../ui/parts.js";
import { beginWipe } from "../wiping.js";

/** @returns {Promise<import("../page.js").Page>} */
export async function wipePage() {
  const title = t("wipe.title");
  const [drafts, entries, catalogue] = await Promise.all([listDrafts(), listEntries(), procedures()]);
  const names = new Map(catalogue.map((one) => [one.code, both(one.name)]));
  const unsent = entries.filter((entry) => !isSettled(entry));
  const faults = h("div", null);
  const box = h("input", { type: "checkbox", id: freshId("confirm") });
  const wipe = () => {
    if (!box.checked) return showFaults(faults, [{ message: t("wipe.confirm_fault"), target: box.id }]);
    beginWipe();
  };
  const named = (/** @type {import("../lib/entry.js").Entry} */ entry) => names.get(entry.doc.event.body.procedure) ?? entry.doc.event.body.procedure ?? entry.doc.event.type;
  const content = h("div", null, backLink("#/settings"), faults, heading(title), h("p", null, t("wipe.text")),
    unsent.length ? notice("bad", h("p", null, t("wipe.unsent", { count: unsent.length })), h("ul", null, unsent.map((entry) => h("li", null, named(entry))))) : null,
    drafts.length ? notice("wait", h("p", null, t("wipe.drafts", { count: drafts.length }))) : null,
    h("div", { class: "choice" }, box, h("label", { htmlFor: box.id }, t("wipe.confirm"))),
    h("div", { class: "actions" }, h("button", { type: "button", class: "button button--warning", onclick: wipe }, t("wipe.go")), linkButton(t("app.cancel"), "#/settings", "button--secondary")));
  return { title, content };
}
