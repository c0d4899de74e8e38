// One dossier for its pages: its story, what is on its way, its verified receipt, what may be done next.

import { procedure as findProcedure } from "./catalogue.js";
import { idInDocument } from "./lib/event.js";
import { MAY_WITHDRAW } from "./lib/fold.js";
import { both } from "./i18n/text.js";
import { knownEvents } from "./signing.js";
import { state } from "./state.js";
import { foldWithStory, readStories } from "./stories.js";
import { filesOfStream, listEntries } from "./store/drafts.js";
import { currentTrust } from "./sync.js";
import { verifyReceipt } from "./lib/trust.js";
import { keptReceipt } from "./receipts.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/** @typedef {"own" | "verified" | "unverified"} Proof */
/**
 * @typedef {object} Loaded
 * @property {import("./lib/fold.js").Dossier} dossier
 * @property {EventDocument[]} docs
 * @property {import("./stories.js").Story | null} story what the node says beside
 * @property {import("./lib/outbox.js").Entry[]} entries
 * @property {import("./lib/procedures.js").Procedure | null} procedure
 * @property {EventDocument | null} receipt of the submission, verified on this phone just now
 * @property {import("./receipts.js").KeptReceipt | null} kept the submission's receipt as COSE, and what the log keeps of it
 * @property {Map<string, Proof>} proofs by event id
 * @property {import("./store/drafts.js").StoredFile[]} stored files that are still on this phone
 * @property {boolean} mayWithdraw @property {boolean} maySupplement
 */

/** @param {string} stream @returns {Promise<Loaded | null>} null when nothing of it is on this phone */
export async function loadDossier(stream) {
  const [docs, stories] = await Promise.all([knownEvents(stream), readStories()]);
  const dossier = foldWithStory(stream, docs, stories);
  if (!dossier.submission) return null;
  const [entries, procedure, stored, proofs] = await Promise.all([listEntries(), findProcedure(dossier.procedure), filesOfStream(stream), proveAll(docs)]);
  const mine = entries.filter((entry) => entry.doc.event.stream === stream);
  const withdrawing = mine.some((entry) => entry.doc.event.type === "dossier.withdrawn" && entry.stage !== "refused");
  const open = Boolean(state.identity) && MAY_WITHDRAW.has(dossier.status) && !withdrawing;
  return {
    dossier, docs, story: stories[stream] ?? null, entries: mine, procedure, stored, proofs,
    receipt: await findReceipt(dossier.submissionId, docs), kept: await keptReceipt(dossier.submissionId),
    mayWithdraw: open, maySupplement: open && (dossier.status === "waiting_papers" || dossier.status === "new"),
  };
}

/** @param {Loaded} loaded */
export const dossierName = ({ procedure, dossier }) => (procedure ? both(procedure.name) : dossier.procedure);

/** @param {EventDocument[]} docs @returns {Promise<Map<string, Proof>>} */
async function proveAll(docs) {
  const trust = state.identity ? currentTrust() : null;
  const proofs = new Map();
  for (const doc of docs) {
    const own = doc.event.actor === state.identity?.subject;
    // "Unverified" is said beside the step; why is for the console, people cannot act on it.
    const proof = own ? "own" : await (trust?.verify(doc) ?? Promise.reject(new Error("no registration"))).then(() => "verified", (cause) => {
      console.info(`${doc._id}: ${cause.message}`);
      return "unverified";
    });
    proofs.set(idInDocument(doc), proof);
  }
  return proofs;
}

/** @param {string} submissionId @param {EventDocument[]} docs @returns {Promise<EventDocument | null>} */
async function findReceipt(submissionId, docs) {
  const submission = docs.find((doc) => idInDocument(doc) === submissionId);
  if (!submission || !state.identity) return null;
  const trust = currentTrust();
  for (const doc of docs) {
    if (doc.event.type !== "receipt.issued" || doc.event.body.of !== submissionId) continue;
    if (await verifyReceipt(doc, submission, trust).then(() => true, () => false)) return doc;
  }
  return null;
}
