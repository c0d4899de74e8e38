// A photograph made small enough to travel: at most 300 KB of JPEG where it was larger, untouched where it was not.

import { MOST_PREVIEW_BYTES } from "../lib/chunks.js";
import { cleanFileName } from "../lib/normalise.js";

/** `preview` is a small JPEG of a picture, null for anything else. @typedef {{name: string, type: string, bytes: Uint8Array<ArrayBuffer>, preview: Uint8Array<ArrayBuffer> | null}} Prepared */
/** @typedef {"unreadable" | "too_large" | "empty"} PhotoFault */

/** A file that cannot be taken, and why. */
export class UnusableFile extends Error {
  /** @param {PhotoFault} fault @param {File} file */
  constructor(fault, file) {
    super(`${fault}: ${file.name}`);
    this.fault = fault;
    this.file = file;
  }
}

// 300 KB: an A4 page stays readable, and takes 80 s at 32 kbit/s (DOMAIN 9).
export const MOST_PHOTO_BYTES = 300 * 1024;
// A scan of twenty pages; beyond this a village line needs an hour for one file.
export const MOST_PDF_BYTES = 8 * 1024 * 1024;
// 2200 px on the long side is about 190 dots per inch of an A4 page.
const LONG_SIDE = 2200;
const QUALITIES = [0.82, 0.7, 0.58, 0.46];
const SHRINK = 0.8;
const SMALLEST_SIDE = 900;
const PREVIEW_SIDES = [480, 384, 300, 220, 140];
const PREVIEW_QUALITIES = [0.5, 0.35, 0.2];
const KEPT = new Set(["image/jpeg", "image/png", "image/webp"]);

/** @param {File} file @returns {Promise<Prepared>} Throws `UnusableFile`. */
export async function prepareFile(file) {
  if (!file.size) throw new UnusableFile("empty", file);
  const type = await sniff(file);
  if (type === "application/pdf") {
    if (file.size > MOST_PDF_BYTES) throw new UnusableFile("too_large", file);
    return { name: named(file.name, "pdf"), type, bytes: new Uint8Array(await file.arrayBuffer()), preview: null };
  }
  const image = await createImageBitmap(file).catch((cause) => {
    throw Object.assign(new UnusableFile("unreadable", file), { cause });
  });
  try {
    const preview = await makePreview(image);
    if (KEPT.has(type) && file.size <= MOST_PHOTO_BYTES) {
      return { name: named(file.name, type.slice(6).replace("jpeg", "jpg")), type, bytes: new Uint8Array(await file.arrayBuffer()), preview };
    }
    const blob = await shrink(image);
    return { name: named(file.name, "jpg"), type: "image/jpeg", bytes: new Uint8Array(await blob.arrayBuffer()), preview };
  } finally {
    image.close();
  }
}

/** What the first bytes say; names and declared types lie. @param {Blob} file @returns {Promise<string>} "" for anything else */
async function sniff(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (head.startsWith("%PDF-")) return "application/pdf";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "image/webp" : "";
}

/** @param {ImageBitmap} image @returns {Promise<Blob>} */
async function shrink(image) {
  let side = Math.min(LONG_SIDE, Math.max(image.width, image.height));
  for (let blob; ; side *= SHRINK) {
    for (const quality of QUALITIES) {
      blob = await draw(image, side, quality);
      if (blob.size <= MOST_PHOTO_BYTES) return blob;
    }
    if (blob && side * SHRINK < SMALLEST_SIDE) return blob; // readable comes before small
  }
}

/** @param {Blob} file @returns {Promise<Uint8Array<ArrayBuffer> | null>} the preview of a picture; null if this browser cannot draw it, or not small enough */
export async function drawPreview(file) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return null; // a scan too large for this machine's memory is still a paper; it goes without
  try {
    return await makePreview(image);
  } finally {
    image.close();
  }
}

/** @param {ImageBitmap} image @returns {Promise<Uint8Array<ArrayBuffer> | null>} null if it cannot be made small enough; the photograph goes without */
async function makePreview(image) {
  for (const side of PREVIEW_SIDES) {
    for (const quality of PREVIEW_QUALITIES) {
      const blob = await draw(image, side, quality);
      if (blob.size <= MOST_PREVIEW_BYTES) return new Uint8Array(await blob.arrayBuffer());
    }
  }
  return null;
}

/** @param {ImageBitmap} image @param {number} side @param {number} quality @returns {Promise<Blob>} */
function draw(image, side, quality) {
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.fillStyle = "#fff"; // JPEG has no transparency; a transparent PNG would turn black
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the canvas gave no picture"))), "image/jpeg", quality);
  });
}

/** @param {string} name @param {string} ending */
const named = (name, ending) => `${cleanFileName(name).replace(/\.[^.]*$/, "").replace(/^\.+/, "") || "anh"}.${ending}`;
