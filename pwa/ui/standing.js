// What the office's log was found to keep of a receipt, in words a person can act on; an omission with its evidence.

import { dateTime, t } from "../i18n/text.js";
import { nodeApi } from "../speaking.js";
import { refreshNode, state, tellAll } from "../state.js";
import { evidenceOf, refreshReceipts, reviewReceipts } from "../receipts.js";
import { refreshLists } from "../revocations.js";
import { askStoriesAgain } from "../stories.js";
import { h } from "./dom.js";
import { sayFault } from "./faults.js";
import { button, notice } from "./parts.js";
import { save } from "./save.js";
import { toast } from "./shell.js";

/** @typedef {import("../receipts.js").KeptReceipt} KeptReceipt */

/** @param {KeptReceipt | null} kept @returns {boolean} whether the log does not bear it out: that comes before everything else */
export const isAccused = (kept) => kept?.found?.standing === "missing" || kept?.found?.standing === "contradicts";

/** @param {KeptReceipt} kept @param {import("../lib/event.js").EventDocument[]} docs of the dossier @returns {HTMLElement} */
export function logNotice(kept, docs) {
  const { found } = kept;
  if (isAccused(kept)) return accusation(kept, docs);
  return found?.standing === "behind" || found?.standing === "revoked" ? notice("wait", h("p", { role: "status" }, logText(kept))) : h("p", { class: "small", role: "status" }, logText(kept));
}

/** @param {KeptReceipt} kept @returns {string} one sentence, for screens and paper */
export function logText({ found, promise, names }) {
  const office = officeName();
  if (!found) return t("log.none");
  const [first] = found.witnesses;
  if (found.standing === "cosigned" && first) return t("log.cosigned", { office, witness: names[first.unit] ?? first.unit, time: dateTime(first.timeS * 1000) });
  if (found.standing === "logged") return t("log.logged", { office });
  if (found.standing === "behind") return t("log.behind", { office, size: found.size, promised: promise.size });
  if (found.standing === "revoked") return t("log.revoked", { office });
  return t(found.standing === "missing" || found.standing === "contradicts" ? `log.${found.standing}_title` : "log.unchecked");
}

/** @param {KeptReceipt} kept @param {import("../lib/event.js").EventDocument[]} docs */
function accusation(kept, docs) {
  const { promise } = kept;
  const found = /** @type {import("../lib/omission.js").Judgement} */ (kept.found);
  const which = found.standing === "missing" ? "missing" : "contradicts";
  const office = officeName();
  const file = () => save(new Blob([JSON.stringify(evidenceOf(kept, docs), null, 2)], { type: "application/json" }), `bang-chung-${promise.code}.json`);
  return notice("bad", h("h2", null, t(`log.${which}_title`)),
    h("p", null, t(`log.${which}`, { office, time: dateTime(promise.issued * 1000), size: found.size })),
    h("ol", null, h("li", null, t("log.do.keep")), h("li", null, t("log.do.file")), h("li", null, t("log.do.ask", { office }))),
    h("p", null, button(t("log.evidence"), file)), h("p", { class: "small" }, t("log.evidence_note")));
}

/** @param {KeptReceipt} kept a button that asks the log now @returns {HTMLElement} */
export function askAgain(kept) {
  const again = button(t("log.again"), async () => {
    again.disabled = true;
    try {
      await refreshNode();
      const news = await refreshLists(nodeApi());
      if (news) await reviewReceipts();
      if (news === "revoking") await askStoriesAgain();
      await refreshReceipts(nodeApi(), { only: kept.id });
      await reviewReceipts();
    } catch (cause) {
      toast(sayFault(cause));
    } finally {
      tellAll("receipts");
      again.disabled = false;
    }
  }, "button--secondary no-print");
  return again;
}

const officeName = () => state.identity?.node.name ?? t("app.office");
