// The full proof that an event is in a log (docs/formats/log.md, "Proof"): leaf, path and signed checkpoint, in one text.

import { fromBase64 } from "./base64url.js";
import { fromUtf8 } from "./bytes.js";
import { BadProof, leafHash, verifyInclusion } from "./merkle.js";
import { BadNote, parseCheckpoint, verifyNote } from "./note.js";
import { parseOrigin } from "./logkeys.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./logkeys.js").LogKeys} LogKeys */
/** @typedef {{name: string, timeS: number}} Witness */
/**
 * @typedef {object} Head a checkpoint that the office's own log signed
 * @property {number} generation @property {number} size @property {Bytes} root @property {Witness[]} witnesses earliest first
 */
/** @typedef {Head & {index: number, receivedS: number}} Proven */

const MAX_CHARS = 128 * 1024;
const MAX_PATH = 64;

/** @param {string} text @param {string} event "sha256-…" @param {LogKeys} keys @returns {Promise<Proven>} Throws `BadProof`, `BadNote`. */
export async function verifyProof(text, event, keys) {
  const { data, index, path, note } = parseProof(text);
  const { e, t, v } = parseLeaf(data);
  if (e !== event || v !== 1 || !Number.isSafeInteger(t)) throw new BadProof("the proof is about another event");
  const head = await verifyHead(note, keys);
  await verifyInclusion({ leaf: await leafHash(data), index, size: head.size, path, root: head.root });
  return { ...head, index, receivedS: t };
}

/** The log's key was revoked, and no unit above cosigned what it shows before that: it may be anybody's. */
export class RevokedLog extends Error {}

/**
 * @param {string} note @param {LogKeys} keys @returns {Promise<Head>} without the cosignatures of keys that were revoked by then. Throws
 *   `BadNote` unless the office's own log signed it, `RevokedLog` where its key no longer counts.
 */
export async function verifyHead(note, keys) {
  const origin = note.slice(0, note.indexOf("\n"));
  const generation = parseOrigin(origin)?.generation ?? 0;
  const own = keys.log(generation).filter((key) => key.name === origin);
  const { text, signers, by } = await verifyNote(note, [...own, ...keys.witnesses]);
  if (!signers.has(origin)) throw new BadNote("the office's log did not sign this");
  const { size, root } = parseCheckpoint(text);
  const counts = (/** @type {string} */ name, /** @type {number} */ timeS) => timeS < (by.get(name)?.revokedS ?? Infinity);
  const witnesses = [...signers].filter(([name, timeS]) => name !== origin && counts(name, timeS)).map(([name, timeS]) => ({ name, timeS })).sort((a, b) => a.timeS - b.timeS);
  if (!counts(origin, witnesses[0]?.timeS ?? Number.MAX_VALUE)) throw new RevokedLog("the log's key was revoked before a unit above cosigned this");
  return { generation, size, root, witnesses };
}

/** @param {string} text @returns {{data: Bytes, index: number, path: Bytes[], note: string}} nothing is verified. Throws `BadProof`. */
export function parseProof(text) {
  const at = text.indexOf("\n\n");
  if (text.length > MAX_CHARS || at < 0) throw new BadProof("a proof is its lines, an empty line and a checkpoint");
  const [version, extra, index, ...path] = text.slice(0, at).split("\n");
  const number = /^index (0|[1-9][0-9]{0,14})$/.exec(index ?? "");
  if (version !== "c2sp.org/tlog-proof@v1" || !extra?.startsWith("extra ") || !number || path.length > MAX_PATH) throw new BadProof("not a tlog-proof@v1");
  return { data: bytesOf(extra.slice("extra ".length)), index: Number(number[1]), path: path.map(bytesOf), note: text.slice(at + 2) };
}

/** @param {string} text @returns {Bytes} */
function bytesOf(text) {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new BadProof("not base64", { cause });
  }
}

/** @param {Bytes} data @returns {Record<string, any>} */
function parseLeaf(data) {
  try {
    const leaf = JSON.parse(fromUtf8(data));
    if (typeof leaf === "object" && leaf !== null) return leaf;
  } catch (cause) {
    throw new BadProof("the leaf is not readable", { cause });
  }
  throw new BadProof("the leaf is not an object");
}
