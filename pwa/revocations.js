// The revocation lists this phone keeps: one of each CA pinned at enrolment, with the highest number that CA signed and this phone
// ever saw. `GET /api/node` tells the numbers, so a list is fetched only when its number rose; a lower one is never taken.

import { Refused } from "./lib/api.js";
import { fromBase64 } from "./lib/base64url.js";
import { isCrlIssuedBy, parseCrl } from "./lib/crl.js";
import { MalformedDer, parseCertificate } from "./lib/der.js";
import { Lists } from "./lib/revocation.js";
import { state } from "./state.js";
import { done, setting, transact } from "./store/db.js";

/** @typedef {import("./lib/bytes.js").Bytes} Bytes */
/** @typedef {import("./lib/der.js").Certificate} Certificate */
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

/** Fetch the lists whose numbers rose. @param {import("./lib/api.js").NodeApi} api @returns {Promise<boolean>} whether any came. Throws what lib/api.js throws, but for refusals. */
export async function refreshLists(api) {
  const { identity, node } = state;
  const told = node?.crls;
  if (!identity || !told) return false;
  const kept = await readKept();
  let changed = false;
  for (const authority of identity.chain.map((one) => parseCertificate(fromBase64(one)))) {
    const number = told[authority.keyId] ?? "";
    if (!isHigher(number, kept[authority.keyId]?.number) || refused.has(`${authority.keyId}:${number}`)) continue;
    const came = await fetchOne(api, authority);
    if (!came) refused.add(`${authority.keyId}:${number}`);
    changed ||= came;
  }
  return changed;
}

/** @param {unknown} number told by a node @param {string | undefined} held */
const isHigher = (number, held) => typeof number === "string" && NUMBER.test(number) && (held === undefined || BigInt(number) > BigInt(held));

/** @param {import("./lib/api.js").NodeApi} api @param {Certificate} authority @returns {Promise<boolean>} */
async function fetchOne(api, authority) {
  try {
    return await keepList(authority, await api.fetchCrl(authority.keyId));
  } catch (cause) {
    if (!(cause instanceof Refused || cause instanceof MalformedDer)) throw cause;
    console.info("a revocation list was not taken", cause);
    return false;
  }
}

/** @param {Certificate} authority pinned @param {Bytes} der @returns {Promise<boolean>} whether it is kept now: signed by the CA, and numbered higher than what was. Throws `MalformedDer`. */
async function keepList(authority, der) {
  const crl = parseCrl(der);
  if (!(await isCrlIssuedBy(crl, authority))) throw new MalformedDer("the CA did not sign this revocation list");
  const number = String(crl.number);
  return transact(["settings"], "readwrite", async ({ settings }) => {
    const kept = /** @type {Kept} */ ((await done(settings.get("crls")))?.value ?? {});
    if (!isHigher(number, kept[authority.keyId]?.number)) return false;
    settings.put({ name: "crls", value: { ...kept, [authority.keyId]: { number, der } } });
    return true;
  });
}

/** For somebody who is not registered: the lists as the node shows them now, kept nowhere. @param {import("./lib/api.js").NodeApi} api @param {string[]} chain base64 DER @param {Record<string, string>} told @returns {Promise<Lists>} */
export async function fetchLists(api, chain, told) {
  const keys = chain.map((one) => parseCertificate(fromBase64(one)).keyId).filter((key) => key in told);
  return new Lists(await Promise.all(keys.map((key) => api.fetchCrl(key))));
}
