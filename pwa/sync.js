// When things travel: at start, when the network or the page comes back, after signing, and at growing intervals.
// Only one tab sends (navigator.locks); what it does is lib/outbox.js.

import { outcomeOf } from "./lib/api.js";
import { arrived } from "./lib/arrived.js";
import { isOpen } from "./lib/entry.js";
import { catalogueReadMs, refreshCatalogue } from "./catalogue.js";
import { HOUR_MS, OUTBOX_LOCK, isOlder, refreshNode, state, tellAll } from "./state.js";
import { saveSetting, setting } from "./store/db.js";
import { listEntries } from "./store/drafts.js";

/** @typedef {import("./lib/api.js").Outcome} Outcome */

// First failures are often a bend in the road; a phone in a pocket should not knock all day.
const BACKOFF_MS = [5_000, 15_000, 45_000, 120_000, 300_000, 600_000];
// With everything sent: how often an open page asks for news, and how often while the node's receipt is awaited.
const NEWS_MS = 60_000;
const RECEIPT_MS = 10_000;
const ENROLMENT_MS = 5_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {Promise<void> | null} */
let running = null;
/** The run after that: whoever asks while one is under way may have something it did not see. @type {Promise<void> | null} */
let following = null;

/** Begin: listen to the network, the page and the service worker, and make the first run. */
export function startSync() {
  addEventListener("online", () => syncNow());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && syncNow());
  navigator.serviceWorker?.addEventListener("message", ({ data }) => data === "sync" && syncNow());
  syncNow();
}

/** @returns {Promise<void>} when a run that began after this call has ended, in this tab or another's hands */
export function syncNow() {
  if (running) return (following ??= running.then(() => syncNow()));
  clearTimeout(timer);
  following = null;
  running = lockedRun().finally(() => { running = null; });
  return running;
}

async function lockedRun() {
  if (!navigator.locks) return oneRun();
  await navigator.locks.request(OUTBOX_LOCK, { ifAvailable: true }, async (lock) => {
    if (lock) return oneRun();
    schedule(NEWS_MS); // another tab is at it and tells us what changes
  });
}

async function oneRun() {
  state.sending = true;
  tellAll("link");
  /** @type {Outcome | null} */
  let outcome = null;
  try {
    outcome = await attempt();
  } finally {
    // Also after what nobody foresaw (a full phone, a defect): it is told, and is not this page's last run.
    state.sending = false;
    await settle(outcome);
  }
}

/** @returns {Promise<Outcome>} Throws what is no failure of the line. */
async function attempt() {
  let outcome = await pass().catch(outcomeOf);
  // From the replication, which does not try again by itself.
  if (outcome === "unauthorised") outcome = await exchangeModule().then(({ renewTokens }) => renewTokens()).then(pass).catch(outcomeOf);
  if (state.record && (outcome === "unauthorised" || (outcome === "done" && state.record.revoked))) await (await exchangeModule()).askWhetherRevoked();
  if (state.record || (await setting("keeping"))) await (await exchangeModule()).sweepOthers();
  return outcome;
}

/** @returns {Promise<Outcome>} Throws what lib/api.js throws. */
async function pass() {
  if (isOlder(state.nodeReadMs, HOUR_MS) || !state.node) await refreshNode();
  if (isOlder(catalogueReadMs(), HOUR_MS) && (await refreshCatalogue())) tellAll("catalogue");
  return state.record ? (await exchangeModule()).exchange() : "done";
}

/** Loaded when there is a key, not with the first screen. */
const exchangeModule = () => arrived(import("./exchange.js"));

/** Set the clock for the next run and write down how it went. @param {Outcome | null} outcome null where something else than the line failed */
async function settle(outcome) {
  const now = Date.now();
  const failures = outcome === "done" ? 0 : state.link.failures + 1;
  const waitMs = await nextWait(failures);
  const answeredMs = outcome === null || outcome === "offline" ? state.link.answeredMs : now;
  state.link = { outcome: outcome ?? state.link.outcome, triedMs: now, answeredMs, nextMs: now + waitMs, failures };
  schedule(waitMs);
  tellAll("link");
  await saveSetting("link", state.link);
  // Only without a network: with one, the browser would fire at once, and a node that is away be asked without a pause.
  if (failures && !navigator.onLine) await askForBackgroundSync();
}

/** @param {number} failures @returns {Promise<number>} */
async function nextWait(failures) {
  // Half again at random: after an outage a commune's phones must not all knock at the same second.
  if (failures) return BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] * (1 + Math.random() / 2);
  if (state.record?.state === "pending") return ENROLMENT_MS;
  const open = (await listEntries()).filter(isOpen);
  return open.some((entry) => entry.stage === "sent") ? RECEIPT_MS : NEWS_MS;
}

/** @param {number} waitMs */
function schedule(waitMs) {
  clearTimeout(timer);
  timer = setTimeout(() => (document.visibilityState === "visible" || state.link.failures ? void syncNow() : schedule(waitMs)), waitMs);
}

/** Where the browser has Background Sync it wakes a page that is still open behind others when the network returns. */
async function askForBackgroundSync() {
  const registration = await navigator.serviceWorker?.getRegistration();
  const sync = /** @type {any} */ (registration)?.sync;
  await sync?.register("outbox").catch(() => undefined); // refused in private mode: the timer and "online" remain
}
