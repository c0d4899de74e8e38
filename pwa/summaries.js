// One line per dossier, and what is true of it: worked out of the outbox and of the events on this phone.

import { isSettled, progress } from "./lib/entry.js";
import { clock, day, known, size, t } from "./i18n/text.js";
import { state } from "./state.js";
import { getAll } from "./store/db.js";
import { foldWithStory } from "./stories.js";
import { sayRefusal } from "./ui/faults.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/** @typedef {import("./lib/entry.js").Entry} Entry */
/** @typedef {import("./ui/parts.js").Tone} Tone */
/** @typedef {{stream: string, name: string, applicant: string, code: string, label: string, tone: Tone, next: string, when: string, behalf: string}} Summary `behalf`: for whom it was filed, "" for one's own */

/** @type {Record<string, Tone>} */
const TONES = { new: "info", received: "info", processing: "info", waiting_papers: "wait", waiting_fee: "wait", refused: "bad", stopped: "bad", withdrawn: "quiet", done: "good", returned: "good" };

/**
 * @param {Entry[]} entries @param {EventDocument[]} events @param {Map<string, string>} names code → procedure
 * @param {import("./stories.js").Stories} stories @param {Map<string, "omitted" | "revoked">} [accused] streams whose receipt the office's log does not keep, or whose signature was revoked
 * @returns {Summary[]} newest first
 */
export function dossierSummaries(entries, events, names, stories, accused = new Map()) {
  const docs = withEntries(entries, events);
  const streams = new Set(docs.map((doc) => doc.event.stream));
  const summaries = [...streams].map((stream) => summarise(foldWithStory(stream, docs, stories), entries.filter((entry) => entry.doc.event.stream === stream), names));
  const told = (/** @type {Summary} */ one) => {
    const why = accused.get(one.stream);
    return why ? { ...one, label: t(`status.${why}`), tone: /** @type {Tone} */ ("bad"), next: t(`next.${why}`) } : one;
  };
  return summaries.filter((one) => one !== null).map(told).sort((a, b) => (a.stream < b.stream ? 1 : -1));
}

/** @returns {Promise<Map<string, "omitted" | "revoked">>} dossiers whose receipts the office's log does not bear out, or were signed with a key that was revoked */
export async function accusedStreams() {
  const kept = /** @type {import("./receipts.js").KeptReceipt[]} */ (await getAll("receipts"));
  const isOmitted = (/** @type {import("./receipts.js").KeptReceipt} */ { found }) => found?.standing === "missing" || found?.standing === "contradicts";
  return new Map(kept.filter((one) => isOmitted(one) || one.verdict?.reason === "revoked").map((one) => [one.stream, isOmitted(one) ? "omitted" : "revoked"]));
}

/** @param {Entry[]} entries @param {EventDocument[]} events @returns {EventDocument[]} what is signed, whether it has travelled or not */
export function withEntries(entries, events) {
  const byId = new Map(events.map((doc) => [doc._id, doc]));
  for (const entry of entries) if (!byId.has(entry.id)) byId.set(entry.id, entry.doc);
  return [...byId.values()];
}

/** @param {import("./lib/fold.js").Dossier} dossier @param {Entry[]} entries @param {Map<string, string>} names @returns {Summary | null} */
function summarise(dossier, entries, names) {
  if (!dossier.submission) return null;
  const local = localState(entries);
  const { status } = dossier;
  const held = status === "new" && entries.some((entry) => entry.stage === "received");
  return {
    stream: dossier.stream, code: dossier.code, when: dossier.steps[0]?.at ?? "",
    name: names.get(dossier.procedure) ?? dossier.procedure,
    applicant: dossier.submission.applicant?.name ?? "",
    behalf: dossier.submission.on_behalf?.name ?? "",
    label: local?.label ?? t(held ? "status.held" : known(`status.${status}`, "status.new")),
    tone: local?.tone ?? (held ? "good" : TONES[status]),
    next: local?.next ?? nextText(dossier, held),
  };
}

/** @param {Entry[]} entries of one dossier @returns {{label: string, tone: Tone, next: string} | null} null when nothing waits on this phone */
function localState(entries) {
  const open = entries.find((entry) => !isSettled(entry));
  if (!open) return null;
  if (open.stage === "refused") return { label: t("status.not_taken"), tone: "bad", next: t("state.refused", { reason: open.trouble ? sayRefusal(open.trouble) : "" }) };
  if (open.stage === "sent") return { label: t("status.sent"), tone: "info", next: t("state.sent_title") };
  const { sent, total } = progress(open);
  const label = state.sending && navigator.onLine ? t("status.sending") : t("status.waiting");
  const done = total ? `${t("state.progress", { sent: size(sent), total: size(total) })}. ` : "";
  return { label, tone: "wait", next: done + sendingText(open) };
}

/** Why an entry is where it is and what happens next. @param {Entry} entry @returns {string} */
export function sendingText(entry) {
  const next = clock(Math.max(entry.trouble?.retryMs ?? 0, state.link.nextMs, Date.now()));
  const office = state.node?.name ?? t("app.office");
  if (entry.trouble?.kind === "lost") return t("state.files_lost");
  if (!navigator.onLine) return t("state.files_offline");
  if (entry.trouble) return t("state.files_trouble", { reason: sayRefusal(entry.trouble), next });
  if (state.sending) return t("state.files_sending");
  switch (state.link.outcome) {
    case "offline": return t("state.files_unreachable", { next, office });
    case "busy": return t("state.files_busy", { next });
    case "unauthorised": return t("state.files_unauthorised");
    default: return t("state.files_waiting");
  }
}

/** @param {import("./lib/fold.js").Dossier} dossier @param {boolean} held @returns {string} */
export function nextText(dossier, held) {
  const { status, due, reason, submission } = dossier;
  if (dossier.conflicts.some((one) => !one.settledBy)) return t("next.conflict");
  if (status === "new") return held ? t("next.new") : "";
  if (status === "done" && submission?.delivery === "post") return t("next.done_post");
  if (status === "done" && submission?.delivery === "online") return t("next.done_online");
  return t(known(`next.${status}`, "next.new"), { due: due ? day(due) : "…", reason });
}
