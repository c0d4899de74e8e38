// The receipts this phone keeps, as COSE for a QR code, and what the office's log was found to keep of them. Fetched and checked
// when there is a network, shown without one.

import { Refused } from "./lib/api.js";
import { fromBase64 } from "./lib/base64url.js";
import { NotAReceipt, decodeFragment, parseSign1, verifyCitizenReceipt } from "./lib/cose.js";
import { isIssuedBy, parseCertificate, publicKeyOf } from "./lib/der.js";
import { idInDocument } from "./lib/event.js";
import { sha256 } from "./lib/hashing.js";
import { readLogKeys } from "./lib/logkeys.js";
import { RevokedLog, verifyProof } from "./lib/logproof.js";
import { BadProof } from "./lib/merkle.js";
import { BadNote } from "./lib/note.js";
import { judgeReceipt } from "./lib/omission.js";
import { isWorse } from "./lib/revocation.js";
import { verifyReceipt } from "./lib/trust.js";
import { keptLists, listsTag } from "./revocations.js";
import { nodeNowMs, state } from "./state.js";
import { get, getAll, put } from "./store/db.js";
import { allEvents } from "./store/mine.js";
import { currentTrust } from "./trusted.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/** @typedef {import("./lib/omission.js").Judgement} Judgement */
/** @typedef {import("./lib/revocation.js").Verdict} Verdict */
/**
 * @typedef {object} KeptReceipt
 * @property {string} id              event id of what was filed
 * @property {string} stream
 * @property {string} url             what the QR code says
 * @property {import("./lib/cose.js").Receipt} promise
 * @property {Judgement | null} found null until the log was asked
 * @property {number} checkedMs
 * @property {string[]} certificates  of the log keys that `found` rests on, base64 DER
 * @property {Record<string, string>} names unit → its name, as the office's node says it
 * @property {Judgement} [before]     the last one that found the event, where the newest does not
 * @property {string} [signer]        the certificate it was verified under, base64 DER; absent of receipts kept before lists were known: the pinned one
 * @property {number} [heldMs]        since when this phone has it: what was here before a key was revoked was signed before
 * @property {string} [lists]         `listsTag` of the revocation lists by which `verdict` was found
 * @property {Verdict} [verdict]      as of then; a page that shows it judges by the time it is shown
 * @property {number} [worseMs]       when newer lists left less of it to rely on
 */

const PIN = 8; // bytes of a certificate's hash in a receipt (docs/formats/receipt.md)
// Until a unit above has cosigned: it does so within the hour after it met the office.
const ASK_AGAIN_MS = 10 * 60_000;
const SHOWN = new Set(["cosigned", "logged"]);

/** @param {string} eventId @returns {Promise<KeptReceipt | null>} */
export const keptReceipt = async (eventId) => (await get("receipts", eventId)) ?? null;

/**
 * Fetch receipts that are not here yet, and ask the log about those it has not settled.
 * @param {import("./lib/api.js").NodeApi} api @param {{only?: string}} [options] `only`: this event, however long ago it was asked
 * @returns {Promise<boolean>} whether anything changed. Throws what lib/api.js throws, but for refusals.
 */
export async function refreshReceipts(api, { only } = {}) {
  const docs = await allEvents();
  const byId = new Map(docs.map((doc) => [idInDocument(doc), doc]));
  let changed = false;
  for (const receipt of docs) {
    if (receipt.event.type !== "receipt.issued") continue;
    const filing = byId.get(receipt.event.body.of);
    if (!filing || (only && idInDocument(filing) !== only)) continue;
    const kept = await keptReceipt(idInDocument(filing));
    if (kept && !only && !isDue(kept)) continue;
    if (!(await isTrue(receipt, filing))) continue;
    changed = (await unlessRefused(() => refreshOne(api, filing, kept))) || changed;
  }
  return changed;
}

/** One receipt that the node will not speak of holds up nothing else. @param {() => Promise<boolean>} work @returns {Promise<boolean>} */
async function unlessRefused(work) {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Refused) || cause.status === 401) throw cause;
    console.info("the log was not asked", cause);
    return false;
  }
}

// The absolute difference: a phone's clock may be set back.
const isDue = (/** @type {KeptReceipt} */ { found, checkedMs }) => found?.standing !== "cosigned" && Math.abs(Date.now() - checkedMs) >= ASK_AGAIN_MS;

/** @param {EventDocument} receipt @param {EventDocument} filing */
const isTrue = (receipt, filing) => currentTrust().then((trust) => verifyReceipt(receipt, filing, trust)).then(() => true, () => false);

/** @param {import("./lib/api.js").NodeApi} api @param {EventDocument} filing @param {KeptReceipt | null} kept @returns {Promise<boolean>} */
async function refreshOne(api, filing, kept) {
  const held = kept ?? (await fetchKept(api, filing));
  if (!held) return false;
  const { certificates, names } = await api.fetchLogSigners();
  const { identity } = state;
  if (!identity) return false;
  const keys = await logKeys(certificates, identity);
  const found = await judgeReceipt(held.promise, api, keys);
  const before = held.found && SHOWN.has(held.found.standing) ? held.found : held.before;
  await put("receipts", { ...held, found, certificates, names, checkedMs: Date.now(), ...(before && !SHOWN.has(found.standing) && { before }) });
  return true;
}

/** @param {import("./lib/api.js").NodeApi} api @param {EventDocument} filing @returns {Promise<KeptReceipt | null>} null while the node gives none */
async function fetchKept(api, filing) {
  const id = idInDocument(filing);
  try {
    const { url } = await api.fetchReceipt(id);
    const { promise, signer } = await verifyUrl(String(url));
    if (promise.event !== id) throw new NotAReceipt("unit", "the receipt is for another event");
    /** @type {KeptReceipt} */
    const kept = { id, stream: filing.event.stream, url: String(url), promise, found: null, checkedMs: 0, certificates: [], names: {}, signer, heldMs: Math.max(Date.now(), nodeNowMs()) };
    await put("receipts", kept);
    return kept;
  } catch (cause) {
    // A node that is in doubt about its clock or log signs none now; one that does not hold is not kept.
    if ((cause instanceof Refused && cause.status !== 401) || cause instanceof NotAReceipt) {
      console.info(`no receipt for ${id}`, cause);
      return null;
    }
    throw cause;
  }
}

/** @param {string} url @returns {Promise<{promise: import("./lib/cose.js").Receipt, signer: string}>} what it says, proven under the office's key, whose certificate is `signer`. Throws `NotAReceipt`. */
async function verifyUrl(url) {
  const [, fragment] = /^https:\/\/[^/]+\/r#([A-Za-z0-9_-]+)$/.exec(url) ?? [];
  const { identity } = state;
  if (!fragment || !identity) throw new NotAReceipt("origin", "not the address of a receipt");
  const sign1 = parseSign1(decodeFragment(fragment));
  const unit = identity.node.urn.replace("urn:tram:node:", "").replaceAll("-", ".").toUpperCase();
  const signer = await officeCertificate(sign1.kid, identity);
  return { promise: await verifyCitizenReceipt(sign1, await publicKeyOf(parseCertificate(fromBase64(signer))), unit), signer };
}

/** @param {Uint8Array} kid @param {import("./state.js").Identity} identity @returns {Promise<string>} the pinned node's certificate, or its newer one, base64 DER */
async function officeCertificate(kid, { node, chain }) {
  for (const text of [node.certificate, state.node?.certificate]) {
    if (!text) continue;
    const der = fromBase64(text);
    const thumbprint = (await sha256(der)).subarray(0, PIN);
    if (thumbprint.some((byte, i) => byte !== kid[i])) continue;
    const certificate = parseCertificate(der);
    const pinned = text === node.certificate || (await isIssuedBy(certificate, parseCertificate(fromBase64(chain[0])), new Date(nodeNowMs())));
    if (pinned && certificate.uris.includes(node.urn)) return text;
  }
  throw new NotAReceipt("unit", "signed with another key than the office's");
}

/** @param {string[]} certificates base64 DER @param {import("./state.js").Identity} identity */
const logKeys = async (certificates, { node, chain }) => readLogKeys(certificates, { urn: node.urn, chain }, new Date(nodeNowMs()), await keptLists());

/** @param {KeptReceipt} kept @returns {Promise<Verdict>} whether its signature counts, by the lists and the time of now */
export async function judgeKept(kept) {
  const { promise, signer, heldMs = Infinity, found } = kept;
  const trust = await currentTrust();
  const cosignedMs = found?.standing === "cosigned" ? found.witnesses[0].timeS * 1000 : Infinity;
  const provenMs = Math.min(heldMs, cosignedMs);
  const times = { claimedMs: promise.issued * 1000, provenMs: provenMs === Infinity ? null : provenMs, nowMs: nodeNowMs() };
  return trust.judgeCertificate(parseCertificate(fromBase64(signer ?? trust.pins.certificate)), times);
}

/** Judge again what is kept where lists have come since. @returns {Promise<boolean>} whether anything was */
export async function reviewReceipts() {
  if (!state.identity) return false;
  const lists = await listsTag();
  const old = /** @type {KeptReceipt[]} */ (await getAll("receipts")).filter((kept) => kept.lists !== lists);
  for (const kept of old) {
    const found = await reviewLog(kept);
    const verdict = await judgeKept({ ...kept, found });
    const worse = kept.verdict !== undefined && isWorse(kept.verdict, verdict);
    await put("receipts", { ...kept, found, lists, verdict, worseMs: worse ? nodeNowMs() : verdict.status === "valid" ? 0 : (kept.worseMs ?? 0) });
  }
  return old.length > 0;
}

/** @param {KeptReceipt} kept @returns {Promise<Judgement | null>} what its log showed, without what revoked keys signed of it */
async function reviewLog({ found, promise, certificates }) {
  const { identity } = state;
  if (!identity || !found || !SHOWN.has(found.standing)) return found;
  try {
    const keys = await logKeys(certificates, identity);
    const { witnesses } = await verifyProof(found.proof, promise.event, keys);
    return { ...found, standing: witnesses.length ? "cosigned" : "logged", witnesses: witnesses.map(({ name, timeS }) => ({ unit: keys.unitOf(name), timeS })) };
  } catch (cause) {
    if (cause instanceof RevokedLog) return { ...found, standing: "revoked", witnesses: [], reason: cause.message };
    // The keys it was checked with are not known any more (a browser that lost Ed25519): nothing new is learned.
    if (cause instanceof BadProof || cause instanceof BadNote) return found;
    throw cause;
  }
}

/**
 * What convicts a log that does not keep what it promised, for whoever is to judge it: every signed statement in full.
 * @param {KeptReceipt} kept @param {EventDocument[]} docs of the stream @returns {Record<string, any>} docs/formats/receipt.md, "Evidence"
 */
export function evidenceOf({ id, url, found, before, certificates }, docs) {
  const { identity } = state;
  const filing = docs.find((doc) => idInDocument(doc) === id);
  const receipt = docs.find((doc) => doc.event.type === "receipt.issued" && doc.event.body.of === id);
  return {
    v: 1, kind: "tram-receipt-evidence", url, standing: found?.standing ?? "", reason: found?.reason ?? "", checked: new Date(nodeNowMs()).toISOString(),
    note: found?.note ?? "", proof: found?.proof ?? "", proof_before: before?.proof ?? "", filing, receipt,
    node: identity?.node.certificate ?? "", chain: identity?.chain ?? [], log_certificates: certificates,
  };
}
