// Whom this phone believes just now: what it pinned at enrolment, and what came since.

import { Trust } from "./lib/trust.js";
import { keptLists } from "./revocations.js";
import { state } from "./state.js";
import { findCertificate } from "./store/mine.js";

/** @returns {Promise<Trust>} in the node pinned at enrolment and what its authority issued since, with the revocation lists that are here */
export async function currentTrust() {
  const { identity } = state;
  if (!identity) throw new Error("without a registration nobody is trusted yet");
  const pins = { urn: identity.node.urn, certificate: identity.node.certificate, chain: identity.chain };
  return new Trust(pins, async (x5t) => (await findCertificate(x5t)) ?? state.node?.certificate ?? null, await keptLists());
}
