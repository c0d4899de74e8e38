// What revocation lists mean for a receipt, in words a person can act on.

import { dateTime, day, t } from "../i18n/text.js";
import { h } from "./dom.js";
import { notice } from "./parts.js";

/** @typedef {import("../lib/revocation.js").Verdict} Verdict */

/** @param {Verdict} verdict @param {string} office its name @param {number} [worseMs] when a newer list changed the verdict, 0 if none did @returns {HTMLElement | null} nothing where there is nothing to say */
export function verdictNotice({ status, reason, atMs }, office, worseMs = 0) {
  if (status === "valid") return null;
  if (reason !== "revoked") {
    return notice("wait", h("h2", null, t("revoked.stale_title")), h("p", null, t(reason === "crl_stale" ? "revoked.stale" : "revoked.unknown", { office, day: day(atMs) })));
  }
  const which = status === "invalid" ? "invalid" : "doubt";
  return notice(which === "invalid" ? "bad" : "wait", h("h2", null, t(`revoked.${which}_title`)),
    h("p", null, t(`revoked.${which}`, { office, time: dateTime(atMs) })),
    worseMs ? h("p", { role: "status" }, t("revoked.worse", { time: dateTime(worseMs) })) : null, h("p", null, t("revoked.do", { office })));
}

/** @param {Verdict} verdict @returns {HTMLElement | null} the small line under a receipt that holds */
export const verdictLine = ({ status, atMs }) => (status === "valid" && atMs ? h("p", { class: "small soft" }, t("revoked.fine", { day: day(atMs) })) : null);
