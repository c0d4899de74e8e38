// Registering this phone: make a key, ask for a certificate, wait for the office to compare six digits.

import { NodeApi, Refused } from "./lib/api.js";
import { buildEnrolmentRequest, comparisonCode } from "./lib/enrolment.js";
import { ORIGIN, nodeNowMs, refreshNode, reloadKey, state, tellAll } from "./state.js";
import { acceptCertificate, makeKey, readKey, saveKey } from "./store/keys.js";

/**
 * @param {{name: string, phone?: string, idNumber?: string, activation?: string}} person
 * @returns {Promise<import("./store/keys.js").KeyRecord>} pending or issued. Throws what lib/api.js and store/keys.js throw.
 */
export async function registerPhone({ activation, ...person }) {
  await refreshNode();
  const kept = await readKey("citizen");
  // A key whose request never reached the node is asked for again; a refused one is not.
  const record = kept?.state === "made" ? { ...kept, ...person } : await makeKey("citizen", person);
  const once = { nowS: Math.floor(nodeNowMs() / 1000), nonce: crypto.getRandomValues(new Uint8Array(16)) };
  const request = await buildEnrolmentRequest({ ...person, kind: "citizen", activation }, record, once);
  const answer = await new NodeApi(ORIGIN).postEnrolment(request);
  await saveKey({ ...record, state: "pending", code: await comparisonCode(record.thumbprint) });
  await take(answer);
  return /** @type {import("./store/keys.js").KeyRecord} */ (state.record);
}

/** Ask how the request stands. A node that no longer knows it counts as a refusal: the phone asks again from the start. */
export async function pollEnrolment() {
  const record = await readKey("citizen");
  if (record?.state !== "pending") return;
  try {
    await take(await new NodeApi(ORIGIN).fetchEnrolment(record.thumbprint));
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.status !== 404) throw cause;
    await saveKey({ ...record, state: "refused" });
    await reloadKey();
    tellAll("key");
  }
}

/** @param {any} answer of the enrolment routes */
async function take(answer) {
  const record = /** @type {import("./store/keys.js").KeyRecord} */ (await readKey("citizen"));
  if (answer.certificate) {
    const node = state.node ?? (await refreshNode());
    const pinned = { unit: node.unit, name: node.name, urn: node.urn, certificate: node.certificate };
    await acceptCertificate(record, answer, pinned);
  } else if (answer.state === "refused") {
    await saveKey({ ...record, state: "refused" });
  }
  await reloadKey();
  tellAll("key");
}
