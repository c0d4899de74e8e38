// The order by which a dossier is erased, as a phone judges it before it drops its own copy.
//
//     erasure.proposed   {dossier, basis, rule, ended, events, files}     one voice
//     erasure.confirmed  {of: id of the proposal}                         another
//
// Both stand in the unit's stream. A phone has no role grants: that the two had the right to order it is the node's word, as
// with every step of an official; that they signed it is proven here.

import { idInDocument } from "./event.js";
import { BadSignature } from "./jws.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {{proposal: EventDocument, confirmation: EventDocument}} Order */

/** @param {EventDocument[]} docs @returns {Order[]} the confirmed orders among them; nothing is verified yet */
export function findOrders(docs) {
  const seconds = docs.filter(({ event }) => event.type === "erasure.confirmed");
  return docs.filter(({ event }) => event.type === "erasure.proposed").flatMap((proposal) => {
    const id = idInDocument(proposal);
    const confirmation = seconds.find(({ event }) => event.body.of === id && event.actor !== proposal.event.actor);
    return confirmation ? [{ proposal, confirmation }] : [];
  });
}

/**
 * @param {Order} order @param {EventDocument[]} held what this phone has of the dossier @param {import("./trust.js").Trust} trust @param {number} nowMs
 * @returns {Promise<void>} when two different voices of the dossier's own unit, neither of them revoked, have signed it and it names what is held here.
 *   Throws `BadSignature`.
 */
export async function verifyOrder({ proposal, confirmation }, held, trust, nowMs) {
  const { unit, body, actor } = proposal.event;
  const stream = `unit.${unit.toLowerCase().replaceAll(".", "-")}`;
  if (proposal.event.stream !== stream || confirmation.event.stream !== stream) throw new BadSignature("an order from another stream");
  if (confirmation.event.unit !== unit || confirmation.event.body.of !== idInDocument(proposal)) throw new BadSignature("a confirmation of something else");
  if (confirmation.event.actor === actor) throw new BadSignature("one voice alone");
  const filed = held.find(({ event }) => event.type === "dossier.submitted");
  if (filed && (filed.event.unit !== unit || !new Set(body.events).has(idInDocument(filed)))) throw new BadSignature("the order does not name this dossier's submission");
  await trust.verifyUnrevoked(proposal, nowMs);
  await trust.verifyUnrevoked(confirmation, nowMs);
}

/**
 * What of a dossier may stay on the phone: hashes, the office's code, who ordered the erasure and why. Neither the procedure
 * nor a name: a list of one's erased dossiers must not tell what they were about.
 * @typedef {object} Erased
 * @property {string} stream @property {string} code official code, "" where none was given
 * @property {string} submission @property {string} receipt ids of the two events, "" where there is none
 * @property {string} order @property {string} confirmation ids of the two events
 * @property {string} basis @property {string} rule @property {string} ended
 * @property {string} proposer @property {string} confirmer names, "" where the node knew none
 * @property {string} confirmedAt RFC 3339
 */

/**
 * @param {Order} order @param {EventDocument[]} held @param {{proposer?: string, confirmer?: string, confirmed_at?: string}} told by the node
 * @returns {Erased}
 */
export function buildErased({ proposal, confirmation }, held, told) {
  const { dossier, basis, rule, ended } = proposal.event.body;
  const idOf = (/** @type {string} */ type) => held.filter(({ event }) => event.type === type).map(idInDocument)[0] ?? "";
  return {
    stream: dossier, code: held.find(({ event }) => event.type === "dossier.accepted")?.event.body.code ?? "",
    submission: idOf("dossier.submitted"), receipt: idOf("receipt.issued"),
    order: idInDocument(proposal), confirmation: idInDocument(confirmation), basis, rule, ended,
    proposer: told.proposer ?? "", confirmer: told.confirmer ?? "", confirmedAt: told.confirmed_at ?? confirmation.event.at,
  };
}
