// Files in pieces: chunks of 32 KiB named by their hash, and the manifest that lists them.

import { concat } from "./bytes.js";
import { canonical } from "./canonical.js";
import { sha256Id } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{v: 1, sha256: string, size: number, chunks: string[]}} Manifest */
/** @typedef {{id: string, bytes: Bytes}} Chunk */

export const CHUNK_BYTES = 32768;

/** Pieces are gone, or the bytes are not those that were signed for. */
export class DamagedFile extends RangeError {}

/**
 * @param {Bytes} bytes a whole file, not empty
 * @returns {Promise<{manifest: Manifest, manifestId: string, chunks: Chunk[]}>} `chunks` in order, equal ones only once
 */
export async function cutFile(bytes) {
  if (!bytes.length) throw new RangeError("an empty file cannot be sent");
  /** @type {Map<string, Chunk>} */
  const pieces = new Map();
  const ids = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const piece = bytes.slice(at, at + CHUNK_BYTES);
    const id = await sha256Id(piece);
    ids.push(id);
    pieces.set(id, { id, bytes: piece });
  }
  /** @type {Manifest} */
  const manifest = { v: 1, sha256: await sha256Id(bytes), size: bytes.length, chunks: ids };
  return { manifest, manifestId: await manifestId(manifest), chunks: [...pieces.values()] };
}

/** @param {Manifest} manifest @returns {Promise<string>} "sha256-…" of its canonical form; its document is "file:" and this */
export const manifestId = async (manifest) => sha256Id(canonical(manifest));

/** @param {Manifest} manifest @param {number} index @returns {number} how many bytes chunk `index` has */
export function chunkSize(manifest, index) {
  return index < manifest.chunks.length - 1 ? CHUNK_BYTES : manifest.size - CHUNK_BYTES * (manifest.chunks.length - 1);
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
