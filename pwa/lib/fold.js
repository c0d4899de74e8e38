// A dossier as its citizen sees it: the signed events of one stream, read as a story. The twin of `server/dossier/fold.py`;
// tests/vectors/fold/ keeps both to the same story.
//
// Who holds an office is the node's to say: a phone has no role grants, so it is told by `isOffice`.

import { arrange, bit, has, members } from "./order.js";
import { MOVES, OFFICIAL, nextStatus } from "./states.js";
import { Views } from "./view.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {import("./event.js").TramEvent} TramEvent */
/** @typedef {import("./event.js").FileRef} FileRef */
/** @typedef {import("./states.js").Status} Status */
/** @typedef {"applied" | "not_applied" | "waiting" | "disputed" | "set_aside" | "overtaken"} StepState */
/** @typedef {{id: string, type: string, at: string, actor: string, body: Record<string, any>, files: FileRef[], state: StepState}} Step */
/**
 * @typedef {object} Dossier
 * @property {string} stream
 * @property {Status} status
 * @property {string} code             the office's code, "" before it has given one
 * @property {string} due              RFC 3339, "" before the office has said
 * @property {string} procedure
 * @property {Record<string, any> | null} submission  body of the submission that counts
 * @property {string} submissionId     its event id
 * @property {Record<string, string>} form answers, with what supplements changed
 * @property {{items: string[], reason: string, id: string} | null} request papers that are asked for now
 * @property {string} reason           why it was refused or stopped
 * @property {{outcome: string, summary: string, files: FileRef[]} | null} result
 * @property {{kind: string, events: string[], settledBy: string}[]} conflicts
 * @property {boolean} received        a node's receipt of the submission counts (its signature is `lib/trust.js`'s to check)
 * @property {Step[]} steps            in order
 * @property {string[]} heads          ids: the `prev` of the next event
 * @property {string[]} missing        ids that others name and that are not here
 */

const FILINGS = new Set(["dossier.submitted", "dossier.supplemented"]);
/** Statuses in which a citizen may still withdraw. */
export const MAY_WITHDRAW = new Set(MOVES["dossier.withdrawn"].from);

/**
 * @param {string} stream @param {EventDocument[]} docs in any order, each perhaps several times
 * @param {(event: TramEvent, id: string) => boolean} [isOffice] whether the author acts for the office; everybody but the one who filed
 *   when left out, because the node hands on to a phone only what concerns its dossiers
 * @returns {Dossier}
 */
export function foldDossier(stream, docs, isOffice) {
  const order = arrange(docs.filter((doc) => doc.event.stream === stream));
  const views = new Views(order);
  const owner = order.docs.find((doc) => doc.event.type === "dossier.submitted")?.event.actor;
  const inOffice = isOffice ?? ((event) => event.actor !== owner);
  let refused = 0n;
  order.docs.forEach(({ event }, i) => {
    if (has(order.waiting, i)) return;
    const view = views.before(i);
    const office = inOffice(event, order.ids[i]);
    if (counts(i, view, order, office)) return views.admit(i, view, office);
    refused |= bit(i);
    views.passOver(i, view);
  });
  return describe(stream, order, views, refused);
}

/** Whether an event counts, by what its author had seen (`server/dossier/rules.py`). @param {number} i @param {import("./view.js").View} view @param {import("./order.js").Order} order @param {boolean} office */
function counts(i, view, order, office) {
  const { event } = order.docs[i];
  const root = view.root >= 0 ? order.docs[view.root].event : null;
  if (root && event.unit !== root.unit) return false;
  return mayAct(event, root, office) && isPossible(i, view, order);
}

/** @param {TramEvent} event @param {TramEvent | null} root @param {boolean} office */
function mayAct(event, root, office) {
  const person = event.actor.startsWith("urn:tram:subject:");
  if (event.type === "receipt.issued") return !person && office;
  if (!person) return false;
  if (OFFICIAL.has(event.type)) return office;
  if (event.type === "dossier.submitted") return true;
  if (!root) return false;
  return event.actor === root.actor || (office && (event.type === "dossier.supplemented" || root.body.channel === "counter"));
}

/** @param {number} i @param {import("./view.js").View} view @param {import("./order.js").Order} order */
function isPossible(i, view, order) {
  const { event } = order.docs[i];
  if (event.type === "dossier.submitted") return view.root < 0;
  if (view.root < 0) return false;
  if (event.type === "receipt.issued") return isMatchingReceipt(i, order);
  if (event.type === "dossier.conflict_resolved") return isOpenChoice(event, view, order);
  if (event.type === "dossier.commented") return true;
  if (OFFICIAL.has(event.type) && view.open.some((one) => one.kind === "decision")) return false;
  if (event.type === "dossier.accepted" && view.accepted >= 0) return false;
  return nextStatus(event.type, view.status, view.resume) !== null;
}

/** A receipt names a filing that its node had seen, with exactly its files. @param {number} i @param {import("./order.js").Order} order */
function isMatchingReceipt(i, order) {
  const { body } = order.docs[i].event;
  const of = order.index.get(body.of);
  if (of === undefined || !has(order.past[i], of)) return false;
  const filing = order.docs[of].event;
  const named = new Set(filing.files.map((file) => file.sha256));
  const held = new Set(body.files);
  return FILINGS.has(filing.type) && named.size === held.size && [...named].every((file) => held.has(file));
}

/** @param {TramEvent} event @param {import("./view.js").View} view @param {import("./order.js").Order} order */
function isOpenChoice(event, view, order) {
  const i = order.index.get(event.body.chosen);
  return i !== undefined && view.open.some((conflict) => has(conflict.members, i));
}

/** @param {string} stream @param {import("./order.js").Order} order @param {Views} views @param {bigint} refused @returns {Dossier} */
function describe(stream, order, views, refused) {
  const view = views.whole();
  const at = (/** @type {number} */ i) => order.docs[i].event;
  const valid = order.docs.map((_, i) => i).filter((i) => !has(refused | order.waiting, i));
  const that = (/** @type {string} */ type) => valid.filter((i) => at(i).type === type);
  const stepped = (/** @type {string} */ type) => members(view.stepped).filter((i) => at(i).type === type);
  const submission = view.root >= 0 ? at(view.root).body : null;
  const submissionId = view.root >= 0 ? order.ids[view.root] : "";
  const accepted = view.accepted >= 0 ? at(view.accepted).body : null;
  const asked = stepped("dossier.supplement_requested").at(-1);
  const decided = stepped("dossier.resolved").at(-1);
  const ended = ["dossier.refused", "dossier.stopped"].flatMap(stepped).at(-1);
  const supplements = that("dossier.supplemented").filter((i) => !has(view.setAside, i));
  return {
    stream, status: view.status, procedure: submission?.procedure ?? "", submission, submissionId,
    code: accepted?.code ?? "", due: accepted?.due ?? "",
    form: Object.assign({}, submission?.form, ...supplements.map((i) => at(i).body.form ?? {})),
    request: view.status === "waiting_papers" && asked !== undefined ? { items: at(asked).body.items, reason: at(asked).body.reason, id: order.ids[asked] } : null,
    reason: ended === undefined ? "" : at(ended).body.reason,
    result: decided === undefined ? null : { outcome: at(decided).body.outcome, summary: at(decided).body.summary, files: at(decided).files },
    conflicts: conflictsOf(order, views, view),
    received: that("receipt.issued").some((i) => at(i).body.of === submissionId),
    steps: order.docs.map(({ event: { type, at: when, actor, body, files } }, i) => ({ id: order.ids[i], type, at: when, actor, body, files, state: stateOf(i, order, view, refused) })),
    heads: order.heads, missing: order.missing,
  };
}

/** @param {number} i @param {import("./order.js").Order} order @param {import("./view.js").View} view @param {bigint} refused @returns {StepState} */
function stateOf(i, order, view, refused) {
  if (has(order.waiting, i)) return "waiting";
  if (has(refused, i)) return "not_applied";
  if (has(view.setAside, i)) return "set_aside";
  if (has(view.disputed, i)) return "disputed";
  return has(view.overtaken, i) ? "overtaken" : "applied";
}

/** @param {import("./order.js").Order} order @param {Views} views @param {import("./view.js").View} view @returns {Dossier["conflicts"]} */
function conflictsOf(order, views, view) {
  const named = (/** @type {bigint} */ set) => members(set).map((i) => order.ids[i]);
  const undone = view.open.reduce((all, one) => all | one.undone, 0n);
  const settled = [...views.resolutions].filter(([i, one]) => !has(undone, i) && (view.setAside & one.losers) === one.losers);
  return [
    ...view.open.map((one) => ({ kind: one.kind, events: named(one.sides), settledBy: "" })),
    ...settled.map(([i, one]) => ({ kind: one.kind, events: named(one.sides), settledBy: order.ids[i] })),
  ];
}
