// From the address's hash to a page. One page per file in views/; a page is drawn anew when something it shows changes.

import { loadTexts } from "./i18n/text.js";
import { arrived } from "./lib/arrived.js";
import { failed, notFound } from "./page.js";
import { onChange } from "./state.js";
import { drawNetwork, drawShell, showPage } from "./ui/shell.js";
import { isReplaced } from "./worker.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {(path: string[], query: URLSearchParams) => Promise<Page>} View */

/** Pages beyond the first are loaded when they are first opened; the service worker has them by then. */
const ROUTES = /** @type {[RegExp, () => Promise<View>][]} */ ([
  [/^$/, async () => (await import("./views/home.js")).home],
  [/^procedures$/, async () => (await import("./views/procedures.js")).procedureList],
  [/^procedures\/([^/]+)$/, async () => (await import("./views/procedure.js")).procedurePage],
  [/^register$/, async () => (await import("./views/register.js")).register],
  [/^register\/receive$/, async () => (await import("./views/receive.js")).receivePage],
  [/^register\/([A-Za-z0-9_-]{200,4000})$/, async () => (await import("./views/receive.js")).receivePage],
  [/^drafts\/([^/]+)$/, async () => (await import("./views/draft.js")).draftPage],
  [/^drafts\/([^/]+)\/applicant$/, async () => (await import("./views/applicant.js")).applicantPage],
  [/^drafts\/([^/]+)\/form\/([^/]+)$/, async () => (await import("./views/form.js")).formPage],
  [/^drafts\/([^/]+)\/papers\/([^/]+)$/, async () => (await import("./views/paper.js")).paperPage],
  [/^drafts\/([^/]+)\/delivery$/, async () => (await import("./views/delivery.js")).deliveryPage],
  [/^drafts\/([^/]+)\/note$/, async () => (await import("./views/note.js")).notePage],
  [/^drafts\/([^/]+)\/check$/, async () => (await import("./views/check.js")).checkPage],
  [/^drafts\/([^/]+)\/sign$/, async () => (await import("./views/sign.js")).signPage],
  [/^drafts\/([^/]+)\/behalf$/, async () => (await import("./views/behalf.js")).behalfPage],
  [/^drafts\/([^/]+)\/consent$/, async () => (await import("./views/consent.js")).consentPage],
  [/^behalf$/, async () => (await import("./views/helping.js")).helpingPage],
  [/^behalf\/paper$/, async () => (await import("./views/consent.js")).blankConsentPage],
  [/^dossiers\/([^/]+)$/, async () => (await import("./views/dossier.js")).dossierPage],
  [/^dossiers\/([^/]+)\/receipt$/, async () => (await import("./views/receipt.js")).receiptPage],
  [/^dossiers\/([^/]+)\/slip$/, async () => (await import("./views/slip.js")).slipPage],
  [/^dossiers\/([^/]+)\/withdraw$/, async () => (await import("./views/withdraw.js")).withdrawPage],
  [/^([A-Za-z0-9_-]{200,1400})$/, async () => (await import("./views/scanned.js")).scannedReceipt],
  [/^settings$/, async () => (await import("./views/settings.js")).settingsPage],
  [/^settings\/wipe$/, async () => (await import("./views/wipe.js")).wipePage],
]);

/** @type {Page | null} */
let shown = null;
let turn = 0;
let stale = false;
/** What changed while a page was being made: it may have read before. @type {Set<string>} */
const meanwhile = new Set();

/** Draw the page the address names, and follow it from now on. */
export async function startRouter() {
  addEventListener("hashchange", () => {
    if (isReplaced()) return location.reload(); // between two pages nothing is half typed
    if (location.hash.startsWith("#/") || !location.hash) void draw(false);
  });
  addEventListener("online", drawNetwork);
  addEventListener("offline", () => { drawNetwork(); refresh("link"); });
  onChange((what) => {
    if (what === "link") drawNetwork();
    if (what === "language" || what === "key") drawShell();
    refresh(what);
  });
  await draw(false);
}

/** @param {string} what */
function refresh(what) {
  meanwhile.add(what);
  if (!shown?.refreshOn?.includes(what) || stale) return;
  stale = true; // several changes in one moment are one drawing
  requestAnimationFrame(() => {
    stale = false;
    void draw(true);
  });
}

/** @param {boolean} again the same page, fresher */
async function draw(again) {
  const mine = ++turn;
  meanwhile.clear();
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  let page;
  try {
    page = await find(path, new URLSearchParams(query));
  } catch (cause) {
    page = failed(cause);
  }
  if (mine !== turn) return page.leave?.(); // the person has gone elsewhere meanwhile
  shown?.leave?.();
  shown = page;
  showPage(page.title, page.content, { keepFocus: again });
  const missed = page.refreshOn?.find((what) => meanwhile.has(what));
  if (missed) refresh(missed);
}

/** @param {string} path @param {URLSearchParams} query @returns {Promise<Page>} */
async function find(path, query) {
  for (const [pattern, load] of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    const [view] = await Promise.all([arrived(load()), path && loadTexts()]);
    return view(match.slice(1).map(decodeURIComponent), query);
  }
  return notFound();
}
