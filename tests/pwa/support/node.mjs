// A small node for tests: the part of the API and of the CouchDB protocol that a phone uses, over a real socket, in memory.
//
// It checks what it is sent (hashes, manifests, bearer tokens, event ids and signatures) and cuts the line on demand:
// `cut` is asked before every answer with the number of the request; "before" drops the connection before anything is stored,
// "after" once it is stored but before the answer leaves.

import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";
import { decode } from "../../../pwa/lib/base64url.js";
import { manifestId } from "../../../pwa/lib/chunks.js";
import { idInDocument } from "../../../pwa/lib/event.js";
import { revOf, sha256Id } from "../../../pwa/lib/hashing.js";
import { canonical } from "../../../pwa/lib/canonical.js";
import { signDocument } from "../../../pwa/lib/identity.js";
import { ES256, P256 } from "../../../pwa/lib/jws.js";
import { makeIdentity } from "./authority.mjs";

const BODY_LIMIT = 64 * 1024;

export class SmallNode {
  /** @param {import("./authority.mjs").TestAuthority} authority */
  static async start(authority, { unit = "H41.12.03", name = "UBND xã Mường Lống" } = {}) {
    const node = new SmallNode();
    node.identity = await makeIdentity(authority, `urn:tram:node:${unit.toLowerCase().replaceAll(".", "-")}`);
    Object.assign(node, { authority, unit, name });
    node.server = createServer((request, response) => node.answer(request, response));
    await new Promise((resolve) => node.server.listen(0, "127.0.0.1", resolve));
    node.origin = `http://127.0.0.1:${node.server.address().port}`;
    return node;
  }

  constructor() {
    this.chunks = new Map();
    this.manifests = new Map();
    this.docs = new Map();
    this.order = [];
    this.locals = new Map();
    this.people = new Map(); // subject → {publicKey}
    this.log = []; // "METHOD path status"
    this.bytesIn = 0;
    this.cut = () => "";
    this.deny = () => null;
    this.offsetS = 0;
    this.receipts = true;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  now() {
    return Date.now() + this.offsetS * 1000;
  }

  /** Make a person known, so that tokens and events are accepted. */
  async admit({ subject, jwk }) {
    this.people.set(subject, await crypto.subtle.importKey("jwk", jwk, P256, true, ["verify"]));
  }

  async answer(request, response) {
    const number = this.log.push(`${request.method} ${request.url}`) - 1;
    const fate = this.cut(number, request) || "";
    if (fate === "before") return request.socket.destroy();
    const body = await read(request);
    this.bytesIn += body.length;
    let status, value, headers;
    try {
      ({ status = 200, value, headers } = await this.route(request, body));
    } catch (fault) {
      if (!fault.status) throw fault;
      status = fault.status;
      value = { error: fault.error, reason: fault.reason, ...fault.more };
    }
    this.log[number] += ` ${status}`;
    if (fate === "after") return request.socket.destroy();
    const out = value instanceof Uint8Array ? value : JSON.stringify(value ?? {});
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(out);
  }

  async route(request, body) {
    const url = new URL(request.url, this.origin);
    const path = url.pathname;
    const json = () => JSON.parse(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    if (path === "/api/node") return { value: { unit: this.unit, name: this.name, urn: this.identity.subject, time: new Date(this.now()).toISOString().replace(/\.\d+Z/, "Z"), certificate: this.identity.certificate, jwk: this.identity.jwk, version: "test" } };
    await this.checkToken(request);
    if (path === "/api/files/missing") return { value: { missing: json().chunks.filter((id) => !this.chunks.has(id)) } };
    if (path.startsWith("/api/files/chunks/")) return this.putChunk(path.split("/").pop(), request, body);
    if (path.startsWith("/api/files/manifests/")) return this.putManifest(path.split("/").pop(), json().manifest);
    if (path === "/api/events") return { status: 201, value: await this.storeEvent(await named(json())) };
    if (path.startsWith("/db")) return this.couch(request.method, path.replace(/^\/db\/?/, ""), url.searchParams, () => json());
    throw no(404, "not_found", path);
  }

  async checkToken(request) {
    const [head, payload, signature] = (request.headers.authorization ?? "").replace(/^Bearer /, "").split(".");
    if (!signature) throw no(401, "unauthorized", "no token");
    const claims = JSON.parse(Buffer.from(payload, "base64url"));
    const key = this.people.get(claims.iss);
    const holds = key && (await crypto.subtle.verify(ES256, key, decode(signature), Buffer.from(`${head}.${payload}`)));
    const nowS = this.now() / 1000;
    if (!holds || claims.aud !== this.identity.subject) throw no(401, "unauthorized", "not a token of anybody known here");
    if (claims.exp - claims.iat > 600 || nowS > claims.exp || nowS < claims.iat - 60) throw no(401, "unauthorized", "not now");
  }

  async putChunk(id, request, body) {
    if (body.length > BODY_LIMIT) throw no(413, "too_large", "chunk");
    const bytes = new Uint8Array(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    if ((await sha256Id(bytes)) !== id) throw no(400, "bad_hash", "the bytes are not what the id says");
    this.chunks.set(id, bytes);
    return { status: 201, value: { ok: true, id } };
  }

  async putManifest(id, manifest) {
    if ((await manifestId(manifest)) !== id) throw no(400, "bad_id", "manifest");
    const missing = manifest.chunks.filter((chunk) => !this.chunks.has(chunk));
    if (missing.length) throw no(409, "chunks_missing", `${missing.length} chunks`, { missing });
    const whole = Buffer.concat(manifest.chunks.map((chunk) => this.chunks.get(chunk)));
    if ((await sha256Id(new Uint8Array(whole))) !== manifest.sha256) throw no(400, "bad_hash", "whole file");
    this.manifests.set(id, manifest);
    return { status: 201, value: { ok: true, id } };
  }

  put(doc) {
    if (!this.docs.has(doc._id)) this.order.push(doc._id);
    this.docs.set(doc._id, doc);
    return { id: doc._id, rev: doc._rev };
  }

  async storeEvent(doc) {
    const denied = this.deny(doc);
    if (denied) throw no(403, "forbidden", denied);
    const { _rev, _revisions, ...rest } = doc;
    if (`${doc.event.stream}:${await sha256Id(canonical(doc.event))}` !== doc._id) throw no(403, "forbidden", "bad_id");
    const key = this.people.get(doc.event.actor);
    const [{ protected: head, signature }] = doc.signatures;
    const input = Buffer.from(`${head}.${Buffer.from(canonical(doc.event)).toString("base64url")}`);
    if (!key || !(await crypto.subtle.verify(ES256, key, decode(signature), input))) throw no(403, "forbidden", "bad_signature");
    const stored = this.put({ ...rest, _rev });
    await this.receiptFor(doc);
    return stored;
  }

  /** The receipt, once every file of the event is whole. */
  async receiptFor(doc, files = doc.event.files.map((file) => file.sha256)) {
    const whole = doc.event.files.every((file) => this.manifests.has(file.manifest));
    if (!this.receipts || !whole || !["dossier.submitted", "dossier.supplemented"].includes(doc.event.type)) return null;
    return this.sign(doc.event.stream, "receipt.issued", { of: idInDocument(doc), files, bytes: doc.event.files.reduce((sum, file) => sum + file.size, 0) }, [idInDocument(doc)]);
  }

  async sign(stream, type, body, prev, signer = this.identity) {
    const doc = await signDocument({ stream, type, unit: this.unit, prev, body }, { privateKey: signer.privateKey, x5t: signer.x5t, subject: signer.subject }, this.now());
    this.put(doc);
    return doc;
  }

  /** The documents of this node with the parts of the protocol that PouchDB 9 uses against /db/mine. */
  async couch(method, path, query, json) {
    if (path === "") return { value: { couchdb: "Welcome", uuid: "0123456789abcdef0123456789abcdef", version: "3.5.0", features: [] } };
    const rest = path.replace(/^mine\/?/, "");
    if (rest === "") return { value: { db_name: "mine", update_seq: String(this.order.length), doc_count: this.order.length, instance_start_time: "0" } };
    if (rest.startsWith("_local/")) return this.local(method, rest, json);
    if (rest === "_changes") return this.changes(query);
    if (rest === "_revs_diff") return { value: Object.fromEntries(Object.entries(json()).filter(([id]) => !this.docs.has(id)).map(([id, revs]) => [id, { missing: revs }])) };
    if (rest === "_bulk_docs") return { status: 201, value: await this.bulkDocs(json().docs) };
    if (rest === "_bulk_get") return { value: { results: json().docs.map(({ id }) => ({ id, docs: [{ ok: withRevisions(this.docs.get(id)) }] })) } };
    // After one failed _bulk_get PouchDB asks for each document alone, for as long as its page lives.
    const doc = this.docs.get(decodeURIComponent(rest));
    if (doc) return { value: query.has("open_revs") ? [{ ok: withRevisions(doc) }] : withRevisions(doc) };
    throw no(404, "not_found", rest);
  }

  local(method, path, json) {
    if (method === "PUT") {
      this.locals.set(path, { ...json(), _rev: "0-1" });
      return { status: 201, value: { ok: true, id: path, rev: "0-1" } };
    }
    const doc = this.locals.get(path);
    if (!doc) throw no(404, "not_found", "missing");
    return { value: doc };
  }

  changes(query) {
    const since = Number.parseInt(query.get("since") ?? "0", 10) || 0;
    const ids = this.order.slice(since, since + (Number(query.get("limit")) || 1000));
    const results = ids.map((id, i) => ({ seq: String(since + i + 1), id, changes: [{ rev: this.docs.get(id)._rev }] }));
    return { value: { results, last_seq: String(since + ids.length), pending: this.order.length - since - ids.length } };
  }

  async bulkDocs(docs) {
    const rows = [];
    for (const doc of docs) {
      if (this.docs.has(doc._id)) continue;
      await this.storeEvent(doc).catch((fault) => {
        if (!fault.status) throw fault;
        rows.push({ id: doc._id, rev: doc._rev, error: fault.error, reason: fault.reason });
      });
    }
    return rows;
  }
}

const withRevisions = (doc) => doc && { ...doc, _revisions: { start: 1, ids: [doc._rev.slice(2)] } };
const named = async ({ event, signatures }) => ({ _id: `${event.stream}:${await sha256Id(canonical(event))}`, _rev: await revOf(canonical(event)), event, signatures });
const no = (status, error, reason, more = {}) => Object.assign(new Error(`${status} ${error}`), { status, error, reason, more });

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}
