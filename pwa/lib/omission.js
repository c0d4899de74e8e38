// Whether the office's log keeps what a receipt promised: the event under its head, and that head in its history.
//
//     cosigned      the event is under a head that a unit above cosigned: nobody can take it out unseen
//     logged        it is under a head the office's log signed; no unit above has cosigned one yet
//     missing       the log has grown past the receipt and does not show the event: the receipt is evidence
//     contradicts   it shows the event, in another history than the receipt fixed: evidence too
//     behind        the log stands before the receipt's head: a machine that was restored, or an old head
//     revoked       the log's key was revoked before anybody above cosigned what it shows: it proves nothing either way
//     unchecked     no key of the log could be checked here (no certificate, or a browser without Ed25519)
//
// A node that answers "not found" says so unsigned; what convicts it is its signed receipt and its signed, longer head, to
// which only the missing proof of inclusion would be an answer.

import { Refused } from "./api.js";
import { decode } from "./base64url.js";
import { sameBytes } from "./bytes.js";
import { RevokedLog, verifyHead, verifyProof } from "./logproof.js";
import { BadProof, verifyConsistency } from "./merkle.js";
import { BadNote } from "./note.js";

/** @typedef {import("./cose.js").Receipt} Receipt */
/** @typedef {import("./logkeys.js").LogKeys} LogKeys */
/** @typedef {import("./logproof.js").Head} Head */
/** @typedef {"cosigned" | "logged" | "missing" | "contradicts" | "behind" | "revoked" | "unchecked"} Standing */
/**
 * @typedef {object} Judgement
 * @property {Standing} standing
 * @property {number} size            leaves of the head that was looked at, 0 if none was shown
 * @property {string} proof           the full proof as the node gave it, "" without one
 * @property {string} note            the newest head it showed, where the event was not found under one
 * @property {{unit: string, timeS: number}[]} witnesses who cosigned, earliest first
 * @property {string} reason          for logs and evidence, in English
 */
/** @typedef {Pick<import("./api.js").NodeApi, "fetchProof" | "fetchHead" | "fetchConsistency">} Log */

/** What the node showed does not bear out its receipt. */
class NotShown extends Error {
  /** @param {string} message @param {string} [proof] what it sent instead */
  constructor(message, proof = "") {
    super(message);
    this.proof = proof;
  }
}

/**
 * @param {Receipt} promise verified @param {Log} log the node's answers @param {LogKeys} keys
 * @returns {Promise<Judgement>} Throws what lib/api.js throws where nothing can be said: no line, a busy node, a token it does not take.
 */
export async function judgeReceipt(promise, log, keys) {
  if (!keys.log(promise.generation).length) return judgement("unchecked", { reason: "no key of the log could be checked" });
  try {
    return await judgeProof(promise, log, keys).catch((cause) => {
      if (!(cause instanceof NotShown)) throw cause;
      return judgeAbsence(promise, log, keys, cause);
    });
  } catch (cause) {
    if (cause instanceof RevokedLog) return judgement("revoked", { reason: cause.message });
    throw cause;
  }
}

/** @param {Receipt} promise @param {Log} log @param {LogKeys} keys @returns {Promise<Judgement>} Throws `NotShown`. */
async function judgeProof(promise, log, keys) {
  const proof = await shown(() => log.fetchProof(promise.event));
  const proven = await verifyProof(proof, promise.event, keys).catch((cause) => {
    if (cause instanceof BadProof || cause instanceof BadNote) throw new NotShown(`the proof does not hold: ${cause.message}`, proof);
    throw cause;
  });
  const witnesses = proven.witnesses.map(({ name, timeS }) => ({ unit: keys.unitOf(name), timeS }));
  const found = { size: proven.size, proof, witnesses };
  const fault = proven.generation === promise.generation ? await faultOf(promise, proven, log) : proven.generation < promise.generation ? "it is in an earlier log than the receipt says" : "";
  if (fault) return judgement("contradicts", { ...found, reason: fault });
  return judgement(witnesses.length ? "cosigned" : "logged", found);
}

/** @param {Receipt} promise @param {import("./logproof.js").Proven} proven @param {Log} log @returns {Promise<string>} why the two cannot both be true, "" if they can */
async function faultOf(promise, proven, log) {
  if (proven.index >= promise.size) return `leaf ${proven.index} cannot be under a head of ${promise.size} leaves`;
  const root = decode(promise.root);
  if (proven.size === promise.size) return sameBytes(proven.root, root) ? "" : `two heads of ${promise.size} leaves`;
  const [old, fresh] = proven.size < promise.size ? [proven, { size: promise.size, root }] : [{ size: promise.size, root }, proven];
  try {
    const { proof } = await log.fetchConsistency(promise.generation, old.size, fresh.size);
    await verifyConsistency({ oldSize: old.size, newSize: fresh.size, path: proof.map(decode), oldRoot: old.root, newRoot: fresh.root });
    return "";
  } catch (cause) {
    if (cause instanceof BadProof || cause instanceof RangeError || (cause instanceof Refused && cause.status !== 401)) return `the receipt's head is not in the log's history: ${cause.message}`;
    throw cause;
  }
}

/** @param {Receipt} promise @param {Log} log @param {LogKeys} keys @param {NotShown} why @returns {Promise<Judgement>} */
async function judgeAbsence(promise, log, keys, { message, proof }) {
  const { note } = await log.fetchHead();
  const head = await verifyHead(String(note), keys).catch((cause) => {
    if (cause instanceof BadNote) return null;
    throw cause;
  });
  if (!head) return judgement("missing", { proof, note, reason: `${message}; the head it shows is not signed by its log` });
  const isBehind = head.generation < promise.generation || (head.generation === promise.generation && head.size < promise.size);
  const witnesses = head.witnesses.map(({ name, timeS }) => ({ unit: keys.unitOf(name), timeS }));
  return judgement(isBehind ? "behind" : "missing", { size: head.size, proof, note, witnesses, reason: message });
}

/** @template T @param {() => Promise<T>} ask @returns {Promise<T>} Throws `NotShown` for the node's "there is no such event". */
async function shown(ask) {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof Refused && cause.status === 404) throw new NotShown(cause.message);
    throw cause;
  }
}

/** @param {Standing} standing @param {Partial<Judgement>} found @returns {Judgement} */
const judgement = (standing, found) => ({ size: 0, proof: "", note: "", witnesses: [], reason: "", ...found, standing });
