// #/register/receive and #/register/<certificate> : take the certificate that the office shows as a QR code.

import { takeScanned } from "../enrol.js";
import { t } from "../i18n/text.js";
import { state } from "../state.js";
import { h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { areaField } from "../ui/fields.js";
import { backLink, button, heading, linkButton, notice, showFaults } from "../ui/parts.js";
import { NoCamera, canScan, scanCode } from "../ui/scan.js";

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function receivePage([given]) {
  const title = t("receive.title");
  const place = h("div", null);
  if (state.record?.state === "issued") return { title, content: h("div", null, backLink("#/"), heading(title), notice("good", h("p", null, t("receive.have"))), linkButton(t("home.title"), "#/")) };
  if (state.record?.state !== "pending") return { title, content: h("div", null, backLink("#/"), heading(title), notice("wait", h("p", null, t("receive.unasked"))), linkButton(t("home.register"), "#/register")) };
  const text = areaField({ label: t("receive.text"), hint: t("receive.text_hint") });
  const attempt = async (/** @type {string} */ content) => {
    try {
      await takeScanned(content);
      location.hash = "#/register";
    } catch (cause) {
      showFaults(place, [{ message: sayFault(cause) }]);
    }
  };
  const camera = (await canScan()) ? scanner(attempt, place) : null;
  if (given) void attempt(given);
  const content = h("div", null, backLink("#/register"), place, heading(title), h("p", null, t("receive.lead")),
    camera ? camera.element : notice("info", h("p", null, t("receive.no_reader"))),
    h("details", { class: "disclosure", open: !camera }, h("summary", null, t("receive.by_hand")), text.element, button(t("receive.submit"), () => attempt(text.read()), "button--secondary")));
  return { title, content, leave: () => camera?.stop() };
}

/** @param {(text: string) => Promise<void>} attempt @param {HTMLElement} place for faults */
function scanner(attempt, place) {
  const video = h("video", { class: "scanner__view", muted: true, playsinline: true, "aria-label": t("receive.scan") });
  const view = h("div", { class: "scanner", hidden: true }, video);
  /** @type {AbortController | null} */
  let running = null;
  const start = async () => {
    if (running) return running.abort();
    running = new AbortController();
    view.hidden = false;
    try {
      const text = await scanCode(video, running.signal);
      if (text) await attempt(text);
    } catch (cause) {
      if (!(cause instanceof NoCamera)) throw cause;
      showFaults(place, [{ message: t("receive.no_camera") }]);
    } finally {
      running = null;
      view.hidden = true;
    }
  };
  return { element: h("div", null, view, h("div", { class: "actions" }, button(t("receive.scan"), start))), stop: () => running?.abort() };
}
