// A result paper chosen at the desk: cut into chunks, sent, and named as an event names a file; a picture has a preview,
// which the offices above and the citizen's phone see before the paper itself has arrived.

import { official } from "/desk-sign.js";
import { cutFile } from "/lib/chunks.js";
import { inFlight } from "/lib/inflight.js";
import { cleanFileName } from "/lib/normalise.js";
import { drawPreview } from "/ui/photo.js";
import { pick } from "/desk/static/words.js";

const TYPES = new Set(["image/jpeg", "image/png", "application/pdf"]);
const MAX_BYTES = 32 * 1024 * 1024;

/** @param {import("/lib/event.js").FileRef} file that the node holds @returns {Promise<string>} what to tell about the signatures inside a PDF before the event is signed; "" when they hold */
export async function doubtsAbout(file) {
  if (file.type !== "application/pdf") return "";
  const { api } = await official();
  const { status, text, signatures } = await api.fetchSignatures(file.manifest);
  if (status === "valid") return "";
  return [pick(text), ...signatures.map(({ signer, at }) => [signer, at && new Date(at).toLocaleString("vi-VN")].filter(Boolean).join(" · "))].filter(Boolean).join(" ");
}

/**
 * @param {File} file @param {string} [part] the component of the procedure that it is
 * @returns {Promise<import("/lib/event.js").FileRef[]>} the paper, then its preview if it is a picture, once the node holds every byte of both.
 *   Throws RangeError for a file that is not taken, and what lib/api.js throws.
 */
export async function sendResultFile(file, part = "ket-qua") {
  if (!TYPES.has(file.type)) throw new RangeError(`${file.name}: chỉ nhận JPEG, PNG hoặc PDF (JPEG, PNG or PDF only)`);
  if (file.size > MAX_BYTES) throw new RangeError(`${file.name}: tối đa 32 MB (at most 32 MB)`);
  const name = cleanFileName(file.name).replace(/^\.+/, "") || "tep";
  const paper = { ...(await send(new Uint8Array(await file.arrayBuffer()))), type: file.type, name, part };
  const drawn = file.type.startsWith("image/") ? await drawPreview(file) : null;
  if (!drawn) return [paper];
  const drawnName = cleanFileName(`${name.replace(/\.[A-Za-z0-9]+$/, "")}.xem-truoc.jpg`);
  return [paper, { ...(await send(drawn)), type: "image/jpeg", name: drawnName, part, preview_of: paper.sha256 }];
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Promise<{sha256: string, manifest: string, size: number}>} how they are named, once the node holds them */
async function send(bytes) {
  const { api } = await official();
  const { manifest, manifestId, chunks } = await cutFile(bytes);
  const missing = new Set(await api.fetchMissing(chunks.map((chunk) => chunk.id)));
  await inFlight(chunks.filter(({ id }) => missing.has(id)), Date.now, (chunk) => api.putChunk(chunk.id, chunk.bytes, false));
  await api.putManifest(manifestId, manifest);
  return { sha256: manifest.sha256, manifest: manifestId, size: manifest.size };
}
