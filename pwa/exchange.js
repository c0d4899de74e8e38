// What a phone that has a key does with its office when things travel (sync.js says when): certificate, revocation lists, outbox,
// what was erased, stories, receipts. A phone that was never registered loads none of this.

import { runOutbox } from "./lib/outbox.js";
import { verifyReceipt } from "./lib/trust.js";
import { pollEnrolment } from "./enrol.js";
import { dropErased } from "./erasures.js";
import { refreshReceipts, reviewReceipts } from "./receipts.js";
import { refreshLists } from "./revocations.js";
import { citizenToken, nodeApi } from "./speaking.js";
import { HOUR_MS, ORIGIN, isHelper, isOlder, nodeNowMs, refreshMe, state, tellAll } from "./state.js";
import { askStoriesAgain, refreshStories } from "./stories.js";
import { setting } from "./store/db.js";
import { listEntries, readChunk, saveEntry } from "./store/drafts.js";
import { addEvent, allEvents, eventsOf, replicationWith } from "./store/mine.js";
import { currentTrust } from "./trusted.js";

export { askWhetherRevoked } from "./enrol.js";
export { renewTokens } from "./speaking.js";

/** @returns {Promise<import("./lib/api.js").Outcome>} Throws what lib/api.js throws. */
export async function exchange() {
  if (state.record?.state === "pending") await pollEnrolment();
  if (!state.identity) return "done";
  // First, and asked without a token: an office whose own certificate is gone may take none of ours.
  const news = await refreshLists(nodeApi());
  if (news) await reviewReceipts();
  if (news === "revoking") await askStoriesAgain();
  if (state.me?.x5t !== state.identity.x5t || isOlder(state.me.readMs, HOUR_MS)) await refreshMe(nodeApi());
  const parts = await outboxParts();
  const outcome = await runOutbox(parts);
  if (outcome === "done") {
    await dropErased(parts.api, await currentTrust());
    await refreshStories(parts.api);
    const changed = await refreshReceipts(parts.api);
    if ((await reviewReceipts()) || changed) tellAll("receipts");
  }
  tellAll("events");
  return outcome;
}

/** @returns {Promise<import("./lib/outbox.js").Parts>} */
async function outboxParts() {
  const trust = await currentTrust();
  return {
    entries: listEntries,
    save: saveEntry,
    chunk: readChunk,
    api: nodeApi(),
    mine: { add: addEvent, events: eventsOf, ...(await replicationWith(ORIGIN, () => citizenToken()())) },
    verifyReceipt: async (receipt, submission) => {
      await verifyReceipt(receipt, submission, trust);
      await trust.verifyUnrevoked(receipt, nodeNowMs());
    },
    now: Date.now,
    changed: () => tellAll("outbox"),
  };
}

/** Let go of what was filed for others and is due; on a phone that never did, nothing is loaded for it. */
export async function sweepOthers() {
  const signed = [...(await listEntries()).map(({ doc }) => doc), ...(isHelper() ? await allEvents() : [])];
  if (!signed.some(({ event }) => event.body.on_behalf) && !(await setting("keeping"))) return;
  await (await import("./keeping.js")).sweepKept();
}
