// The business statuses and the moves between them: the twin of `server/dossier/states.py`.

/** @typedef {"none" | "new" | "received" | "refused" | "processing" | "waiting_papers" | "waiting_fee" | "withdrawn" | "stopped" | "done" | "returned"} Status */

/** By their codes in the national portal's exchange; 0 is "nothing yet". @type {readonly Status[]} */
export const STATUSES = ["none", "new", "received", "refused", "processing", "waiting_papers", "waiting_fee", "withdrawn", "stopped", "done", "returned"];

/** @type {Record<string, {from: Status[], to: Status | null}>} `to` null: back to where it waited from */
export const MOVES = {
  "dossier.submitted": { from: ["none"], to: "new" },
  "dossier.accepted": { from: ["new", "waiting_papers"], to: "received" },
  "dossier.refused": { from: ["new", "waiting_papers"], to: "refused" },
  "dossier.forwarded": { from: ["received", "processing", "waiting_fee"], to: "processing" },
  "dossier.supplement_requested": { from: ["new", "received", "processing"], to: "waiting_papers" },
  "dossier.supplemented": { from: ["new", "waiting_papers"], to: null },
  "dossier.withdrawn": { from: ["new", "received", "processing", "waiting_papers", "waiting_fee"], to: "withdrawn" },
  "dossier.stopped": { from: ["received", "processing", "waiting_papers", "waiting_fee"], to: "stopped" },
  "dossier.resolved": { from: ["received", "processing", "waiting_fee"], to: "done" },
  "dossier.returned": { from: ["done"], to: "returned" },
};

/** Parallel events of different types never both stand; two of one type do not if they differ in these members. @type {Record<string, string[]>} */
export const DECISIONS = {
  "dossier.accepted": ["code", "due"],
  "dossier.refused": [],
  "dossier.supplement_requested": [],
  "dossier.stopped": [],
  "dossier.resolved": ["outcome"],
};

/** Only somebody in office may take these. */
export const OFFICIAL = new Set([
  "dossier.accepted", "dossier.refused", "dossier.forwarded", "dossier.supplement_requested", "dossier.stopped",
  "dossier.resolved", "dossier.returned", "dossier.commented", "dossier.conflict_resolved",
]);

/** @param {string} type @param {Status} current @param {Status} resume @returns {Status | null} null: it leads nowhere from there */
export function nextStatus(type, current, resume) {
  const move = MOVES[type];
  if (!move?.from.includes(current)) return null;
  return move.to ?? (current === "waiting_papers" ? resume : current);
}
