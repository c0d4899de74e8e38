// The node's HTTP interface (docs/architecture.md, "Phones and desks speak to the node"), with failures sorted by what
// they ask of us: try later, ask the person, or mend our clock.

import { DamagedFile } from "./chunks.js";
import { sha256Id } from "./hashing.js";
import { fetchPatiently } from "./patience.js";

/** No answer at all: no network, no node, or the line was cut. Nothing is known about what arrived. */
export class Unreachable extends Error {}

/** The node answered and asks us to come again: 408 (the line was too slow for it), 429 and 5xx. */
export class Busy extends Error {
  /** @param {number} status @param {string} reason */
  constructor(status, reason) {
    super(`${status}: ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** The node answered no: 4xx. `error` is a stable word, `reason` a sentence, `details` the whole answer. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} details */
  constructor(status, details) {
    super(`${status} ${details.error}: ${details.reason}`);
    this.status = status;
    this.error = String(details.error ?? "refused");
    this.reason = String(details.reason ?? "");
    this.details = details;
  }
}

/** @param {unknown} cause @returns {Outcome} what a failure of the whole line means. Anything else is a defect and is thrown on. */
export function outcomeOf(cause) {
  if (cause instanceof Unreachable) return "offline";
  if (cause instanceof Busy) return "busy";
  if (cause instanceof Refused && cause.status === 401) return "unauthorised";
  throw cause;
}

// More than any answer of ours that is read whole as JSON (the catalogue is about 100 KB).
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * Why the last run ended. `done`: nothing is left to do or everything waits for the node's receipt.
 * @typedef {"done" | "offline" | "busy" | "unauthorised"} Outcome
 */
/**
 * @typedef {object} NodeInfo
 * @property {string} unit @property {string} name @property {string} urn
 * @property {string} time RFC 3339 @property {string} certificate base64 DER @property {string} [version]
 * @property {string[]} [chain] base64 DER, the unit's CA first
 * @property {Record<string, string>} [crls] key id of a CA (hex) → number of its newest revocation list there
 * @property {string} [checkpoint] name of the newest head of its log, for `after` of what is signed from now on
 */

export class NodeApi {
  /**
   * @param {string} origin such as "https://tram.muonglong.example", without a slash at the end
   * @param {{token?: () => Promise<string>, renew?: () => Promise<void>, fetch?: typeof fetch, now?: () => number}} [options] `token` gives
   *   the bearer token; `renew` is called once when the node does not take it, most often because a clock was set
   */
  constructor(origin, { token, renew, fetch: send = (...args) => fetch(...args), now = Date.now } = {}) {
    this.origin = origin;
    this.token = token;
    this.renew = renew;
    this.send = send;
    this.now = now;
  }

  /** @returns {Promise<{node: NodeInfo, offsetMs: number}>} the node, and how far its clock is ahead of ours */
  async fetchNode() {
    const before = this.now();
    const node = await this.json("GET", "/api/node", { open: true });
    // Half the round trip is the best guess for when the node read its clock.
    const offsetMs = Date.parse(node.time) - (before + this.now()) / 2;
    if (Number.isNaN(offsetMs)) throw new Refused(502, { error: "bad_answer", reason: "the node's time is not readable" });
    return { node, offsetMs };
  }

  /** @param {string} [etag] of what we hold @returns {Promise<{catalogue: any, etag: string} | null>} null when it has not changed */
  async fetchCatalogue(etag) {
    const headers = etag ? { "If-None-Match": etag } : undefined;
    const response = await this.request("GET", "/api/catalogue", { open: true, headers });
    if (response.status === 304) return null;
    return { catalogue: await readJson(response), etag: response.headers.get("ETag") ?? "" };
  }

  /** @param {string} request compact JWS @returns {Promise<any>} */
  postEnrolment(request) {
    return this.json("POST", "/api/enrolments", { body: { request }, open: true });
  }

  /** @param {string} thumbprint @returns {Promise<any>} */
  fetchEnrolment(thumbprint) {
    return this.json("GET", `/api/enrolments/${thumbprint}`, { open: true });
  }

  /** @param {string[]} chunks @returns {Promise<string[]>} those the node does not have */
  async fetchMissing(chunks) {
    const { missing } = await this.json("POST", "/api/files/missing", { body: { chunks } });
    const asked = new Set(chunks);
    return /** @type {string[]} */ (missing).filter((id) => asked.has(id));
  }

  /** @param {string} id @param {Uint8Array<ArrayBuffer>} bytes @param {boolean} gzipped */
  async putChunk(id, bytes, gzipped) {
    const headers = { "Content-Type": "application/octet-stream", ...(gzipped && { "Content-Encoding": "gzip" }) };
    await readJson(await this.request("PUT", `/api/files/chunks/${id}`, { raw: bytes, headers }));
  }

  /** @param {string} id @param {import("./chunks.js").Manifest} manifest */
  putManifest(id, manifest) {
    return this.json("PUT", `/api/files/manifests/${id}`, { body: { manifest } });
  }

  /** @param {string} id of the whole file @returns {Promise<import("./bytes.js").Bytes>} Throws `DamagedFile` for other bytes than those the id was made of. */
  async fetchFile(id) {
    const response = await this.request("GET", `/api/files/${id}`, {});
    const bytes = new Uint8Array(await unlessCut(() => response.arrayBuffer()));
    if ((await sha256Id(bytes)) !== id) throw new DamagedFile(`the node sent other bytes than those of ${id}`);
    return bytes;
  }

  /** @param {{event: any, signatures: any[]}} envelope @returns {Promise<{id: string, rev: string}>} */
  postEvent({ event, signatures }) {
    return this.json("POST", "/api/events", { body: { event, signatures } });
  }

  /** @param {string} stream @returns {Promise<any>} the dossier as the node folds it, with the names of who acted */
  fetchDossier(stream) {
    return this.json("GET", `/api/dossiers/${encodeURIComponent(stream)}`, {});
  }

  /** @returns {Promise<{subject: string, name: string | null, roles: string[], warnings: {vi: string, en: string}[]}>} who the node takes us for */
  fetchMe() {
    return this.json("GET", "/api/me", {});
  }

  /** @param {string} event id @returns {Promise<{receipt: string, url: string}>} the receipt signed now, base64url of COSE, and the address for its QR code */
  fetchReceipt(event) {
    return this.json("GET", `/api/receipts/${encodeURIComponent(event)}`, {});
  }

  /** @param {string} event id @returns {Promise<string>} the full proof (docs/formats/log.md) */
  async fetchProof(event) {
    const response = await this.request("GET", `/api/receipts/${encodeURIComponent(event)}/proof`, { headers: { Accept: "text/plain" } });
    return readText(response);
  }

  /** @param {string} keyId of the CA, in hex @returns {Promise<import("./bytes.js").Bytes>} its newest revocation list, DER; `parseCrl` bounds it */
  async fetchCrl(keyId) {
    const response = await this.request("GET", `/api/crls/${encodeURIComponent(keyId)}`, { open: true, headers: { Accept: "application/pkix-crl" } });
    return new Uint8Array(await unlessCut(() => response.arrayBuffer()));
  }

  /** @returns {Promise<{origin: string, size: number, note: string}>} the newest head of the node's log */
  fetchHead() {
    return this.json("GET", "/api/log", { open: true });
  }

  /** @returns {Promise<{certificates: string[], names: Record<string, string>}>} of the keys that sign and cosign the log, base64 DER; unit → its name */
  fetchLogSigners() {
    return this.json("GET", "/api/log/signers", { open: true });
  }

  /** @param {number} generation @param {number} old @param {number} fresh sizes @returns {Promise<{proof: string[]}>} base64url */
  fetchConsistency(generation, old, fresh) {
    return this.json("GET", `/api/log/consistency?generation=${generation}&old=${old}&new=${fresh}`, { open: true });
  }

  /** @param {string} thumbprint of a key that waits for approval @param {string} [again] URN of whoever's next key it is @returns {Promise<{event: any, statement: {vi: string, en: string}}>} */
  postApprovalDraft(thumbprint, again) {
    return this.json("POST", `/api/enrolments/${encodeURIComponent(thumbprint)}/drafts`, { body: again ? { again } : {} });
  }

  /** @param {string} manifestId of a PDF that is at the node @returns {Promise<{status: string, reason: string, text: {vi: string, en: string}, signatures: any[]}>} what the signatures inside it are worth */
  fetchSignatures(manifestId) {
    return this.json("GET", `/api/files/manifests/${encodeURIComponent(manifestId)}/signatures`, {});
  }

  /** @param {string} type such as "role.confirmed" @param {Record<string, any>} fields @returns {Promise<{event: any, statement: {vi: string, en: string}}>} */
  postRoleDraft(type, fields) {
    return this.json("POST", "/api/roles/drafts", { body: { type, fields } });
  }

  /** @returns {Promise<{erasures: any[]}>} the person's own dossiers that were erased: by whom, on what basis */
  fetchMyErasures() {
    return this.json("GET", "/api/erasures/mine", {});
  }

  /** @param {string} type such as "erasure.proposed" or "erasure.withdrawn" @param {Record<string, any>} fields @returns {Promise<{event: any, statement: {vi: string, en: string}}>} */
  postErasureDraft(type, fields) {
    return this.json("POST", "/api/erasures/drafts", { body: { type, fields } });
  }

  /** @param {string} stream @param {string} type @param {Record<string, any>} fields @returns {Promise<{event: any, statement: {vi: string, en: string}}>} */
  postDraft(stream, type, fields) {
    return this.json("POST", `/api/dossiers/${encodeURIComponent(stream)}/drafts`, { body: { type, fields } });
  }

  /** @param {string} token signed by an official @returns {Promise<any>} sets the desk's cookie */
  postSession(token) {
    return this.json("POST", "/api/session", { body: { token }, open: true });
  }

  /**
   * @param {string} method @param {string} path
   * @param {{body?: unknown, open?: boolean}} options `open`: no bearer token
   * @returns {Promise<any>}
   */
  async json(method, path, { body, open }) {
    const raw = body === undefined ? undefined : JSON.stringify(body);
    const headers = raw === undefined ? undefined : { "Content-Type": "application/json" };
    return readJson(await this.request(method, path, { raw, headers, open }));
  }

  /**
   * @param {string} method @param {string} path
   * @param {{raw?: BodyInit, headers?: Record<string, string>, open?: boolean}} options
   * @returns {Promise<Response>} 2xx or 304. Throws `Unreachable`, `Busy`, `Refused`.
   */
  async request(method, path, options) {
    try {
      return await this.once(method, path, options);
    } catch (cause) {
      if (!this.renew || options.open || !(cause instanceof Refused) || cause.status !== 401) throw cause;
      await this.renew();
      return this.once(method, path, options);
    }
  }

  /** @param {string} method @param {string} path @param {{raw?: BodyInit, headers?: Record<string, string>, open?: boolean}} options @returns {Promise<Response>} */
  async once(method, path, { raw, headers, open }) {
    const sent = new Headers({ Accept: "application/json", ...headers });
    if (this.token && !open) sent.set("Authorization", `Bearer ${await this.token()}`);
    const response = await unlessCut(() => fetchPatiently(this.send, this.origin + path, {
      method, body: raw, headers: sent, cache: "no-store", credentials: "same-origin", redirect: "error",
    }));
    if (response.ok || response.status === 304) return response;
    const details = await readJson(response).catch(() => ({ error: `http_${response.status}`, reason: response.statusText }));
    if ([408, 429].includes(response.status) || response.status >= 500) throw new Busy(response.status, details.reason ?? "");
    throw new Refused(response.status, details);
  }
}

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} Failures of the line become `Unreachable`. */
async function unlessCut(work) {
  try {
    return await work();
  } catch (cause) {
    throw new Unreachable("the node did not answer", { cause });
  }
}

/** @param {Response} response @returns {Promise<string>} */
async function readText(response) {
  const text = await unlessCut(() => response.text());
  if (text.length > MAX_ANSWER_BYTES) throw new Refused(502, { error: "bad_answer", reason: "the answer is too large" });
  return text;
}

/** @param {Response} response @returns {Promise<any>} an object */
async function readJson(response) {
  const text = await readText(response);
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (cause) {
    // A captive portal answers 200 with a page of its own: the node was not reached.
    throw new Unreachable("something other than the node answered", { cause });
  }
  throw new Refused(502, { error: "bad_answer", reason: "the answer is no JSON object" });
}
