// #/dossiers/<stream> : where the dossier is, since when, how far, why not, and what happens next; then its whole story.

import { answerText } from "../answers.js";
import { dossierName, loadDossier } from "../dossiers.js";
import { newSupplement } from "../drafts.js";
import { Refused } from "../lib/api.js";
import { DamagedFile } from "../lib/chunks.js";
import { isSettled, progress } from "../lib/entry.js";
import { both, dateTime, day, known, size, t } from "../i18n/text.js";
import { go, notFound } from "../page.js";
import { nodeApi } from "../speaking.js";
import { state, tellAll } from "../state.js";
import { readFile, saveEntry } from "../store/drafts.js";
import { syncNow } from "../sync.js";
import { nextText, sendingText } from "../summaries.js";
import { behalfText, keepingPanel } from "../ui/behalf.js";
import { h } from "../ui/dom.js";
import { sayFault, sayRefusal } from "../ui/faults.js";
import { backLink, button, heading, linkButton, notice, progressBar, summaryList, tag } from "../ui/parts.js";
import { verdictNotice } from "../ui/revoked.js";
import { save } from "../ui/save.js";
import { toast } from "../ui/shell.js";
import { isAccused, logNotice } from "../ui/standing.js";
import { erasedPage } from "./erased.js";

/** @typedef {import("../dossiers.js").Loaded} Loaded */
/** @typedef {import("../lib/entry.js").Entry} Entry */

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} */
export async function dossierPage([stream]) {
  const loaded = await loadDossier(stream);
  if (!loaded) return (await erasedPage(stream)) ?? { ...notFound(), refreshOn: ["events"] };
  const { dossier, entries } = loaded;
  const title = dossierName(loaded);
  const travelling = entries.filter((entry) => !isSettled(entry));
  const behalf = dossier.submission?.on_behalf;
  const log = loaded.kept && logNotice(loaded.kept, loaded.docs);
  const accused = isAccused(loaded.kept);
  const content = h("div", null, backLink(behalf ? "#/behalf" : "#/", t(behalf ? "behalf.title" : "home.title")), heading(title, behalf ? t("behalf.for", { name: behalf.name }) : dossier.submission?.applicant?.name),
    behalf && notice("quiet", h("p", null, behalfText(behalf))),
    travelling.map(sendingPanel), loaded.verdict && verdictNotice(loaded.verdict, state.identity?.node.name ?? "", loaded.kept?.worseMs), accused && log, travelling.length ? null : standing(loaded), !accused && log, requestBox(loaded), resultBox(loaded),
    facts(loaded), actions(loaded), behalf && (await keepingPanel(dossier.stream, behalf.name, entries)),
    h("h2", null, t("dossier.timeline")), timeline(loaded), answers(loaded), papers(loaded));
  return { title, content, refreshOn: ["outbox", "events", "link", "receipts", "keeping"] };
}

/** @param {Entry} entry something signed that the office does not have yet */
function sendingPanel(entry) {
  const { sent, total, files } = progress(entry);
  const step = entry.doc.event.type === "dossier.submitted" ? null : h("p", { class: "caption" }, t(known(`step.${entry.doc.event.type}`, "step.other")));
  const since = h("p", { class: "small soft" }, t("state.since", { time: dateTime(entry.sinceMs) }));
  if (entry.stage === "refused") return refusedPanel(entry, step, since);
  if (entry.stage === "sent") return notice("info", step, h("h2", null, t("state.sent_title")), since, h("p", null, t("state.sent")));
  const last = state.link.triedMs ? h("p", { class: "small soft" }, t("state.last_try", { time: dateTime(state.link.triedMs) })) : null;
  return h("div", { class: "panel" }, step,
    h("h2", null, t(state.sending && navigator.onLine ? "state.sending_title" : "state.files_title")), since,
    h("p", { role: "status" }, sendingText(entry)),
    total ? [h("p", { class: "files__row" }, h("strong", null, t("state.progress", { sent: size(sent), total: size(total) }))), progressBar(sent, total, t("state.progress", { sent: size(sent), total: size(total) }))] : null,
    files.length > 1 ? h("ul", { class: "files" }, files.map(fileRow)) : null, last,
    h("p", null, button(t("state.send_now"), () => retry(entry), "button--secondary")));
}

/** @param {{name: string, sent: number, total: number}} file */
const fileRow = (file) => h("li", null,
  h("div", { class: "files__row" }, h("span", null, file.name), h("span", { class: "nowrap" }, t("state.file_progress", { sent: size(file.sent), total: size(file.total) }))),
  progressBar(file.sent, file.total, file.name));

/** @param {Entry} entry @param {import("../ui/dom.js").Child} step @param {import("../ui/dom.js").Child} since */
const refusedPanel = (entry, step, since) => notice("bad", step, h("h2", null, t("state.refused_title")), since,
  h("p", null, t("state.refused", { reason: entry.trouble ? sayRefusal(entry.trouble) : "" })), h("p", null, t("state.refused_next")),
  h("p", null, button(t("state.resend"), () => resend(entry), "button--secondary")));

/** Ask for it now, whatever the waiting time was. @param {Entry} entry */
async function retry(entry) {
  if (entry.trouble) await saveEntry({ ...entry, trouble: { ...entry.trouble, retryMs: 0 } });
  await syncNow();
}

/** The replicator does not offer a document twice that was denied; this asks for it by itself. @param {Entry} entry */
async function resend(entry) {
  try {
    await nodeApi().postEvent(entry.doc);
    await saveEntry({ ...entry, stage: "sent", sinceMs: Date.now(), trouble: null });
    tellAll("outbox");
    void syncNow();
  } catch (cause) {
    toast(sayFault(cause));
  }
}

/** @param {Loaded} loaded */
function standing({ dossier, receipt, entries, verdict }) {
  const { status } = dossier;
  const held = status === "new" && entries.some((entry) => entry.stage === "received");
  if (held && verdict?.reason === "revoked") return null; // what stands above it says what may still be relied on
  if (held && receipt) {
    return notice("good", h("h2", null, t("state.received_title")), h("p", { class: "small soft" }, t("state.since", { time: dateTime(receipt.event.at) })), h("p", null, t("state.received")), h("p", null, t("next.new")));
  }
  const tone = status === "done" || status === "returned" ? "good" : status === "refused" || status === "stopped" ? "bad" : status === "waiting_papers" || status === "waiting_fee" ? "wait" : "info";
  return notice(tone, h("h2", null, t(known(`status.${status}`, "status.new"))), h("p", null, nextText(dossier, held)));
}

/** @param {Loaded} loaded */
function requestBox({ dossier, maySupplement }) {
  if (!dossier.request) return null;
  const start = async () => go(`drafts/${(await newSupplement(dossier.stream, dossier.procedure)).id}`);
  return h("div", { class: "panel" }, h("h2", null, t("dossier.request")), h("ul", null, dossier.request.items.map((item) => h("li", null, item))),
    h("p", null, t("dossier.request_reason", { reason: dossier.request.reason })), maySupplement && h("p", null, button(t("dossier.supplement"), start)));
}

/** @param {Loaded} loaded */
function resultBox({ dossier, story, proofs }) {
  if (!dossier.result) return null;
  const { outcome, summary, files } = dossier.result;
  const proof = proofs.get(dossier.steps.findLast((step) => step.state === "applied" && step.body.outcome === outcome)?.id ?? "");
  return h("div", { class: "panel" }, h("h2", null, t("dossier.result")), h("p", null, h("strong", null, t(known(`dossier.outcome.${outcome}`, "dossier.result")))), h("p", null, summary),
    proof === "revoked" || proof === "doubted" ? notice(proof === "revoked" ? "bad" : "wait", h("p", null, t(`step.proof.${proof}`)), h("p", null, t("dossier.result_doubt"))) : null,
    files.length ? h("ul", null, papersIn(files).map((file) => h("li", null, fileButton(file, [], files), paperLines(story?.papers?.[file.sha256])))) : null);
}

/** @param {{status: string, text: {vi: string, en: string}, signatures: {signer: string, at: string}[]} | undefined} paper what the node found about the signatures inside a PDF */
function paperLines(paper) {
  if (!paper) return [];
  const tone = paper.status === "valid" ? "good" : paper.status === "invalid" ? "bad" : "wait";
  const lines = paper.signatures.map(({ signer, at }) => h("p", { class: "small soft" }, [signer, at && dateTime(at)].filter(Boolean).join(" · ")));
  return [h("p", null, tag(both(paper.text), tone)), ...lines];
}

/** @param {Loaded} loaded */
function facts({ dossier }) {
  return summaryList([
    [t("dossier.code"), dossier.code ? h("span", { class: "mono" }, dossier.code) : t("dossier.no_code")],
    ...(dossier.due ? [/** @type {[string, string]} */ ([t("dossier.due"), dateTime(dossier.due)])] : []),
    [t("dossier.signed"), dateTime(dossier.steps[0].at)],
  ]);
}

/** @param {Loaded} loaded */
function actions({ dossier, receipt, mayWithdraw }) {
  return h("div", { class: "actions" },
    dossier.submission?.on_behalf && linkButton(t("behalf.slip"), `#/dossiers/${dossier.stream}/slip`),
    receipt && linkButton(t("dossier.receipt"), `#/dossiers/${dossier.stream}/receipt`, "button--secondary"),
    mayWithdraw && h("a", { href: `#/dossiers/${dossier.stream}/withdraw` }, t("dossier.withdraw")));
}

/** @param {Loaded} loaded */
function timeline(loaded) {
  const { dossier, entries, story } = loaded;
  const waiting = new Set(entries.filter((entry) => !isSettled(entry) && entry.stage !== "sent").map((entry) => entry.id));
  const steps = dossier.steps.map((step, i) => h("li", { class: i === dossier.steps.length - 1 ? "now" : null },
    h("h3", null, t(known(`step.${step.type}`, "step.other"))), h("time", { datetime: step.time.shown }, dateTime(step.time.shown)),
    step.time.differs ? h("p", { class: "small soft" }, t("step.claimed", { time: dateTime(step.at) })) : null,
    story?.names[step.actor] && h("p", null, story.names[step.actor]),
    stepText(step).map((line) => h("p", null, line)),
    step.reviewed && h("p", null, t(`step.${step.reviewed.decision}`, { reason: step.reviewed.reason })),
    step.state === "applied" ? null : h("p", null, tag(whyNot(step, story), "wait")),
    proofLine(loaded, step.id, waiting)));
  return h("ol", { class: "timeline" }, steps);
}

/** @param {Loaded} loaded @param {string} id of the step @param {Set<string>} waiting */
function proofLine({ dossier, proofs }, id, waiting) {
  const proof = proofs.get(id) ?? "unverified";
  if (waiting.has(`${dossier.stream}:${id}`)) return h("p", { class: "soft" }, t("step.on_phone"));
  if (proof === "revoked" || proof === "doubted") return h("p", null, tag(t(`step.proof.${proof}`), proof === "revoked" ? "bad" : "wait"));
  return h("p", { class: "soft" }, t(proof === "own" && dossier.submission?.on_behalf ? "behalf.own" : `step.proof.${proof}`));
}

/** @param {import("../lib/fold.js").Step} step @param {Loaded["story"]} story @returns {string} the node's reason where it gave one */
function whyNot(step, story) {
  const said = story?.steps[step.id]?.reason;
  return said ? both(said) : t(known(`step.${step.state}`, "step.not_applied"));
}

/** @param {import("../lib/fold.js").Step} step @returns {string[]} */
function stepText({ type, body }) {
  switch (type) {
    case "dossier.submitted": return body.on_behalf ? [behalfText(body.on_behalf)] : [];
    case "dossier.accepted": return [t("step.due", { code: body.code, due: day(body.due) }), body.note].filter(Boolean);
    case "dossier.forwarded": return [t("step.to", { to: body.to }), body.note].filter(Boolean);
    case "dossier.supplement_requested": return [...body.items, body.reason];
    default: return [body.reason, body.summary, body.text, body.note].filter((text) => typeof text === "string" && text);
  }
}

/** @param {Loaded} loaded */
function answers({ dossier, procedure }) {
  const body = dossier.submission ?? {};
  const applicant = /** @type {const} */ (["name", "id_number", "phone", "address"]).filter((name) => body.applicant?.[name]).map((name) => /** @type {[string, string]} */ ([t(`applicant.${name}`), body.applicant[name]]));
  const fields = procedure?.form.fields ?? [];
  const form = Object.entries(dossier.form).map(([id, value]) => {
    const field = fields.find((one) => one.id === id);
    return /** @type {[string, string]} */ (field && procedure ? [both(field.label), answerText(procedure, field, String(value))] : [id, String(value)]);
  });
  return h("details", { class: "disclosure" }, h("summary", null, t("dossier.answers")), summaryList([...applicant, ...form]));
}

/** @param {Loaded} loaded */
function papers({ docs, stored }) {
  const files = docs.filter((doc) => doc.event.type !== "dossier.resolved").flatMap((doc) => doc.event.files);
  if (!files.length) return null;
  return h("details", { class: "disclosure" }, h("summary", null, t("dossier.papers")), h("ul", null, papersIn(files).map((file) => h("li", null, fileButton(file, stored, files)))));
}

/** @param {import("../lib/event.js").FileRef[]} files @returns {import("../lib/event.js").FileRef[]} without previews */
const papersIn = (files) => files.filter((file) => file.preview_of === undefined);

/** @typedef {import("../lib/event.js").FileRef} FileRef */

/** @param {FileRef} file @param {import("../store/drafts.js").StoredFile[]} stored @param {FileRef[]} all */
function fileButton(file, stored, all) {
  const open = async () => {
    try {
      const { ref, bytes } = await findPaper(file, stored, all);
      save(new Blob([bytes], { type: ref.type }), ref.name);
    } catch (cause) {
      toast(sayFault(cause));
    }
  };
  return [h("button", { type: "button", class: "link", onclick: open }, t("dossier.open_file", { name: file.name })), h("span", { class: "small soft" }, ` ${size(file.size)}`)];
}

/**
 * @param {FileRef} file @param {import("../store/drafts.js").StoredFile[]} stored @param {FileRef[]} all
 * @returns {Promise<{ref: FileRef, bytes: BlobPart}>} from this phone where it is whole here, else from the node; while it has not arrived there, its preview
 */
async function findPaper(file, stored, all) {
  const here = stored.find((one) => one.manifest.sha256 === file.sha256);
  const kept = here && (await readFile(here).catch((cause) => {
    if (!(cause instanceof DamagedFile)) throw cause;
    return null; // the node may hold it whole
  }));
  if (kept) return { ref: file, bytes: kept };
  toast(t("dossier.opening", { name: file.name, size: size(file.size) }));
  const preview = all.find((one) => one.preview_of === file.sha256);
  try {
    return { ref: file, bytes: await nodeApi().fetchFile(file.sha256) };
  } catch (cause) {
    if (!preview || !(cause instanceof Refused) || cause.status !== 404) throw cause;
    const small = await nodeApi().fetchFile(preview.sha256);
    toast(t("dossier.preview_instead"));
    return { ref: preview, bytes: small };
  }
}
