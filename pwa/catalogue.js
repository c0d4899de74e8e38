// The catalogue of procedures, kept for use without a network.

import { NodeApi } from "./lib/api.js";
import { inForce } from "./lib/procedures.js";
import { ORIGIN, nodeNowMs } from "./state.js";
import { saveSetting, setting } from "./store/db.js";

/** @typedef {import("./lib/procedures.js").Procedure} Procedure */

/** @type {{procedures: Procedure[], etag: string, readMs: number} | null} */
let held = null;

/** @returns {Promise<Procedure[]>} what this phone holds, [] before the first time */
export async function procedures() {
  const kept = held ?? (await setting("catalogue", null));
  held ??= kept; // not `held ??= await …`: that would put what was read over what came while it was read
  return inForce(held?.procedures ?? [], new Date(nodeNowMs()).toISOString().slice(0, 10));
}

/** @param {string} code @returns {Promise<Procedure | null>} */
export const procedure = async (code) => (await procedures()).find((one) => one.code === code) ?? null;

/** @returns {Promise<boolean>} whether something new came. Throws what lib/api.js throws. */
export async function refreshCatalogue() {
  await procedures();
  const fresh = await new NodeApi(ORIGIN).fetchCatalogue(held?.procedures.length ? held.etag : undefined);
  if (!fresh) return false;
  held = { procedures: fresh.catalogue.procedures ?? [], etag: fresh.etag, readMs: Date.now() };
  await saveSetting("catalogue", held);
  return true;
}

/** Age of what is held, for deciding when to ask again. */
export const catalogueReadMs = () => held?.readMs ?? 0;
