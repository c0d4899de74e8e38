// A dossier as its citizen sees it: the signed events of one stream, read as a story. The twin of `server/dossier/fold.py`;
// tests/vectors/fold/ keeps both to the same story.
//
// Who holds an office is the node's to say: a phone has no role grants, so it is told by `isOffice`.

import { arrange, bit, has, members } from "./order.js";
import { eventTimes, isCertificateInDoubt } from "./proofs.js";
import { MOVES, OFFICIAL, nextStatus } from "./states.js";
import { Views } from "./view.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {import("./event.js").TramEvent} TramEvent */
/** @typedef {import("./event.js").FileRef} FileRef */
/** @typedef {import("./states.js").Status} Status */
/** @typedef {import("./proofs.js").Proofs} Proofs */
/** @typedef {import("./proofs.js").EventTime} EventTime */
/** @typedef {"applied" | "not_applied" | "held" | "waiting" | "disputed" | "set_aside" | "overtaken"} StepState */
/** @typedef {{decision: "adopted" | "discarded", reason: string, id: string}} Review of an act that was held */
/** @typedef {{id: string, type: string, at: string, actor: string, body: Record<string, any>, files: FileRef[], state: StepState, time: EventTime, reviewed: Review | null}} Step `at` is the author's claim, `time.shown` what to show */
/** @typedef {boolean | "withdrawn"} Standing whether somebody acts for the office at a time; "withdrawn": once, and no longer then */
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
 * @param {(event: TramEvent, id: string, at: string) => Standing} [isOffice] whether the author acts for the office at a time (a leader, for a
 *   review); everybody but the one who filed when left out, because the node hands on to a phone only what concerns its dossiers
 * @param {Proofs} [proofs] what is known beside the events
 * @returns {Dossier}
 */
export function foldDossier(stream, docs, isOffice, proofs = {}) {
  const order = arrange(docs.filter((doc) => doc.event.stream === stream));
  const views = new Views(order);
  const owner = order.docs.find((doc) => doc.event.type === "dossier.submitted")?.event.actor;
  const inOffice = isOffice ?? ((event) => event.actor !== owner);
  const times = eventTimes(order, proofs, (event, id) => inOffice(event, id, event.at) === true);
  let refused = 0n;
  order.docs.forEach(({ event }, i) => {
    if (has(order.waiting, i)) return;
    const view = views.before(i);
    const standing = inOffice(event, order.ids[i], times[i].shown);
    const fits = counts(i, view, views, standing === true);
    const inDoubt = isCertificateInDoubt(order.ids[i], times[i], proofs);
    if (event.type !== "dossier.act_reviewed" && (fits ? inDoubt : standing === "withdrawn" && counts(i, view, views, true))) views.held.add(i);
    else if (fits && !inDoubt) return views.admit(i, view, standing === true);
    else refused |= bit(i);
    views.passOver(i, view);
  });
  return describe(stream, order, views, refused, times);
}

/** Whether an event counts, by what its author had seen (`server/dossier/rules.py`). @param {number} i @param {import("./view.js").View} view @param {Views} views @param {boolean} office */
function counts(i, view, views, office) {
  const { event } = views.order.docs[i];
  const root = view.root >= 0 ? views.event(view.root) : null;
  if (root && event.unit !== root.unit) return false;
  if (event.type === "dossier.act_reviewed") return office && isReview(i, view, views);
  return mayAct(event, root, office) && isPossible(event, view, views, views.order.past[i]);
}

/** A leader reviews what is held, once; to adopt it, its step must be possible where the leader stands. @param {number} i @param {import("./view.js").View} view @param {Views} views */
function isReview(i, view, views) {
  const { docs, index, past } = views.order;
  const { event } = docs[i];
  const held = index.get(event.body.of);
  if (held === undefined || !views.held.has(held) || !has(past[i], held)) return false;
  const act = docs[held].event;
  if (act.actor === event.actor || views.reviewsOf(held) & past[i]) return false;
  return event.body.decision === "discarded" || isPossible(act, view, views, past[i]);
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

/** @param {TramEvent} event @param {import("./view.js").View} view @param {Views} views @param {bigint} past */
function isPossible(event, view, views, past) {
  if (event.type === "dossier.submitted") return view.root < 0;
  if (view.root < 0) return false;
  if (event.type === "receipt.issued") return isMatchingReceipt(event, views.order, past);
  if (event.type === "dossier.conflict_resolved") return view.open.some((conflict) => views.member(event.body.chosen, conflict.members) >= 0);
  if (event.type === "dossier.commented") return true;
  if (OFFICIAL.has(event.type) && view.open.some((one) => one.kind === "decision")) return false;
  if (event.type === "dossier.accepted" && view.accepted >= 0) return false;
  return nextStatus(event.type, view.status, view.resume) !== null;
}

/** A receipt names a filing that its node had seen, with exactly its files. @param {TramEvent} event @param {import("./order.js").Order} order @param {bigint} past */
function isMatchingReceipt({ body }, order, past) {
  const of = order.index.get(body.of);
  if (of === undefined || !has(past, of)) return false;
  const filing = order.docs[of].event;
  const named = new Set(filing.files.map((file) => file.sha256));
  const held = new Set(body.files);
  return FILINGS.has(filing.type) && named.size === held.size && [...named].every((file) => held.has(file));
}

/** @param {string} stream @param {import("./order.js").Order} order @param {Views} views @param {bigint} refused @param {EventTime[]} times @returns {Dossier} */
function describe(stream, order, views, refused, times) {
  const view = views.whole();
  const dropped = views.dropped((bit(order.docs.length) - 1n) & ~order.waiting);
  const at = (/** @type {number} */ i) => views.event(i);
  const idOf = (/** @type {number} */ i) => order.ids[views.standsFor(i)];
  const valid = order.docs.map((_, i) => i).filter((i) => !has(refused | order.waiting | dropped, i) && !views.held.has(i));
  const that = (/** @type {string} */ type) => valid.filter((i) => at(i).type === type);
  const stepped = (/** @type {string} */ type) => members(view.stepped).filter((i) => at(i).type === type);
  const submission = view.root >= 0 ? at(view.root).body : null;
  const submissionId = view.root >= 0 ? idOf(view.root) : "";
  const accepted = view.accepted >= 0 ? at(view.accepted).body : null;
  const asked = stepped("dossier.supplement_requested").at(-1);
  const decided = stepped("dossier.resolved").at(-1);
  const ended = ["dossier.refused", "dossier.stopped"].flatMap(stepped).at(-1);
  const supplements = that("dossier.supplemented").filter((i) => !has(view.setAside, i));
  return {
    stream, status: view.status, procedure: submission?.procedure ?? "", submission, submissionId,
    code: accepted?.code ?? "", due: accepted?.due ?? "",
    form: Object.assign({}, submission?.form, ...supplements.map((i) => at(i).body.form ?? {})),
    request: view.status === "waiting_papers" && asked !== undefined ? { items: at(asked).body.items, reason: at(asked).body.reason, id: idOf(asked) } : null,
    reason: ended === undefined ? "" : at(ended).body.reason,
    result: decided === undefined ? null : { outcome: at(decided).body.outcome, summary: at(decided).body.summary, files: at(decided).files },
    conflicts: conflictsOf(order, views, view),
    received: that("receipt.issued").some((i) => at(i).body.of === submissionId),
    steps: order.docs.map(({ event: { type, at: when, actor, body, files } }, i) => {
      const review = views.held.has(i) ? reviewOf(i, views, dropped) : -1;
      const { decision, reason } = review >= 0 ? order.docs[review].event.body : {};
      const reviewed = review < 0 ? null : { decision, reason, id: order.ids[review] };
      return { id: order.ids[i], type, at: when, actor, body, files, state: stateOf(i, views, view, refused, dropped), time: times[i], reviewed };
    }),
    heads: order.heads, missing: order.missing,
  };
}

/** The review that settled a held act, -1 if none has. @param {number} held @param {Views} views @param {bigint} dropped */
const reviewOf = (held, views, dropped) => members(views.reviewsOf(held) & ~dropped)[0] ?? -1;

/** @param {number} i @param {Views} views @param {import("./view.js").View} view @param {bigint} refused @param {bigint} dropped @returns {StepState} */
function stateOf(i, views, view, refused, dropped) {
  const { order } = views;
  if (has(order.waiting, i)) return "waiting";
  if (views.standsFor(i) !== i) return has(dropped, i) ? "overtaken" : "applied";
  if (views.held.has(i)) {
    const review = reviewOf(i, views, dropped);
    if (review < 0) return "held";
    return views.standsFor(review) === review ? "not_applied" : outcomeOf(review, view);
  }
  return has(refused, i) ? "not_applied" : outcomeOf(i, view);
}

/** @param {number} i @param {import("./view.js").View} view @returns {StepState} of an event that was admitted */
function outcomeOf(i, view) {
  if (has(view.setAside, i)) return "set_aside";
  if (has(view.disputed, i)) return "disputed";
  return has(view.overtaken, i) ? "overtaken" : "applied";
}

/** @param {import("./order.js").Order} order @param {Views} views @param {import("./view.js").View} view @returns {Dossier["conflicts"]} */
function conflictsOf(order, views, view) {
  const named = (/** @type {bigint} */ set) => members(set).map((i) => order.ids[views.standsFor(i)]);
  const undone = view.open.reduce((all, one) => all | one.undone, 0n);
  const settled = [...views.resolutions].filter(([i, one]) => !has(undone, i) && (view.setAside & one.losers) === one.losers);
  return [
    ...view.open.map((one) => ({ kind: one.kind, events: named(one.sides), settledBy: "" })),
    ...settled.map(([i, one]) => ({ kind: one.kind, events: named(one.sides), settledBy: order.ids[views.standsFor(i)] })),
  ];
}
