// From a confirmed page to a signed event in the outbox. The only module in which the citizen's key signs events.

import { signDocument } from "./lib/identity.js";
import { arrange } from "./lib/order.js";
import { bodyOf, fileRefs } from "./drafts.js";
import { nodeNowMs, state, tellAll, tellOthers } from "./state.js";
import { commitSigned, listEntries } from "./store/drafts.js";
import { allEvents } from "./store/mine.js";
import { withEntries } from "./summaries.js";
import { syncNow } from "./sync.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */

/** @param {string} stream @returns {Promise<EventDocument[]>} everything signed in it that this phone knows of, sent or not */
export async function knownEvents(stream) {
  const [events, entries] = await Promise.all([allEvents(), listEntries()]);
  return withEntries(entries, events).filter((doc) => doc.event.stream === stream);
}

/** @param {import("./drafts.js").Work} work complete and confirmed @returns {Promise<EventDocument>} in the outbox. Throws `UnfitEvent`, `StorageFull`, `DraftGone`. */
export async function signDraft(work) {
  const { draft, files } = work;
  const doc = await sign({ stream: draft.stream, type: draft.type, body: bodyOf(work), files: fileRefs(files) });
  await commitSigned(draft, doc, files);
  tellOthers("draft");
  announce();
  return doc;
}

/** @param {string} stream @param {string} reason @returns {Promise<EventDocument>} in the outbox */
export async function signWithdrawal(stream, reason) {
  const doc = await sign({ stream, type: "dossier.withdrawn", body: { reason } });
  await commitSigned(null, doc, []);
  announce();
  return doc;
}

/** @param {{stream: string, type: string, body: Record<string, any>, files?: import("./lib/event.js").FileRef[]}} what */
async function sign(what) {
  const { identity } = state;
  if (!identity) throw new Error("nothing is signed without a registration");
  const past = await knownEvents(what.stream);
  const unit = past[0]?.event.unit ?? identity.node.unit;
  // A head of the unit's own log alone has a time that every tier knows: what is signed now was not signed before it.
  const after = state.node?.unit === unit ? state.node.checkpoint : "";
  return signDocument({ ...what, unit, after, prev: arrange(past).heads }, identity, nodeNowMs());
}

function announce() {
  tellAll("outbox");
  void syncNow();
}
