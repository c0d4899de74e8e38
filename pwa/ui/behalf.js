// Who signed on paper, in words that never read as if they had signed electronically; and what this phone keeps of their dossier.

import { day, known, t } from "../i18n/text.js";
import { KEEP_DAYS, keepLonger, leaveNow, readKeeping } from "../keeping.js";
import { h } from "./dom.js";
import { button } from "./parts.js";
import { toast } from "./shell.js";

/** @param {{name: string, how: string, witness?: string}} behalf @returns {string} */
export const behalfText = ({ name, how, witness }) => [t(known(`behalf.${how}`, "behalf.wet_signature"), { name }), witness ? t("behalf.witness", { witness }) : ""].filter(Boolean).join(" ");

/** @param {string} stream @param {string} name @param {import("../lib/entry.js").Entry[]} entries of the dossier @returns {Promise<HTMLElement>} what is kept, until when, and how to change it */
export async function keepingPanel(stream, name, entries) {
  const { leaving } = await readKeeping();
  const goesMs = leaving[stream];
  const title = h("h2", null, t("behalf.keeping"));
  if (goesMs === undefined) return h("div", { class: "panel no-print" }, title, h("p", null, t(entries.length ? "behalf.keeping_until_received" : "behalf.keeping_office", { name, days: KEEP_DAYS })));
  const undo = async () => keepLonger(stream);
  const now = async () => {
    await leaveNow(stream);
    toast(t("behalf.leaving_soon"), { label: t("app.undo"), run: undo });
  };
  const soon = goesMs - Date.now() < 120_000;
  return h("div", { class: "panel no-print" }, title, h("p", { role: "status" }, soon ? t("behalf.leaving_soon") : t("behalf.leaving", { name, day: day(goesMs) })),
    h("div", { class: "actions" }, button(t("behalf.keep_longer", { days: KEEP_DAYS }), undo, "button--secondary"), soon ? null : button(t("behalf.leave_now"), now, "button--secondary")));
}
