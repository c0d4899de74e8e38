// The browser's own database "tram": keys, settings, drafts, files in chunks, the outbox. Events live in PouchDB (mine.js).
//
//     settings  name → value            keys      id → identity (a private key that cannot be copied out)
//     drafts    id → draft              files     id → one photograph or scan of a draft, by its chunks
//     chunks    sha256-… → bytes        outbox    event document id → entry (lib/outbox.js)
//     receipts  event id → receipt and what the log keeps of it (receipts.js)

/** @typedef {"settings" | "keys" | "drafts" | "files" | "chunks" | "outbox" | "receipts"} StoreName */

const NAME = "tram";
const VERSION = 2; // 2: receipts
/** @type {Record<StoreName, IDBObjectStoreParameters>} */
const STORES = {
  settings: { keyPath: "name" },
  keys: { keyPath: "id" },
  drafts: { keyPath: "id" },
  files: { keyPath: "id" },
  chunks: { keyPath: "id" },
  outbox: { keyPath: "id" },
  receipts: { keyPath: "id" },
};

/** This browser keeps nothing (private mode, storage switched off): the application cannot promise anything here. */
export class NoStorage extends Error {}
/** The phone's storage is full; what was being saved is not saved. */
export class StorageFull extends Error {}

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} Throws `NoStorage`. */
export function openDb() {
  opened ??= open().catch((cause) => {
    opened = null;
    throw cause;
  });
  return opened;
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    if (typeof indexedDB === "undefined" || indexedDB === null) return reject(new NoStorage("no IndexedDB"));
    let request;
    try {
      request = indexedDB.open(NAME, VERSION);
    } catch (cause) {
      return reject(new NoStorage("IndexedDB is switched off", { cause }));
    }
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) {
        if (!request.result.objectStoreNames.contains(name)) request.result.createObjectStore(name, options);
      }
    };
    request.onerror = () => reject(new NoStorage("IndexedDB does not open", { cause: request.error }));
    request.onsuccess = () => {
      const db = request.result;
      // Another tab brings a newer version or deletes everything: let go, the next use opens again.
      db.onversionchange = () => { db.close(); opened = null; };
      db.onclose = () => { opened = null; };
      resolve(db);
    };
  });
}

/**
 * Run `work` in one transaction and wait until it is on disk.
 * @template T
 * @param {StoreName[]} names @param {IDBTransactionMode} mode
 * @param {(stores: Record<string, IDBObjectStore>) => T | Promise<T>} work must not wait for anything but requests of this transaction
 * @returns {Promise<T>} Throws `StorageFull`, `NoStorage`.
 */
export async function transact(names, mode, work) {
  const db = await openDb();
  // strict: "saved" means flushed, also when the battery falls out a second later.
  const transaction = db.transaction(names, mode, { durability: "strict" });
  const finished = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onerror = transaction.onabort = () => reject(asOurs(transaction.error));
  });
  const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]));
  let result;
  try {
    result = await work(stores);
  } catch (cause) {
    finished.catch(() => undefined); // the cause says more than the abort that follows it
    try { transaction.abort(); } catch { /* it had ended by itself */ }
    throw asOurs(cause);
  }
  await finished;
  return result;
}

/** @param {any} cause @returns {Error} */
function asOurs(cause) {
  if (cause?.name === "QuotaExceededError") return new StorageFull("the phone's storage is full", { cause });
  return cause instanceof Error || cause instanceof DOMException ? cause : new Error("the database gave up", { cause });
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
export function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(asOurs(request.error));
  });
}

/** @param {StoreName} store @param {string} key @returns {Promise<any>} undefined when there is none */
export const get = (store, key) => transact([store], "readonly", (stores) => done(stores[store].get(key)));

/** @param {StoreName} store @returns {Promise<any[]>} */
export const getAll = (store) => transact([store], "readonly", (stores) => done(stores[store].getAll()));

/** @param {StoreName} store @param {any} value */
export const put = (store, value) => transact([store], "readwrite", (stores) => done(stores[store].put(value)));

/** @param {StoreName} store @param {string} key */
export const remove = (store, key) => transact([store], "readwrite", (stores) => done(stores[store].delete(key)));

/** @param {string} name @param {any} [otherwise] @returns {Promise<any>} */
export async function setting(name, otherwise) {
  return (await get("settings", name))?.value ?? otherwise;
}

/** @param {string} name @param {any} value */
export const saveSetting = (name, value) => put("settings", { name, value });

/** Delete everything this application keeps here, but for PouchDB's part. @returns {Promise<void>} */
export const clearAll = () => transact(/** @type {StoreName[]} */ (Object.keys(STORES)), "readwrite", async (stores) => {
  await Promise.all(Object.values(stores).map((store) => done(store.clear())));
});
