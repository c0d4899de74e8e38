// Signed notes and log checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature), as `crypto/note.py` reads them.
//
//     03.12.h41.tram.internal/log              origin
//     1204                                     number of leaves
//     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3…    root
//                                              an empty line ends what is signed
//     — 03.12.h41.tram.internal/log Az3grl…    key name, base64 of (4 bytes key id ‖ signature)

import { fromBase64, toBase64 } from "./base64url.js";
import { concat, utf8 } from "./bytes.js";
import { sha256 } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** `kind` 1 signs its own log's notes, 4 cosigns those of others; `revokedS`: Unix seconds from which it no longer counts. @typedef {{name: string, kind: 1 | 4, raw: Bytes, key: CryptoKey, revokedS?: number}} NoteKey */
/** @typedef {{origin: string, size: number, root: Bytes}} Checkpoint */

export const ED25519 = 1;
export const COSIGNATURE = 4;
const MAX_NOTE_CHARS = 64 * 1024;
const MAX_SIGNATURES = 100;
const ROOT_BYTES = 32;
const LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/;
const NOT_TEXT = /[\0-\x09\x0b-\x1f\ud800-\udfff]/u;
const SIZE = /^(?:0|[1-9][0-9]{0,14})$/;

/** A note that is not of the form, or that no key known here has signed. */
export class BadNote extends Error {}

/** @param {string} note @returns {{text: string, lines: {name: string, data: Bytes}[]}} Throws `BadNote`. */
function parseNote(note) {
  const at = note.lastIndexOf("\n\n"); // the last empty line: the text may contain others
  if (note.length > MAX_NOTE_CHARS || at < 0 || !note.endsWith("\n")) throw new BadNote("a note is text, an empty line, and signature lines");
  const text = note.slice(0, at + 1);
  const lines = note.slice(at + 2, -1).split("\n");
  if (NOT_TEXT.test(text) || lines.length > MAX_SIGNATURES) throw new BadNote("a note's text has no control characters, and at most 100 signatures");
  return { text, lines: lines.map(parseLine) };
}

/** @param {string} line */
function parseLine(line) {
  const match = LINE.exec(line);
  if (!match) throw new BadNote("not a signature line");
  const data = strict(match[2]);
  if (data.length < 5) throw new BadNote("a signature line holds 4 bytes of key id and a signature");
  return { name: match[1], data };
}

/** @param {string} text @returns {Bytes} */
function strict(text) {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new BadNote("not base64 in its only spelling", { cause });
  }
}

/** @param {NoteKey} key @returns {Promise<string>} the 4 bytes by which a signature line points at it, as base64 */
async function keyId({ name, kind, raw }) {
  return toBase64((await sha256(concat(utf8(`${name}\n`), Uint8Array.of(kind), raw))).subarray(0, 4));
}

/**
 * @param {string} note @param {NoteKey[]} keys that are trusted
 * @returns {Promise<{text: string, signers: Map<string, number>, by: Map<string, NoteKey>}>} key name → Unix seconds of cosigning, 0 for a log's
 *   own, and key name → the key. Revocation is for the caller to judge. Lines of other keys are ignored; a line of a known key that does not verify spoils the note. Throws `BadNote`, also where no known key signed.
 */
export async function verifyNote(note, keys) {
  const { text, lines } = parseNote(note);
  const known = new Map(await Promise.all(keys.map(async (key) => /** @type {const} */ ([`${key.name} ${await keyId(key)}`, key]))));
  const signers = new Map(), by = new Map();
  for (const { name, data } of lines) {
    const key = known.get(`${name} ${toBase64(data.subarray(0, 4))}`);
    if (!key) continue;
    signers.set(name, await verifyLine(text, key, data.slice(4)));
    by.set(name, key);
  }
  if (!signers.size) throw new BadNote("no key known here has signed this note");
  return { text, signers, by };
}

/** @param {string} text @param {NoteKey} key @param {Bytes} data @returns {Promise<number>} */
async function verifyLine(text, key, data) {
  const cosigned = key.kind === COSIGNATURE;
  const timeS = cosigned && data.length > 8 ? Number(new DataView(data.buffer, data.byteOffset).getBigUint64(0)) : 0;
  const signed = utf8(cosigned ? `cosignature/v1\ntime ${timeS}\n${text}` : text);
  const signature = cosigned ? data.slice(8) : data;
  if (!(await crypto.subtle.verify({ name: "Ed25519" }, key.key, signature, signed))) throw new BadNote(`the signature line of ${key.name} does not verify`);
  return timeS;
}

/** @param {string} text of a note @returns {Checkpoint} Throws `BadNote`. */
export function parseCheckpoint(text) {
  const [origin, size, root, ...rest] = text.split("\n");
  if (rest.length === 0 || rest.pop() !== "" || !origin || rest.some((line) => !line) || !SIZE.test(size)) throw new BadNote("a checkpoint is origin, size and root, a line each");
  const digest = strict(root);
  if (digest.length !== ROOT_BYTES) throw new BadNote(`a root is ${ROOT_BYTES} bytes`);
  return { origin, size: Number(size), root: digest };
}
