// The shape of every page that asks: back link, faults, the questions, "continue", and when it was last saved.

import { StorageFull } from "../store/db.js";
import { DraftGone, saveDraft } from "../store/drafts.js";
import { tellOthers } from "../state.js";
import { clock, t } from "../i18n/text.js";
import { backHref, markVisited, nextPath } from "../drafts.js";
import { go } from "../page.js";
import { fill, h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { backLink, showFaults } from "../ui/parts.js";

/** @typedef {import("../drafts.js").Work} Work */
/** @typedef {{message: string, target?: string}} Fault */

/**
 * @param {object} page
 * @param {Work} page.work @param {string} page.path part of the draft @param {URLSearchParams} page.query @param {string} page.title
 * @param {import("../ui/dom.js").Child[]} page.questions
 * @param {() => Fault[]} page.check clean what was typed into the draft, and say what is wrong
 * @returns {{page: import("../page.js").Page, save: () => Promise<string>}} `save` after every input; it says why nothing was saved, "" if it was
 */
export function questionPage({ work, path, query, title, questions, check }) {
  const { draft } = work;
  const faults = h("div", null);
  const saved = h("p", { class: "small soft", role: "status" });
  const save = async () => {
    try {
      await saveDraft(draft);
      fill(saved, t("app.saved", { time: clock(draft.savedMs) }));
      tellOthers("draft");
      return "";
    } catch (cause) {
      if (!(cause instanceof StorageFull || cause instanceof DraftGone)) throw cause;
      const message = sayFault(cause);
      fill(saved, h("strong", { class: "field__error" }, message));
      return message;
    }
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    markVisited(draft, path);
    const found = check();
    const unsaved = await save();
    if (unsaved) return showFaults(faults, [{ message: unsaved }], t("error.unsaved_title")); // to go on would be to lose what was typed
    showFaults(faults, found);
    if (!found.length) go(nextPath(work, path, query));
  };
  const content = h("div", null, backLink(backHref(draft, query)), faults,
    h("form", { novalidate: true, onsubmit: submit, autocomplete: "off" }, questions,
      h("div", { class: "actions" }, h("button", { class: "button", type: "submit" }, t("app.continue")), saved)));
  return { page: { title, content, refreshOn: ["draft"] }, save };
}
