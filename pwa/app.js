// Start: language and text size, what is remembered, the first page; then the network, then the service worker.

import { useLanguage, t } from "./i18n/text.js";
import { failed } from "./page.js";
import { startRouter } from "./router.js";
import { WIPE, loadState, onChange, startAnew } from "./state.js";
import { NoStorage, StorageFull, setting } from "./store/db.js";
import { h } from "./ui/dom.js";
import { heading } from "./ui/parts.js";
import { drawShell, showPage, toast } from "./ui/shell.js";
import { startWorker } from "./worker.js";

async function start() {
  let wiped = false;
  try {
    if (!isSecureContext) return stop("error.insecure_title", "error.insecure");
    await useLanguage(await setting("language", "vi"));
    document.documentElement.lang = await setting("language", "vi");
    document.documentElement.dataset.text = await setting("text", "normal");
    wiped = localStorage.getItem(WIPE) !== null;
    if (wiped) await (await import("./wiping.js")).finishWipe();
    await loadState();
  } catch (cause) {
    if (cause instanceof NoStorage) return stop("error.no_storage_title", "error.no_storage");
    const page = failed(cause);
    return showPage(page.title, page.content);
  }
  drawShell();
  await startRouter();
  if (wiped) toast(t("wipe.done"));
  // Everything below can wait for the first screen.
  const [{ startSync }, { purgeDeleted }] = await Promise.all([import("./sync.js"), import("./store/drafts.js")]);
  startSync();
  startWorker();
  await purgeDeleted();
}

/** @param {import("./i18n/text.js").Key} title @param {import("./i18n/text.js").Key} text */
function stop(title, text) {
  drawShell();
  showPage(t(title), h("div", null, heading(t(title)), h("p", null, t(text))));
}

// What nobody caught is shown, not swallowed: the person sees that something did not happen.
addEventListener("unhandledrejection", ({ reason }) => {
  console.error(reason);
  toast(reason instanceof StorageFull ? t("error.storage_full") : `${t("error.unknown_title")}: ${reason?.message ?? reason}`);
});

onChange((what) => { if (what === "wipe") startAnew(); });
void start();
