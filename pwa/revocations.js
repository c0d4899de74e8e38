// The revocation lists this phone keeps: one of each CA pinned at enrolment, with the highest number that CA signed and this phone
// ever saw. `GET /api/node` tells the numbers, so a list is fetched only when its number rose; a lower one is never taken.

import { Refused } from "./lib/api.js";
import { fromBase64 } from "./lib/base64url.js";
import { sameBytes } from "./lib/bytes.js";
import { isCrlIssuedBy, parseCrl } from "./lib/crl.js";
import { MalformedDer, parseCertificate } from "./lib/der.js";
import { Lists } from "./lib/revocation.js";
import { state } from "./state.js";
import { done, setting, transact } from "./store/db.js";

/** @typedef {import("./lib/bytes.js").Bytes} Bytes */
/** @typedef {import("./lib/der.js").Certificate} Certificate */
/** What came: nothing, only lists that name the same certificates as before, or one that names others. @typedef {"" | "renewed" | "revoking"} News */
/** @typedef {Record<string, {number: string, der: Bytes}>} Kept by the CA's key id, in hex */

const NUMBER = /^(?:0|[1-9]\d{0,18})$/;

/** What a node told of and did not give, so that it is not asked for every minute. @type {Set<string>} */
const refused = new Set();
let parsed = { tag: "", lists: new Lists() };

/** @returns {Promise<Kept>} */
const readKept = () => setting("crls", {});

/** @returns {Promise<string>} another text whenever a list came: what was judged under another is judged again */
export const listsTag = async () => tagOf(await readKept());

/** @param {Kept} kept */
const tagOf = (kept) => Object.entries(kept).map(([key, { number }]) => `${key}:${number}`).sort().join();

/** @returns {Promise<Lists>} what is known on this phone, with or without a network */
export async function keptLists() {
  const kept = await readKept();
  const tag = tagOf(kept);
  if (tag !== parsed.tag) parsed = { tag, lists: new Lists(Object.values(kept).map(({ der }) => der)) };
  return parsed.lists;
}

/** Fetch the lists whose numbers rose. @param {import("./lib/api.js").NodeApi} api @returns {Promise<News>} Throws what lib/api.js throws, but for refusals. */
export async function refreshLists(api) {
  const { identity, node } = state;
  const told = node?.crls;
  if (!identity || !told) return "";
  const kept = await readKept();
  /** @type {News} */
  let news = "";
  for (const authority of identity.chain.map((one) => parseCertificate(fromBase64(one)))) {
    const number = told[authority.keyId] ?? "";
    if (!isHigher(number, kept[authority.keyId]?.number) || refused.has(`${authority.keyId}:${number}`)) continue;
    const came = await fetchOne(api, authority);
    if (!came) refused.add(`${authority.keyId}:${number}`);
    if (news !== "revoking") news = came || news;
  }
  return news;
}

/** @param {unknown} number told by a node @param {string | undefined} held */
const isHigher = (number, held) => typeof number === "string" && NUMBER.test(number) && (held === undefined || BigInt(number) > BigInt(held));

/** @param {import("./lib/api.js").NodeApi} api @param {Certificate} authority @returns {Promise<News>} */
async function fetchOne(api, authority) {
  try {
    return await keepList(authority, await api.fetchCrl(authority.keyId));
  } catch (cause) {
    if (!(cause instanceof Refused || cause instanceof MalformedDer)) throw cause;
    console.info("a revocation list was not taken", cause);
    return "";
  }
}

/** @param {Certificate} authority pinned @param {Bytes} der @returns {Promise<News>} what it brought, kept now; "" unless numbered higher than what was. Throws `MalformedDer`, also where the CA did not sign it. */
async function keepList(authority, der) {
  const crl = parseCrl(der);
  if (!(await isCrlIssuedBy(crl, authority))) throw new MalformedDer("the CA did not sign this revocation list");
  const number = String(crl.number);
  return transact(["settings"], "readwrite", async ({ settings }) => {
    const kept = /** @type {Kept} */ ((await done(settings.get("crls")))?.value ?? {});
    const before = kept[authority.keyId];
    if (!isHigher(number, before?.number)) return "";
    settings.put({ name: "crls", value: { ...kept, [authority.keyId]: { number, der } } });
    return sameBytes(crl.entries, before ? parseCrl(before.der).entries : new Uint8Array()) ? "renewed" : "revoking";
  });
}

/** For somebody who is not registered: the lists as the node shows them now, kept nowhere. @param {import("./lib/api.js").NodeApi} api @param {string[]} chain base64 DER @param {Record<string, string>} told @returns {Promise<Lists>} */
export async function fetchLists(api, chain, told) {
  const keys = chain.map((one) => parseCertificate(fromBase64(one)).keyId).filter((key) => key in told);
  const found = await Promise.all(keys.map((key) => api.fetchCrl(key).catch((cause) => {
    if (cause instanceof Refused) return new Uint8Array(); // no list: the verdict says that none is here
    throw cause;
  })));
  return new Lists(found);
}
