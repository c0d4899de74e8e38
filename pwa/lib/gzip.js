// Bodies made smaller where that helps.

/** @typedef {import("./bytes.js").Bytes} Bytes */

const PACKED = /^(image\/(?!svg|bmp|tiff)|video\/|audio\/|application\/(zip|gzip|pdf))/;

/** @param {string} type a media type @returns {boolean} whether its bytes are packed already (JPEG, PDF, …) */
export const isPacked = (type) => PACKED.test(type);

/** @param {Bytes} bytes @returns {Promise<Bytes>} gzip (RFC 1952) */
export async function gzip(bytes) {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/**
 * @param {Bytes} bytes @param {string} type
 * @returns {Promise<{bytes: Bytes, gzipped: boolean}>} packed when the browser can and it saves a tenth or more
 */
export async function packed(bytes, type) {
  if (isPacked(type) || typeof CompressionStream === "undefined") return { bytes, gzipped: false };
  const small = await gzip(bytes);
  return small.length < bytes.length * 0.9 ? { bytes: small, gzipped: true } : { bytes, gzipped: false };
}
