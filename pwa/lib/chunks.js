// Files in pieces: chunks named by their hash, and the manifest that lists them. Format: docs/formats/file.md.

import { concat } from "./bytes.js";
import { canonical } from "./canonical.js";
import { sha256Id } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{v: 1 | 2, sha256: string, size: number, chunk_bytes?: number, chunks: string[]}} Manifest */
/** @typedef {{id: string, bytes: Bytes}} Chunk */

// How a file is cut follows from its size, here as in server/dossier/manifest.py: one scan is the same chunks for everybody.
export const CHUNK_BYTES = 10_000;
export const LARGE_CHUNK_BYTES = 32_768;
const MAX_CHUNKS = 1024;
// One chunk, asked for by the file's own hash: 3 s at 32 kbit/s, and it shows which paper it is. An office refuses more.
export const MOST_PREVIEW_BYTES = 12 * 1024; 

/** Pieces are gone, or the bytes are not those that were signed for. */
export class DamagedFile extends RangeError {}

/** @param {number} size @returns {number} how many bytes the chunks of a file have, except the last */
const chunkBytes = (size) => (size > MOST_PREVIEW_BYTES && size <= MAX_CHUNKS * CHUNK_BYTES ? CHUNK_BYTES : LARGE_CHUNK_BYTES);

/**
 * @param {Bytes} bytes a whole file, not empty @param {number} [step] of other programs' files: how they cut them
 * @returns {Promise<{manifest: Manifest, manifestId: string, chunks: Chunk[]}>} `chunks` in order, equal ones only once
 */
export async function cutFile(bytes, step = chunkBytes(bytes.length)) {
  if (!bytes.length) throw new RangeError("an empty file cannot be sent");
  /** @type {Map<string, Chunk>} */
  const pieces = new Map();
  const ids = [];
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.slice(at, at + step);
    const id = await sha256Id(piece);
    ids.push(id);
    pieces.set(id, { id, bytes: piece });
  }
  /** @type {Manifest} */
  const manifest = { v: 1, sha256: await sha256Id(bytes), size: bytes.length, chunks: ids };
  if (step !== LARGE_CHUNK_BYTES) Object.assign(manifest, { v: 2, chunk_bytes: step });
  return { manifest, manifestId: await manifestId(manifest), chunks: [...pieces.values()] };
}

/** @param {Manifest} manifest @returns {Promise<string>} "sha256-…" of its canonical form; its document is "file:" and this */
export const manifestId = async (manifest) => sha256Id(canonical(manifest));

/** @param {Manifest} manifest @param {number} index @returns {number} how many bytes chunk `index` has */
export function chunkSize(manifest, index) {
  const step = manifest.chunk_bytes ?? LARGE_CHUNK_BYTES;
  return Math.min(step, manifest.size - step * index);
}

/**
 * @param {Manifest} manifest
 * @param {(id: string) => Promise<Bytes>} readChunk
 * @returns {Promise<Bytes>} the file, its hash checked. Throws `DamagedFile` if the pieces do not make the file.
 */
export async function joinFile(manifest, readChunk) {
  const whole = concat(...(await Promise.all(manifest.chunks.map(readChunk))));
  if (whole.length !== manifest.size || (await sha256Id(whole)) !== manifest.sha256) {
    throw new DamagedFile(`the pieces do not make the file ${manifest.sha256}`);
  }
  return whole;
}
