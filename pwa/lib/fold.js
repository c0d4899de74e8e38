// A dossier as its citizen sees it: the signed events of one stream, put in causal order and read as a story.
//
// Order: an event comes after everything it names in `prev`; ties go by id. The moves between statuses are those of
// `server/dossier/states.py`, and tests/vectors/fold/ keeps both to the same story. Who may say what is the node's to
// judge (it holds the role grants); the phone asks only that the signature holds, and says where it could not check.

import { idInDocument } from "./event.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {"new" | "received" | "refused" | "processing" | "waiting_papers" | "waiting_fee" | "withdrawn" | "stopped" | "done" | "returned"} Status */
/** @typedef {{id: string, type: string, at: string, actor: string, body: Record<string, any>, files: import("./event.js").FileRef[], applied: boolean}} Step */
/**
 * @typedef {object} Dossier
 * @property {string} stream
 * @property {Status | null} status    null while there is no submission to judge
 * @property {string} code             the office's code, "" before it has given one
 * @property {string} due              RFC 3339, "" before the office has said
 * @property {string} procedure
 * @property {Record<string, any> | null} submission  body of the submission
 * @property {string} submissionId     its event id
 * @property {{items: string[], reason: string, id: string} | null} request papers that are asked for now
 * @property {string} reason           why it was refused or stopped
 * @property {{outcome: string, summary: string, files: import("./event.js").FileRef[]} | null} result
 * @property {Step[]} steps            in order
 * @property {string[]} heads          ids: the `prev` of the next event
 */

/** @type {Record<string, {from: (Status | null)[], to: Status | null}>} `to` null: back to where it waited from */
const MOVES = {
  "dossier.submitted": { from: [null], to: "new" },
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
/** Statuses in which a citizen may still withdraw. */
export const MAY_WITHDRAW = new Set(MOVES["dossier.withdrawn"].from);

/** @param {EventDocument[]} docs @returns {EventDocument[]} each after all it names in `prev`, ties by id; unknown parents are passed over */
export function causalOrder(docs) {
  const byId = new Map(docs.map((doc) => [idInDocument(doc), doc]));
  /** @type {Map<string, number>} */
  const waits = new Map();
  /** @type {Map<string, string[]>} */
  const children = new Map();
  for (const [id, doc] of byId) {
    const parents = [...new Set(doc.event.prev)].filter((parent) => byId.has(parent));
    waits.set(id, parents.length);
    for (const parent of parents) children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const ready = [...byId.keys()].filter((id) => !waits.get(id)).sort();
  const ordered = [];
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    ordered.push(/** @type {EventDocument} */ (byId.get(id)));
    for (const child of children.get(id) ?? []) {
      const left = /** @type {number} */ (waits.get(child)) - 1;
      waits.set(child, left);
      if (!left) ready.push(child);
    }
    ready.sort();
  }
  return ordered;
}

/** @param {string} stream @param {EventDocument[]} docs its events, in any order, each perhaps several times @returns {Dossier} */
export function foldDossier(stream, docs) {
  const ordered = causalOrder(docs.filter((doc) => doc.event.stream === stream));
  /** @type {Dossier} */
  const dossier = {
    stream, status: null, code: "", due: "", procedure: "", submission: null, submissionId: "",
    request: null, reason: "", result: null, steps: [], heads: [],
  };
  /** @type {Status} */
  let resume = "new";
  const passed = new Set();
  for (const doc of ordered) {
    const { event } = doc;
    const id = idInDocument(doc);
    event.prev.forEach((parent) => passed.add(parent));
    const move = MOVES[event.type];
    const applied = !move || move.from.includes(dossier.status);
    if (move && applied) {
      const before = dossier.status;
      dossier.status = move.to ?? (before === "waiting_papers" ? resume : before);
      if (dossier.status === "waiting_papers" && before) resume = before;
      apply(dossier, id, event);
    }
    dossier.steps.push({ id, type: event.type, at: event.at, actor: event.actor, body: event.body, files: event.files, applied });
  }
  dossier.heads = ordered.map(idInDocument).filter((id) => !passed.has(id)).sort();
  return dossier;
}

/** @param {Dossier} dossier @param {string} id @param {import("./event.js").TramEvent} event */
function apply(dossier, id, { type, body, files }) {
  if (dossier.status !== "waiting_papers") dossier.request = null;
  switch (type) {
    case "dossier.submitted":
      dossier.submission = body;
      dossier.submissionId = id;
      dossier.procedure = body.procedure;
      break;
    case "dossier.accepted":
      dossier.code = body.code;
      dossier.due = body.due;
      break;
    case "dossier.supplement_requested":
      dossier.request = { items: body.items, reason: body.reason, id };
      break;
    case "dossier.refused":
    case "dossier.stopped":
      dossier.reason = body.reason;
      break;
    case "dossier.resolved":
      dossier.result = { outcome: body.outcome, summary: body.summary, files };
      break;
  }
}
