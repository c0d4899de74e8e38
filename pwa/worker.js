// The page's side of the service worker: registering it, and offering a new version without forcing it on anybody.

import { t } from "./i18n/text.js";
import { toast } from "./ui/shell.js";

const URL_OF_WORKER = "/sw.js";

/** Where the browser wants Trusted Types, this is the only script address we ever hand out. */
function trusted() {
  const factory = /** @type {any} */ (globalThis).trustedTypes;
  return factory ? factory.createPolicy("tram", { createScriptURL: () => URL_OF_WORKER }).createScriptURL("") : URL_OF_WORKER;
}

let replaced = false;

/** @returns {boolean} whether another window let a newer version in: modules loaded from now on would not fit those that are here */
export const isReplaced = () => replaced;

export async function startWorker() {
  if (!navigator.serviceWorker) return; // works online only; nothing is lost
  let served = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    replaced = served; // the first worker of all replaces nobody
    served = true;
  });
  let registration;
  try {
    registration = await navigator.serviceWorker.register(trusted());
  } catch (cause) {
    console.error("no offline start in this browser", cause);
    return;
  }
  if (registration.waiting) offer(registration);
  registration.addEventListener("updatefound", () => watch(registration));
}

/** @param {ServiceWorkerRegistration} registration */
function watch(registration) {
  const fresh = registration.installing;
  fresh?.addEventListener("statechange", () => {
    // Without a controller this is the first installation, not an update.
    if (fresh.state === "installed" && navigator.serviceWorker.controller) offer(registration);
  });
}

/** The next start uses the new version by itself; who wants it now loses nothing, since drafts are saved as they are typed. @param {ServiceWorkerRegistration} registration */
function offer(registration) {
  const run = () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    registration.waiting?.postMessage("activate");
  };
  toast(t("app.updated"), { label: t("app.update_now"), run, stay: true });
}
