// Registering this phone: make a key, ask for a certificate, wait for the office to compare six digits. Where no network joins
// phone and office, request and certificate go as QR codes; nothing is believed because of the road it came by.

import { Busy, NodeApi, Refused, Unreachable } from "./lib/api.js";
import { decode, fromBase64, toBase64 } from "./lib/base64url.js";
import { isIssuedBy, parseCertificate } from "./lib/der.js";
import { buildEnrolmentRequest, comparisonCode } from "./lib/enrolment.js";
import { ORIGIN, nodeNowMs, refreshNode, reloadKey, state, tellAll } from "./state.js";
import { readKey, replaceKey } from "./store/keys.js";
import { UnfitAnswer, acceptCertificate, makeKey } from "./store/newkey.js";

/** @typedef {import("./store/keys.js").KeyRecord} KeyRecord */

/**
 * @param {{name: string, phone?: string, idNumber?: string, activation?: string}} person
 * @returns {Promise<KeyRecord>} pending or issued; pending and `unsent` where the office cannot be reached, to be shown at the
 *   counter. Throws what lib/api.js and store/newkey.js throw; `Unreachable` only on a phone that has never met its office.
 */
export async function registerPhone({ activation, ...person }) {
  if (!(await isReachable()) && !state.node) throw new Unreachable("this phone has never met its office");
  const kept = await readKey("citizen");
  // Another window was quicker: a key that waits for approval, or has it, is never made anew over.
  if (kept?.state === "pending" || (kept?.state === "issued" && !kept.revoked)) {
    await announce();
    return kept;
  }
  // A key whose request never reached the node is asked for again; a refused one is not.
  const made = kept?.state === "made" ? { ...kept, ...person } : await makeKey("citizen", person);
  const record = { ...made, code: await comparisonCode(made.thumbprint) };
  try {
    await send(record, activation);
  } catch (cause) {
    if (!(cause instanceof Unreachable)) throw cause;
    await replaceKey(record, { ...record, state: "pending", unsent: true, activation });
    await announce();
  }
  // From here on there is something that nobody can bring back: ask the browser not to evict it when the phone is full.
  void navigator.storage?.persist?.();
  return /** @type {KeyRecord} */ (state.record);
}

/** @returns {Promise<boolean>} whether the office's node answers; then its clock and name are known afresh */
async function isReachable() {
  try {
    await refreshNode();
    return true;
  } catch (cause) {
    if (cause instanceof Unreachable) return false;
    throw cause;
  }
}

/** @param {KeyRecord} record @param {string} [activation] */
async function send(record, activation) {
  const answer = await new NodeApi(ORIGIN).postEnrolment(await signRequest(record, activation));
  /** @type {KeyRecord} */
  const waiting = { ...asSent(record), state: "pending" };
  await replaceKey(record, waiting);
  await take(waiting, answer);
}

/**
 * @param {KeyRecord} record @param {string} [activation]
 * @returns {Promise<string>} the request, signed now with the key itself: for the node, or for a QR code at the counter
 */
export function signRequest(record, activation) {
  const { name, phone, idNumber } = record;
  const once = { nowS: Math.floor(nodeNowMs() / 1000), nonce: crypto.getRandomValues(new Uint8Array(16)) };
  return buildEnrolmentRequest({ name, phone, idNumber, kind: "citizen", activation }, record, once);
}

/** Ask how the request stands. A node that no longer knows it counts as a refusal: the phone asks again from the start. */
export async function pollEnrolment() {
  const record = await readKey("citizen");
  if (record?.state !== "pending") return;
  try {
    if (record.unsent) await sendKept(record);
    else await take(record, await new NodeApi(ORIGIN).fetchEnrolment(record.thumbprint));
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.status !== 404) throw cause;
    if (await replaceKey(record, { ...record, state: "refused" })) await announce();
  }
}

/** The node does not take our word: ask whether the office has taken this key away, and remember the answer. The key itself stays. */
export async function askWhetherRevoked() {
  const record = await readKey("citizen");
  if (record?.state !== "issued") return;
  try {
    const revoked = (await new NodeApi(ORIGIN).fetchEnrolment(record.thumbprint)).revoked === true;
    if (revoked === (record.revoked === true)) return;
    if (!(await replaceKey(record, { ...record, revoked }))) return;
  } catch (cause) {
    // Another node than the one that enrolled us, one that is busy, or a cut: nothing was learned, and the line's own state says the rest.
    if (!(cause instanceof Refused || cause instanceof Unreachable || cause instanceof Busy)) throw cause;
    return;
  }
  await announce();
}

/** Send what could not go before. A code that has ended meanwhile is left out: an official looks instead. @param {KeyRecord} record */
async function sendKept(record) {
  try {
    await send(record, record.activation);
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.error !== "bad_activation") throw cause;
    await send(record);
  }
}

/**
 * Take the certificate that came as a QR code or as text. It must be for this phone's key and issued by the authority of the
 * office this phone has met; who handed it over does not count.
 * @param {string} text what the code says: an address that ends in the certificate, or the certificate alone (base64url)
 * @returns {Promise<void>} Throws `UnfitAnswer`, and what `acceptCertificate` throws for another key's certificate.
 */
export async function takeScanned(text) {
  const record = await readKey("citizen");
  if (record?.state !== "pending") throw new UnfitAnswer("unasked", "this phone waits for no certificate");
  const [, encoded] = /(?:^|#\/register\/)([A-Za-z0-9_-]{200,4000})$/.exec(text.replace(/\s+/g, "")) ?? [];
  if (!encoded) throw new UnfitAnswer("form", "not the text of a certificate's code");
  const der = decode(encoded);
  const chain = state.node?.chain ?? [];
  if (!(await isFrom(chain[0], der))) throw new UnfitAnswer("foreign", "issued by an authority this phone does not know");
  await take(record, { state: "issued", certificate: toBase64(der), chain });
}

/** @param {string | undefined} authority base64 DER of the office's own CA: those above it enrol for other offices @param {import("./lib/bytes.js").Bytes} der */
async function isFrom(authority, der) {
  const certificate = parseCertificate(der);
  return authority !== undefined && !certificate.ca && isIssuedBy(certificate, parseCertificate(fromBase64(authority)), new Date(nodeNowMs()));
}

/**
 * Do as the office answered, unless the key was given up while the answer was on its way.
 * @param {KeyRecord} record the key that was asked about, as it waits @param {any} answer of the enrolment routes
 */
async function take(record, answer) {
  const kept = asSent(record);
  if (answer.certificate) {
    const node = state.node ?? (await refreshNode());
    const pinned = { unit: node.unit, name: node.name, urn: node.urn, certificate: node.certificate };
    await acceptCertificate(kept, answer, pinned);
  } else if (answer.state === "refused") {
    await replaceKey(kept, { ...kept, state: "refused" });
  }
  await announce();
}

/** @param {KeyRecord} record @returns {KeyRecord} without what is kept only until the office has the request */
const asSent = ({ unsent: _, activation: __, ...record }) => record;

async function announce() {
  await reloadKey();
  tellAll("key");
}
