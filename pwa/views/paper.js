// #/drafts/<id>/papers/<part> : photographs of one paper: take, look, take again, remove.

import { DamagedFile } from "../lib/chunks.js";
import { cleanFileName } from "../lib/normalise.js";
import { CONSENT_PART, MAX_FILES, backHref, loadWork, nextPath, partsToAttach } from "../drafts.js";
import { size, t } from "../i18n/text.js";
import { go, notFound } from "../page.js";
import { tellOthers } from "../state.js";
import { put } from "../store/db.js";
import { addFile, filesOfDraft, readFile, removeFile } from "../store/drafts.js";
import { fill, freshId, h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { backLink, heading, linkButton, showFaults, tag } from "../ui/parts.js";
import { prepareFile } from "../ui/photo.js";

/** @typedef {import("../store/drafts.js").StoredFile} StoredFile */
/** @typedef {import("../drafts.js").Work} Work */

const PICTURES = "image/jpeg,image/png,image/webp,application/pdf";

/** @param {string[]} path @param {URLSearchParams} query @returns {Promise<import("../page.js").Page>} */
export async function paperPage([id, partId], query) {
  const work = await loadWork(id);
  const part = work && partsToAttach(work).find((one) => one.id === partId);
  if (!work || !part) return notFound();
  const album = new Album(work, part);
  await album.draw();
  const onward = () => go(nextPath(work, `papers/${partId}`, query));
  const content = h("div", null, backLink(backHref(work.draft, query)), album.faults,
    heading(part.name, t("draft.papers")), part.required && h("p", null, tag(t("papers.required"), "info")),
    part.condition && h("p", null, part.condition), partId === CONSENT_PART ? h("p", null, linkButton(t("behalf.consent"), `#/drafts/${id}/consent`, "button--secondary")) : null, h("p", { class: "soft" }, t("papers.lead")),
    album.status, album.list, album.takers,
    h("div", { class: "actions" }, h("button", { type: "button", class: "button", onclick: onward }, t("paper.done"))));
  return { title: part.name, content, leave: () => album.close() };
}

/** The pages of one paper, kept as they are taken. */
class Album {
  /** @param {Work} work @param {{id: string, name: string}} part */
  constructor(work, part) {
    this.work = work;
    this.part = part;
    this.faults = h("div", null);
    this.status = h("p", { class: "small soft", role: "status" });
    this.list = h("ul", { class: "photos" });
    this.takers = h("div", { class: "columns" });
    /** @type {string[]} */
    this.urls = [];
  }

  close() {
    this.urls.splice(0).forEach((url) => URL.revokeObjectURL(url));
  }

  async draw() {
    const files = (await filesOfDraft(this.work.draft.id)).filter((file) => file.part === this.part.id);
    const old = this.urls.splice(0);
    const cards = await Promise.all(files.map((file, i) => this.card(file, i + 1)));
    fill(this.list, cards);
    old.forEach((url) => URL.revokeObjectURL(url));
    fill(this.takers,
      this.taker(t(files.length ? "paper.take_more" : "paper.take"), { accept: "image/*", capture: "environment" }, files.length ? "button--secondary" : ""),
      this.taker(t("paper.choose"), { accept: PICTURES, multiple: true }, "button--secondary"));
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    fill(this.status, files.length ? `${t("papers.pages", { count: files.length })}, ${size(bytes)}` : t("papers.no_pages"));
  }

  /** @param {string} label @param {Record<string, any>} attributes @param {string} look @param {StoredFile} [instead] */
  taker(label, attributes, look, instead) {
    const input = h("input", { type: "file", id: freshId("file"), "aria-label": label, ...attributes, onchange: () => this.take(input, instead) });
    return h("div", { class: "filepick" }, h("span", { class: `button ${look}`, "aria-hidden": "true" }, label), input);
  }

  /** @param {HTMLInputElement} input @param {StoredFile} [instead] replaced once the new one is kept */
  async take(input, instead) {
    const chosen = [...(input.files ?? [])];
    if (!chosen.length) return;
    fill(this.status, t("paper.working"));
    /** @type {{message: string, target: string}[]} */
    const found = [];
    for (const file of chosen) {
      const message = await this.keep(file, instead);
      if (message) found.push({ message, target: input.id });
    }
    await this.draw();
    tellOthers("draft");
    showFaults(this.faults, found);
  }

  /** @param {File} file @param {StoredFile} [instead] @returns {Promise<string>} what went wrong, "" if it is kept */
  async keep(file, instead) {
    try {
      const all = await filesOfDraft(this.work.draft.id);
      if (all.length - (instead ? 1 : 0) >= MAX_FILES) return t("fault.too_many_files");
      const { bytes, type, name, preview } = await prepareFile(file);
      const kept = await addFile(this.work.draft, { part: this.part.id, name: cleanFileName(name), type, bytes, preview });
      if (instead) await this.replace(instead, kept);
      return "";
    } catch (cause) {
      return sayFault(cause);
    }
  }

  /** The new page takes the old one's place in the order. @param {StoredFile} old @param {StoredFile} fresh */
  async replace(old, fresh) {
    await put("files", { ...fresh, addedMs: old.addedMs });
    await removeFile(old.id);
  }

  /** @param {StoredFile} file @param {number} page */
  async card(file, page) {
    const remove = async () => {
      await removeFile(file.id);
      await this.draw();
      tellOthers("draft");
      fill(this.status, t("paper.removed", { page }));
    };
    const again = this.taker(t("paper.retake"), { accept: "image/*", capture: "environment" }, "button--secondary button--small", file);
    return h("li", { class: "photo" }, h("div", { class: "photo__frame" }, await this.preview(file, page)),
      h("div", { class: "photo__text" }, h("div", null, `${t("paper.page", { page })} · ${size(file.size)}`), again,
        h("button", { type: "button", class: "link link--warning", onclick: remove, "aria-label": `${t("paper.remove")}: ${t("paper.page", { page })}` }, t("paper.remove"))));
  }

  /** @param {StoredFile} file @param {number} page */
  async preview(file, page) {
    if (file.type === "application/pdf") return h("span", { class: "tag" }, t("paper.pdf"));
    try {
      const url = URL.createObjectURL(await readFile(file));
      this.urls.push(url);
      return h("img", { src: url, alt: t("paper.alt", { part: this.part.name, page }) });
    } catch (cause) {
      if (!(cause instanceof DamagedFile)) throw cause;
      return h("span", { class: "tag tag--bad" }, t("paper.lost"));
    }
  }
}
