// The order of a stream's events: causes first, ties by id. The twin of `server/dossier/order.py`.
//
//     a ── b ── d          past(d) = {a, b, c}: everything its author had seen, directly or not
//       └─ c ──┘           b and c are parallel: neither is in the other's past
//
// A withdrawal lets everything parallel go first. Sets of events are bits of one BigInt, bit i for `docs[i]`. An event that
// names one not here yet is waiting, and so is all that builds on it.

import { idInDocument } from "./event.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/**
 * @typedef {object} Order
 * @property {EventDocument[]} docs in order
 * @property {string[]} ids of the events, in order
 * @property {Map<string, number>} index
 * @property {bigint[]} past what each event builds on, without itself
 * @property {number[][]} parents the direct ones that are here
 * @property {bigint} waiting events that lack a cause
 * @property {string[]} missing ids nobody here has
 * @property {string[]} heads ids nothing complete builds on: what a new event names
 */

const LATE = new Set(["dossier.withdrawn"]);

/** @param {number} i @returns {bigint} */
export const bit = (i) => 1n << BigInt(i);

/** @param {bigint} set @param {number} i */
export const has = (set, i) => ((set >> BigInt(i)) & 1n) === 1n;

/** @param {bigint} set @returns {number[]} the indexes in a set, lowest first */
export function members(set) {
  const found = [];
  for (let i = 0; set; i++, set >>= 1n) if (set & 1n) found.push(i);
  return found;
}

/** @param {Order} order @param {number} one @param {number} other @returns {boolean} whether neither is in the past of the other */
export const isParallel = (order, one, other) => one !== other && !has(order.past[one], other) && !has(order.past[other], one);

/** @param {EventDocument[]} docs of one stream, in any order, each perhaps several times @returns {Order} */
export function arrange(docs) {
  const ordered = topological(new Map(docs.map((doc) => [idInDocument(doc), doc])));
  const ids = ordered.map(idInDocument);
  const index = new Map(ids.map((id, i) => [id, i]));
  /** @type {bigint[]} */
  const past = [];
  /** @type {number[][]} */
  const parents = [];
  const missing = new Set();
  let waiting = 0n;
  ordered.forEach((doc, i) => {
    let causes = 0n;
    parents.push([]);
    for (const name of doc.event.prev) {
      const cause = index.get(name);
      if (cause === undefined) {
        missing.add(name);
        waiting |= bit(i);
      } else {
        causes |= past[cause] | bit(cause);
        if (has(waiting, cause)) waiting |= bit(i);
        parents[i].push(cause);
      }
    }
    past.push(causes);
  });
  const covered = past.reduce((all, causes, i) => (has(waiting, i) ? all : all | causes), 0n);
  const heads = ids.filter((_, i) => !has(covered | waiting, i)).sort();
  return { docs: ordered, ids, index, past, parents, waiting, missing: [...missing].sort(), heads };
}

/** Kahn's algorithm. Hashes cannot form a circle, so every event comes out. @param {Map<string, EventDocument>} byId @returns {EventDocument[]} */
function topological(byId) {
  const causesLeft = new Map([...byId].map(([id, { event }]) => [id, event.prev.filter((name) => byId.has(name)).length]));
  /** @type {Map<string, string[]>} */
  const effects = new Map();
  for (const [id, { event }] of byId) for (const cause of event.prev) effects.set(cause, [...(effects.get(cause) ?? []), id]);
  const typeOf = (/** @type {string} */ id) => byId.get(id)?.event.type ?? "";
  const before = (/** @type {string} */ a, /** @type {string} */ b) => Number(LATE.has(typeOf(a))) - Number(LATE.has(typeOf(b))) || (a < b ? -1 : 1);
  const ready = [...byId.keys()].filter((id) => !causesLeft.get(id));
  const ordered = [];
  while (ready.length) {
    ready.sort(before);
    const id = /** @type {string} */ (ready.shift());
    ordered.push(/** @type {EventDocument} */ (byId.get(id)));
    for (const effect of effects.get(id) ?? []) {
      const left = /** @type {number} */ (causesLeft.get(effect)) - 1;
      causesLeft.set(effect, left);
      if (!left) ready.push(effect);
    }
  }
  return ordered;
}
