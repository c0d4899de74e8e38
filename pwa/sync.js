// When things travel: at start, when the network or the page comes back, after signing, and at growing intervals.
// Only one tab sends (navigator.locks); what it does is lib/outbox.js.

import { Unreachable } from "./lib/api.js";
import { outcomeOf, runOutbox, isOpen } from "./lib/outbox.js";
import { Trust, verifyReceipt } from "./lib/trust.js";
import { catalogueReadMs, refreshCatalogue } from "./catalogue.js";
import { askWhetherRevoked, pollEnrolment } from "./enrol.js";
import { dropErased } from "./erasures.js";
import { keptLists, refreshLists } from "./revocations.js";
import { ORIGIN, citizenToken, isHelper, nodeApi, nodeNowMs, refreshMe, refreshNode, renewTokens, state, tellAll } from "./state.js";
import { askStoriesAgain, refreshStories } from "./stories.js";
import { saveSetting, setting } from "./store/db.js";
import { listEntries, readChunk, saveEntry } from "./store/drafts.js";
import { addEvent, allEvents, eventsOf, findCertificate, replicationWith } from "./store/mine.js";

const HOUR_MS = 3600_000;
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
  await navigator.locks.request("tram-outbox", { ifAvailable: true }, async (lock) => {
    if (lock) return oneRun();
    schedule(NEWS_MS); // another tab is at it and tells us what changes
  });
}

async function oneRun() {
  state.sending = true;
  tellAll("link");
  let { outcome } = state.link;
  try {
    outcome = await pass();
    if (outcome === "unauthorised") {
      // From the replication, which does not try again by itself.
      await renewTokens();
      outcome = await pass();
    }
  } catch (cause) {
    outcome = outcomeOf(cause);
  } finally {
    state.sending = false;
  }
  if (outcome === "unauthorised" || (outcome === "done" && state.record?.revoked)) await askWhetherRevoked();
  await sweepOthers();
  await settle(outcome);
}

/** Let go of what was filed for others and is due; on a phone that never did, nothing is loaded for it. */
async function sweepOthers() {
  const signed = [...(await listEntries()).map(({ doc }) => doc), ...(isHelper() ? await allEvents() : [])];
  if (!signed.some(({ event }) => event.body.on_behalf) && !(await setting("keeping"))) return;
  await (await import("./keeping.js")).sweepKept();
}

/** @returns {Promise<import("./lib/outbox.js").Outcome>} */
async function pass() {
  if (Date.now() - state.nodeReadMs > HOUR_MS || !state.node) await refreshNode();
  if (Date.now() - catalogueReadMs() > HOUR_MS && (await refreshCatalogue())) tellAll("catalogue");
  if (state.record?.state === "pending") await pollEnrolment();
  if (!state.identity) return "done";
  // First, and asked without a token: an office whose own certificate is gone may take none of ours.
  const news = await refreshLists(nodeApi());
  if (news) await (await receiptsModule()).reviewReceipts();
  if (news === "revoking") await askStoriesAgain();
  if (state.me?.x5t !== state.identity.x5t || Math.abs(Date.now() - state.me.readMs) > HOUR_MS) await refreshMe(nodeApi());
  const parts = await outboxParts();
  const outcome = await runOutbox(parts);
  if (outcome === "done") {
    await dropErased(parts.api, await currentTrust());
    await refreshStories(parts.api);
    const { refreshReceipts, reviewReceipts } = await receiptsModule();
    const changed = await refreshReceipts(parts.api);
    if ((await reviewReceipts()) || changed) tellAll("receipts");
  }
  tellAll("events");
  return outcome;
}

/** Loaded when it is needed, not with the first screen. */
const receiptsModule = () => loaded(() => import("./receipts.js"));

/** @template T @param {() => Promise<T>} load a module @returns {Promise<T>} A line that breaks meanwhile is a line that broke. */
async function loaded(load) {
  try {
    return await load();
  } catch (cause) {
    throw new Unreachable("a module did not come", { cause });
  }
}

/** @returns {Promise<import("./lib/outbox.js").Parts>} */
async function outboxParts() {
  const trust = await currentTrust();
  return {
    entries: listEntries,
    save: saveEntry,
    chunk: readChunk,
    api: nodeApi(),
    mine: { add: addEvent, events: eventsOf, ...(await replicationWith(ORIGIN, () => citizenToken()())) },
    verifyReceipt: async (receipt, submission) => {
      await verifyReceipt(receipt, submission, trust);
      await trust.verifyUnrevoked(receipt, nodeNowMs());
    },
    now: Date.now,
    changed: () => tellAll("outbox"),
  };
}

/** @returns {Promise<Trust>} in the node pinned at enrolment and what its authority issued since, with the revocation lists that are here */
export async function currentTrust() {
  const { identity } = state;
  if (!identity) throw new Error("without a registration nobody is trusted yet");
  const pins = { urn: identity.node.urn, certificate: identity.node.certificate, chain: identity.chain };
  return new Trust(pins, async (x5t) => (await findCertificate(x5t)) ?? state.node?.certificate ?? null, await keptLists());
}

/** Write down how it went and set the clock for the next run. @param {import("./lib/outbox.js").Outcome} outcome */
async function settle(outcome) {
  const now = Date.now();
  const failures = outcome === "done" ? 0 : state.link.failures + 1;
  const waitMs = await nextWait(failures);
  const answeredMs = outcome === "offline" ? state.link.answeredMs : now;
  state.link = { outcome, triedMs: now, answeredMs, nextMs: now + waitMs, failures };
  await saveSetting("link", state.link);
  schedule(waitMs);
  tellAll("link");
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
