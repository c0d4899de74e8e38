// What is known of an event beside the event itself: when it existed by, when its signer's certificate ended. The twin of
// `server/dossier/proofs.py`. Times are written as events write them, "2026-11-21T07:12:09Z", so that text sorts as time does.

import { has } from "./order.js";

/** @typedef {import("./event.js").TramEvent} TramEvent */
/**
 * Evidence by event id; `checkpoints` by the text an event names in `after`; `logged`: events the owner's log is known to hold.
 * @typedef {{times?: Record<string, string>, ends?: Record<string, string>, doubts?: Record<string, string>, checkpoints?: Record<string, string>, logged?: string[]}} Proofs
 */
/**
 * `shown` is the proven time, or while nothing proves one the claim, but not before the checkpoint (`notBefore`). `provisional`: it
 * may still become earlier, since the owner's log has not been seen to hold the event. `differs`: the claim cannot be right.
 * @typedef {{claimed: string, proven: string, notBefore: string, shown: string, provisional: boolean, differs: boolean}} EventTime
 */

/** Clocks of tablets are minutes wrong, and a node's log takes an event when it arrives. */
export const TOLERANCE_MS = 15 * 60_000;

/**
 * @param {import("./order.js").Order} order @param {Proofs} proofs
 * @param {(event: TramEvent, id: string) => boolean} isOffice whether a node is that of the unit or of one above
 * @returns {EventTime[]} whatever such a node signed proves all that it builds on, and itself
 */
export function eventTimes(order, proofs, isOffice) {
  const proven = order.ids.map((id) => proofs.times?.[id] ?? "");
  order.docs.forEach(({ event }, i) => {
    if (!event.actor.startsWith("urn:tram:node:") || !isOffice(event, order.ids[i])) return;
    proven.forEach((known, j) => {
      if ((j === i || has(order.past[i], j)) && (!known || event.at < known)) proven[j] = event.at;
    });
  });
  const logged = new Set(proofs.logged);
  return order.docs.map(({ event }, i) => {
    const own = proven[i] !== "" && event.actor.startsWith("urn:tram:node:") && Boolean(isOffice(event, order.ids[i]));
    return timesOf(event, proven[i], own || logged.has(order.ids[i]), proofs);
  });
}

/** @param {TramEvent} event @param {string} proven @param {boolean} settled @param {Proofs} proofs @returns {EventTime} */
function timesOf(event, proven, settled, proofs) {
  const seen = (event.after && proofs.checkpoints?.[event.after]) || "";
  const isLate = (/** @type {string} */ one, /** @type {string} */ other) => Date.parse(one) - Date.parse(other) > TOLERANCE_MS;
  const tooEarly = seen !== "" && isLate(seen, event.at);
  const tooLate = proven !== "" && isLate(event.at, proven);
  const datedBack = proven !== "" && settled && isLate(proven, event.at);
  const shown = proven || (seen > event.at ? seen : event.at);
  return { claimed: event.at, proven, notBefore: seen, shown, provisional: !settled, differs: tooEarly || tooLate || datedBack };
}

/** Whether the signer's certificate may have ended before the signature was made. @param {string} id @param {EventTime} time @param {Proofs} proofs */
export function isCertificateInDoubt(id, time, proofs) {
  const ends = proofs.ends?.[id];
  if (time.proven && ends) return time.proven >= ends;
  return !["", "crl_stale"].includes(proofs.doubts?.[id] ?? "");
}
