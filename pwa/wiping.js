// Deleting everything on this phone. A run of the exchange that is under way, here or in another window, would write down afterwards
// what it holds. So it is written down that everything goes, every window loads the application again, which ends its runs, and
// the first to start deletes before it reads anything.

import { OUTBOX_LOCK, WIPE, startAnew, tellOthers } from "./state.js";
import { clearAll } from "./store/db.js";
import { destroyMine } from "./store/mine.js";

const PATIENCE_MS = 10_000; // a window that does not load again within that (stopped in a debugger) holds nothing up

export function beginWipe() {
  localStorage.setItem(WIPE, "asked");
  tellOthers("wipe");
  startAnew();
}

/** Delete what `beginWipe` was asked to. Cut short, it is done at the next start. @returns {Promise<void>} */
export async function finishWipe() {
  if (!navigator.locks) return wipe();
  try {
    await navigator.locks.request(OUTBOX_LOCK, { signal: AbortSignal.timeout(PATIENCE_MS) }, wipe);
  } catch (cause) {
    if (/** @type {any} */ (cause)?.name !== "TimeoutError") throw cause;
    await wipe();
  }
}

async function wipe() {
  if (!localStorage.getItem(WIPE)) return; // another window has
  await destroyMine();
  await clearAll();
  localStorage.removeItem(WIPE);
}
