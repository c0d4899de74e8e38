// Dossiers being filled in: the draft, its photographs in chunks, and the moment a draft becomes something signed.

import { cutFile, joinFile } from "../lib/chunks.js";
import { buildEntry, isSettled } from "../lib/entry.js";
import { done, get, getAll, put, transact } from "./db.js";
import { randomText } from "./keys.js";

/**
 * @typedef {object} Draft
 * @property {string} id @property {"dossier.submitted" | "dossier.supplemented"} type
 * @property {string} stream           the dossier it becomes, or belongs to
 * @property {string} procedure        code
 * @property {{name: string, id_number: string, phone: string, address: string}} applicant
 * @property {Record<string, string>} form
 * @property {"counter" | "post" | "online" | ""} delivery
 * @property {string} note
 * @property {Behalf} [behalf]         for somebody without a phone, who signs on paper
 * @property {string[]} visited        pages the person has been through
 * @property {number} createdMs @property {number} savedMs
 * @property {number} [deletedMs]      deleted, can still be brought back
 */
/** Who signed on paper, and how; `witness` saw it. @typedef {{name: string, how: "wet_signature" | "fingerprint" | "", witness: string}} Behalf */
/**
 * @typedef {object} StoredFile
 * @property {string} id @property {string} draft draft id, "" once signed @property {string} stream
 * @property {string} part @property {string} name @property {string} type @property {number} size
 * @property {import("../lib/chunks.js").Manifest} manifest @property {string} manifestId @property {number} addedMs
 * @property {{manifest: import("../lib/chunks.js").Manifest, manifestId: string}} [preview] a small picture of it
 */
/** @typedef {import("../lib/entry.js").Entry} Entry */

/** @returns {Promise<Draft[]>} newest first, without deleted ones */
export async function listDrafts() {
  const drafts = /** @type {Draft[]} */ (await getAll("drafts"));
  return drafts.filter((draft) => !draft.deletedMs).sort((a, b) => b.savedMs - a.savedMs);
}

/** @param {string} id @returns {Promise<Draft | null>} */
export async function readDraft(id) {
  const draft = await get("drafts", id);
  return draft && !draft.deletedMs ? draft : null;
}

/** The draft is not here as this page knows it: signed, deleted or changed in another window. */
export class DraftGone extends Error {}

/** @param {Draft} draft not kept yet @returns {Promise<Draft>} Throws `StorageFull`. */
export async function addDraft(draft) {
  await put("drafts", draft);
  return draft;
}

/** Draft id → the newest state that waits to be written, and the promise of its being on disk. @type {Map<string, {next: Draft | null, written: Promise<void>}>} */
const writing = new Map();

/**
 * Save the draft as it is now. While one write is under way only the newest state waits, so every keystroke may call this.
 * @param {Draft} draft @returns {Promise<void>} when this state or a newer one is on disk. Throws `StorageFull`, and `DraftGone` for one that
 *   was signed or purged meanwhile: it must not come back, to be signed a second time.
 */
export function saveDraft(draft) {
  draft.savedMs = Date.now();
  const current = writing.get(draft.id);
  if (current) {
    current.next = draft;
    return current.written;
  }
  const slot = { next: /** @type {Draft | null} */ (draft), written: Promise.resolve() };
  writing.set(draft.id, slot);
  slot.written = writeOut(slot, draft.id);
  return slot.written;
}

/** @param {{next: Draft | null}} slot @param {string} id */
async function writeOut(slot, id) {
  try {
    while (slot.next) {
      const copy = structuredClone(slot.next);
      slot.next = null;
      await replaceDraft(copy);
    }
  } finally {
    writing.delete(id);
  }
}

/** @param {Draft} draft */
const replaceDraft = (draft) => transact(["drafts"], "readwrite", async ({ drafts }) => {
  if (!(await done(drafts.getKey(draft.id)))) throw new DraftGone(`draft ${draft.id} is not here any more`);
  await done(drafts.put(draft));
});

/** @param {Draft} draft @param {boolean} deleted */
export async function markDeleted(draft, deleted) {
  if (deleted) draft.deletedMs = Date.now();
  else delete draft.deletedMs;
  await saveDraft(draft);
}

/** Remove for good what was deleted more than a minute ago, with its photographs. */
export async function purgeDeleted() {
  const before = Date.now() - 60_000;
  const gone = /** @type {Draft[]} */ (await getAll("drafts")).filter((draft) => (draft.deletedMs ?? Infinity) < before);
  for (const draft of gone) {
    await transact(["drafts", "files"], "readwrite", async ({ drafts, files }) => {
      await done(drafts.delete(draft.id));
      const all = /** @type {StoredFile[]} */ (await done(files.getAll()));
      for (const file of all.filter((one) => one.draft === draft.id)) await done(files.delete(file.id));
    });
  }
  if (gone.length) await sweepChunks();
}

/** @param {string} draft @returns {Promise<StoredFile[]>} in the order they were added */
export async function filesOfDraft(draft) {
  const all = /** @type {StoredFile[]} */ (await getAll("files"));
  return all.filter((file) => file.draft === draft).sort((a, b) => a.addedMs - b.addedMs);
}

/** @param {string} stream @returns {Promise<StoredFile[]>} signed files of a dossier that are still on this phone */
export async function filesOfStream(stream) {
  const all = /** @type {StoredFile[]} */ (await getAll("files"));
  return all.filter((file) => file.stream === stream && !file.draft).sort((a, b) => a.addedMs - b.addedMs);
}

/**
 * Cut, hash and keep one file. Nothing is kept unless all of it is.
 * @param {Draft} draft @param {{part: string, name: string, type: string, bytes: Uint8Array<ArrayBuffer>, preview?: Uint8Array<ArrayBuffer> | null}} file
 * @returns {Promise<StoredFile>} Throws `StorageFull`, `DraftGone`.
 */
export async function addFile(draft, { part, name, type, bytes, preview = null }) {
  const { manifest, manifestId, chunks } = await cutFile(bytes);
  const small = preview && (await cutFile(preview));
  /** @type {StoredFile} */
  const stored = { id: randomText(), draft: draft.id, stream: draft.stream, part, name, type, size: bytes.length, manifest, manifestId, addedMs: Date.now() };
  if (small) stored.preview = { manifest: small.manifest, manifestId: small.manifestId };
  await transact(["drafts", "files", "chunks"], "readwrite", async (stores) => {
    if (!(await done(stores.drafts.getKey(draft.id)))) throw new DraftGone(`draft ${draft.id} is not here any more`);
    for (const chunk of [...chunks, ...(small?.chunks ?? [])]) await done(stores.chunks.put(chunk));
    await done(stores.files.put(stored));
  });
  return stored;
}

/** @param {StoredFile[]} files @returns {import("../lib/chunks.js").Manifest[]} of the files and their previews */
const manifestsOf = (files) => files.flatMap(({ manifest, preview }) => (preview ? [manifest, preview.manifest] : [manifest]));

/** @param {string} id */
export async function removeFile(id) {
  await transact(["files"], "readwrite", ({ files }) => done(files.delete(id)));
  await sweepChunks();
}

/** @param {{manifest: import("../lib/chunks.js").Manifest, type: string}} file @returns {Promise<Blob>} Throws `DamagedFile`. */
export async function readFile({ manifest, type }) {
  const bytes = await joinFile(manifest, async (id) => (await readChunk(id)) ?? new Uint8Array());
  return new Blob([bytes], { type });
}

/** @param {string} id @returns {Promise<Uint8Array<ArrayBuffer> | null>} */
export const readChunk = async (id) => (await get("chunks", id))?.bytes ?? null;

/**
 * The moment of signing: the draft goes, the outbox entry comes, the files change hands; all of it or nothing.
 * @param {Draft | null} draft null for events without a draft (withdrawal)
 * @param {import("../lib/event.js").EventDocument} doc @param {StoredFile[]} files
 * @returns {Promise<Entry>} Throws `DraftGone` unless draft and files are on disk as they were signed, and `StorageFull`.
 */
export async function commitSigned(draft, doc, files) {
  const manifests = new Map(manifestsOf(files).map((manifest) => [manifest.sha256, manifest]));
  const sent = doc.event.files.map((ref) => ({ ref, manifest: /** @type {import("../lib/chunks.js").Manifest} */ (manifests.get(ref.sha256)) }));
  const entry = buildEntry(doc, sent, Date.now());
  await transact(["drafts", "files", "outbox"], "readwrite", async (stores) => {
    if (draft && !(await isAsSigned(stores, draft, files))) throw new DraftGone(`draft ${draft.id} is not as it was when it was shown`);
    await done(stores.outbox.put(entry));
    for (const file of files) await done(stores.files.put({ ...file, draft: "" }));
    if (draft) await done(stores.drafts.delete(draft.id));
  });
  return entry;
}

/** @param {Record<string, IDBObjectStore>} stores @param {Draft} draft @param {StoredFile[]} files @returns {Promise<boolean>} */
async function isAsSigned(stores, draft, files) {
  const held = /** @type {Draft | undefined} */ (await done(stores.drafts.get(draft.id)));
  const all = /** @type {StoredFile[]} */ (await done(stores.files.getAll()));
  const ids = (/** @type {StoredFile[]} */ some) => some.map(({ id }) => id).sort().join();
  return held !== undefined && !held.deletedMs && held.savedMs === draft.savedMs && ids(all.filter((file) => file.draft === draft.id)) === ids(files);
}

/** @returns {Promise<Entry[]>} oldest first */
export async function listEntries() {
  return /** @type {Entry[]} */ (await getAll("outbox")).sort((a, b) => a.signedMs - b.signedMs);
}

/** Write down how far an entry has come. One that left this phone meanwhile (wiped, erased) stays away. @param {Entry} entry */
export const saveEntry = (entry) => transact(["outbox"], "readwrite", async ({ outbox }) => {
  if (await done(outbox.getKey(entry.id))) await done(outbox.put(entry));
});

/**
 * Free the photographs of dossiers whose receipt was verified; the node holds them.
 * @param {(stream: string) => boolean} [wanted] of which dossiers @returns {Promise<number>} bytes freed
 */
export async function freeReceived(wanted = () => true) {
  const entries = await listEntries();
  const received = new Set(entries.filter(isSettled).map((one) => one.doc.event.stream));
  const open = new Set(entries.filter((one) => !isSettled(one)).map((one) => one.doc.event.stream));
  const gone = /** @type {StoredFile[]} */ (await getAll("files")).filter((f) => !f.draft && received.has(f.stream) && !open.has(f.stream) && wanted(f.stream));
  if (!gone.length) return 0;
  await transact(["files"], "readwrite", async ({ files }) => {
    for (const file of gone) await done(files.delete(file.id));
  });
  await sweepChunks();
  return gone.reduce((sum, file) => sum + file.size, 0);
}

/** Delete all of one dossier: drafts, photographs, what was sent, receipts. Nothing of it may wait to be sent. @param {string} stream */
export async function dropStream(stream) {
  await transact(["drafts", "files", "outbox", "receipts"], "readwrite", async (stores) => {
    for (const store of Object.values(stores)) {
      const held = /** @type {any[]} */ (await done(store.getAll()));
      for (const one of held) if ((one.stream ?? one.doc?.event.stream) === stream) await done(store.delete(one.id));
    }
  });
  await sweepChunks();
}

/** Delete chunks that no file and no open entry names. One transaction, so a file being added is never robbed. */
export async function sweepChunks() {
  await transact(["files", "outbox", "chunks"], "readwrite", async ({ files, outbox, chunks }) => {
    const stored = /** @type {StoredFile[]} */ (await done(files.getAll()));
    const entries = /** @type {Entry[]} */ (await done(outbox.getAll())).filter((entry) => !isSettled(entry));
    const manifests = [...manifestsOf(stored), ...entries.flatMap((entry) => entry.files.map((file) => file.manifest))];
    const needed = new Set(manifests.flatMap((manifest) => manifest.chunks));
    for (const id of await done(chunks.getAllKeys())) if (!needed.has(String(id))) await done(chunks.delete(id));
  });
}
