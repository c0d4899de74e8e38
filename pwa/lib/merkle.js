// Proofs of a transparency log's Merkle tree (RFC 6962 §2.1, RFC 9162 §2.1.3.2 and §2.1.4.2), as `crypto/merkle.py` checks them.
//
// Numbers of leaves go beyond 32 bits, so halving is arithmetic here: `>>` would cut them.

import { concat, sameBytes } from "./bytes.js";
import { sha256 } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0), NODE = Uint8Array.of(1);

/** A proof that proves nothing: it has another length, or leads to another root. */
export class BadProof extends Error {}

/** @param {Uint8Array} data @returns {Promise<Bytes>} the hash of a leaf that holds `data` */
export const leafHash = (data) => sha256(concat(LEAF, data));

/** @param {Uint8Array} left @param {Uint8Array} right @returns {Promise<Bytes>} */
const nodeHash = (left, right) => sha256(concat(NODE, left, right));

const half = (/** @type {number} */ n) => Math.floor(n / 2);
const isOdd = (/** @type {number} */ n) => n % 2 === 1;

/** @param {Uint8Array[]} hashes */
function checkHashes(hashes) {
  if (hashes.some((each) => each.length !== HASH_BYTES)) throw new BadProof(`every hash of a proof is ${HASH_BYTES} bytes`);
}

/**
 * @param {{leaf: Bytes, index: number, size: number, path: Bytes[], root: Bytes}} claim `leaf` is a leaf's hash, `path` from below upwards
 * @returns {Promise<void>} when the leaf stands at `index` in the tree of `size` leaves with this root. Throws `BadProof`.
 */
export async function verifyInclusion({ leaf, index, size, path, root }) {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) throw new BadProof(`no leaf ${index} in a tree of ${size}`);
  checkHashes([leaf, root, ...path]);
  let node = index, last = size - 1, found = leaf;
  for (const sibling of path) {
    if (last === 0) throw new BadProof("inclusion proof too long");
    if (isOdd(node) || node === last) {
      found = await nodeHash(sibling, found);
      while (!isOdd(node) && node) [node, last] = [half(node), half(last)];
    } else {
      found = await nodeHash(found, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw new BadProof("inclusion proof too short");
  if (!sameBytes(found, root)) throw new BadProof(`leaf ${index} is not in the tree of ${size} leaves with this root`);
}

/**
 * @param {{oldSize: number, newSize: number, path: Bytes[], oldRoot: Bytes, newRoot: Bytes}} claim
 * @returns {Promise<void>} when the new tree only added to the old one. Throws `BadProof`, also for an old tree without leaves.
 */
export async function verifyConsistency({ oldSize, newSize, path, oldRoot, newRoot }) {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize <= 0 || oldSize > newSize) throw new BadProof(`no consistency from ${oldSize} to ${newSize} leaves`);
  checkHashes([oldRoot, newRoot, ...path]);
  if (oldSize === newSize) {
    if (path.length || !sameBytes(oldRoot, newRoot)) throw new BadProof(`two different trees of ${oldSize} leaves`);
    return;
  }
  const hashes = Number.isInteger(Math.log2(oldSize)) ? [oldRoot, ...path] : path;
  if (!path.length) throw new BadProof("consistency proof too short");
  let node = oldSize - 1, last = newSize - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let foundOld = hashes[0], foundNew = hashes[0];
  for (const sibling of hashes.slice(1)) {
    if (last === 0) throw new BadProof("consistency proof too long");
    if (isOdd(node) || node === last) {
      foundOld = await nodeHash(sibling, foundOld);
      foundNew = await nodeHash(sibling, foundNew);
      while (!isOdd(node) && node) [node, last] = [half(node), half(last)];
    } else {
      foundNew = await nodeHash(foundNew, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw new BadProof("consistency proof too short");
  if (!sameBytes(foundOld, oldRoot) || !sameBytes(foundNew, newRoot)) throw new BadProof(`history of ${oldSize} leaves was rewritten in the tree of ${newSize}`);
}
