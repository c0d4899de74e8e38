// What every page may ask: which node, which clock, who we are, how the line is. Loaded once, kept fresh, told to all tabs.

import { NodeApi, Refused } from "./lib/api.js";
import { saveSetting, setting } from "./store/db.js";
import { readIdentity, readKey } from "./store/keys.js";

/** @typedef {import("./store/keys.js").KeyRecord} KeyRecord */
/** @typedef {import("./store/keys.js").Identity} Identity */
/**
 * How the line is: `outcome` of the last run, when we last tried, when the node last answered, when we try again.
 * @typedef {{outcome: "none" | "done" | "offline" | "busy" | "unauthorised", triedMs: number, answeredMs: number, nextMs: number, failures: number}} Link
 */

/** What `/api/me` said of the certificate `x5t`. @typedef {{roles: string[], warnings: {vi: string, en: string}[], readMs: number, x5t: string}} Me */

export const ORIGIN = location.origin;
/** Held by the one window that sends (sync.js), and while everything is deleted (wiping.js). */
export const OUTBOX_LOCK = "tram-outbox";
/** In `localStorage`: everything on this phone is to be deleted before anything else is done. */
export const WIPE = "tram-wipe";

export const state = {
  /** @type {import("./lib/api.js").NodeInfo | null} */
  node: null,
  /** how far the node's clock is ahead of ours */
  offsetMs: 0,
  nodeReadMs: 0,
  /** @type {KeyRecord | null} */
  record: null,
  /** @type {Identity | null} */
  identity: null,
  /** @type {Me | null} who the node takes us for */
  me: null,
  /** @type {Link} */
  link: { outcome: "none", triedMs: 0, answeredMs: 0, nextMs: 0, failures: 0 },
  /** a run is under way in this tab */
  sending: false,
};

/** Read what was remembered. Throws `NoStorage`. */
export async function loadState() {
  const saved = await setting("node");
  if (saved) Object.assign(state, { node: saved.node, offsetMs: saved.offsetMs, nodeReadMs: saved.readMs });
  state.link = { ...state.link, ...(await setting("link", {})) };
  state.me = await setting("me", null);
  await reloadKey();
}

export async function reloadKey() {
  state.record = await readKey("citizen");
  state.identity = await readIdentity("citizen");
}

export const HOUR_MS = 3600_000;

/** @param {number} readMs by this phone's clock @param {number} ageMs @returns {boolean} also of what a clock that was set back since says is to come */
export const isOlder = (readMs, ageMs) => Math.abs(Date.now() - readMs) > ageMs;

/** The time by the node's clock, as far as we know it. @returns {number} milliseconds */
export const nodeNowMs = () => Date.now() + state.offsetMs;

/** Ask the node who it is and what time it has. @returns {Promise<import("./lib/api.js").NodeInfo>} */
export async function refreshNode() {
  const { node, offsetMs } = await new NodeApi(ORIGIN).fetchNode();
  Object.assign(state, { node, offsetMs, nodeReadMs: Date.now() });
  await saveSetting("node", { node, offsetMs, readMs: state.nodeReadMs });
  return node;
}

const HELPERS = ["helper", "official", "leader", "admin"];

/** @returns {boolean} whether this phone's owner was given to file for others, as far as the node has told */
export const isHelper = () => Boolean(state.me && state.me.x5t === state.identity?.x5t && state.me.roles.some((role) => HELPERS.includes(role)));

/** Ask the node who it takes us for, and keep the answer for when there is no network. @param {NodeApi} api Throws what it throws. */
export async function refreshMe(api) {
  const told = await api.fetchMe().catch((cause) => {
    if (cause instanceof Refused && cause.status !== 401) return null; // it does not say; nothing else waits for it
    throw cause;
  });
  if (!told) return;
  const { roles, warnings } = told;
  const before = JSON.stringify(state.me?.roles);
  state.me = { roles, warnings, readMs: Date.now(), x5t: state.identity?.x5t ?? "" };
  await saveSetting("me", state.me);
  if (JSON.stringify(roles) !== before) tellAll("me");
}

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("tram");
const listeners = new Set(/** @type {((what: string) => void)[]} */ ([]));
if (channel) channel.onmessage = ({ data }) => listeners.forEach((listener) => listener(String(data)));

/** @param {(what: string) => void} listener told of changes in this tab and others: "outbox", "events", "link", "key", "draft", "receipts", "keeping", "me", "wipe" */
export const onChange = (listener) => listeners.add(listener);

/** Tell the other tabs alone: this one knows, and is being typed into. @param {string} what */
export const tellOthers = (what) => channel?.postMessage(what);

/** @param {string} what */
export function tellAll(what) {
  tellOthers(what);
  listeners.forEach((listener) => listener(what));
}

/** Load the application again at its first page: nothing that is under way in this window goes on. */
export function startAnew() {
  history.replaceState(null, "", "#/");
  location.reload();
}
