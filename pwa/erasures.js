// After each exchange with the node: dossiers that were erased at the office go from this phone too, and the list says so.

import { buildErased, findOrders, verifyOrder } from "./lib/erasure.js";
import { finishForgetting, forgetDossiers, listErased } from "./store/erased.js";
import { nodeNowMs } from "./state.js";
import { allEvents } from "./store/mine.js";

/** @param {import("./lib/api.js").NodeApi} api @param {import("./lib/trust.js").Trust} trust @returns {Promise<number>} how many dossiers went. Throws what lib/api.js throws. */
export async function dropErased(api, trust) {
  await finishForgetting();
  const docs = await allEvents();
  const known = new Set((await listErased()).map(({ order }) => order));
  const orders = findOrders(docs).filter(({ proposal }) => !known.has(proposal._id.slice(proposal._id.lastIndexOf(":") + 1)));
  if (!orders.length) return 0;
  const { erasures } = await api.fetchMyErasures();
  const notes = [];
  for (const order of orders) {
    const held = docs.filter(({ event }) => event.stream === order.proposal.event.body.dossier);
    try {
      await verifyOrder(order, held, trust, nodeNowMs());
      const told = erasures.find((/** @type {any} */ one) => order.proposal._id.endsWith(one.id)) ?? {};
      notes.push(buildErased(order, held, told));
    } catch (cause) {
      // An order nobody can prove drops nothing: the phone keeps its copy and looks again the next time.
      console.info(`${order.proposal._id}: ${/** @type {Error} */ (cause).message}`);
    }
  }
  if (notes.length) await forgetDossiers(notes);
  return notes.length;
}
