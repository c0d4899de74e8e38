// The desk's form that reads a phone's request: the camera fills in its text and sends it. Without one the form still takes a
// picture or text, by hand.

import { NoCamera, canScan, scanCode } from "/ui/scan.js";

/** @param {HTMLFormElement} form with a video, a start button, a place for faults and a `request` field */
export function setUpScan(form) {
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
  const [view, offer, start, fault] = [".scanner", "[data-scan-offer]", "[data-scan-start]", "[data-scan-fault]"].map(part);
  const video = /** @type {HTMLVideoElement} */ (part("video"));
  const label = start.textContent ?? "";
  /** @type {AbortController | null} */
  let running = null;
  void canScan().then((can) => { offer.hidden = !can; });

  const show = (/** @type {boolean} */ on) => {
    view.hidden = !on;
    start.textContent = on ? start.dataset.stop ?? "" : label;
  };
  start.addEventListener("click", async () => {
    if (running) return running.abort();
    running = new AbortController();
    fault.textContent = "";
    show(true);
    try {
      const text = await scanCode(video, running.signal);
      if (!text) return;
      /** @type {HTMLTextAreaElement} */ (part("textarea")).value = text;
      form.requestSubmit();
    } catch (cause) {
      if (!(cause instanceof NoCamera)) throw cause;
      fault.textContent = fault.dataset.denied ?? "";
    } finally {
      running = null;
      show(false);
    }
  });
}
