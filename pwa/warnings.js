// What should be known before a signature is made: told with the answers to check, not found out fifteen days later. Nothing here stops
// anybody: the office decides, and a dossier is never lost for a doubt.

import { both, day, dateTime, t } from "./i18n/text.js";
import { DamagedFile } from "./lib/chunks.js";
import { checkPdf } from "./lib/pdfsig.js";
import { nodeNowMs, state } from "./state.js";
import { readFile } from "./store/drafts.js";

/** @typedef {{tone: "bad" | "wait", text: string}} Warning */
/** @typedef {import("./store/drafts.js").StoredFile} StoredFile */

const ENDS_SOON_MS = 30 * 24 * 3600_000; // as server/trust/signing.py
// The page about settings speaks of it from the same on: less is how clocks run.
const CLOCK_OFF_MIN = 2;
const BACKWARDS_MS = 60_000;

/** @param {StoredFile[]} files that will be signed @param {(file: StoredFile) => string} nameOf @returns {Promise<Warning[]>} */
export async function signingWarnings(files, nameOf) {
  return [...certificateWarnings(), ...clockWarnings(), ...(await pdfWarnings(files, nameOf))];
}

/** @returns {Warning[]} */
function certificateWarnings() {
  const { identity, me, record } = state;
  if (!identity) return [];
  const found = /** @type {Warning[]} */ ([]);
  if (record?.revoked) found.push({ tone: "bad", text: t("warn.revoked") });
  const ends = identity.expires ? Date.parse(identity.expires) : Infinity;
  if (ends < nodeNowMs()) found.push({ tone: "bad", text: t("sign.expired", { until: day(ends) }) });
  else if (ends - nodeNowMs() < ENDS_SOON_MS) found.push({ tone: "wait", text: t("warn.ends", { until: day(ends) }) });
  return [...found, ...(me?.x5t === identity.x5t ? me.warnings : []).map((one) => /** @type {Warning} */ ({ tone: "wait", text: both(one) }))];
}

/** @returns {Warning[]} */
function clockWarnings() {
  const { offsetMs, nodeReadMs } = state;
  // Since we last heard from the office, time can only have gone on.
  if (nodeReadMs && Date.now() < nodeReadMs - BACKWARDS_MS) return [{ tone: "bad", text: t("warn.clock_back", { time: dateTime(nodeReadMs) }) }];
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  return minutes >= CLOCK_OFF_MIN ? [{ tone: "wait", text: t("settings.clock", { minutes }) }] : [];
}

/** @param {StoredFile[]} files @param {(file: StoredFile) => string} nameOf @returns {Promise<Warning[]>} */
async function pdfWarnings(files, nameOf) {
  const found = /** @type {Warning[]} */ ([]);
  for (const file of files.filter(({ type }) => type === "application/pdf")) {
    const name = nameOf(file);
    try {
      const condition = await checkPdf(new Uint8Array(await (await readFile(file)).arrayBuffer()));
      if (condition === "broken") found.push({ tone: "bad", text: t("warn.pdf_broken", { name }) });
      if (condition === "added") found.push({ tone: "wait", text: t("warn.pdf_added", { name }) });
      if (condition === "unchecked") found.push({ tone: "wait", text: t("warn.pdf_unchecked", { name }) });
    } catch (cause) {
      if (!(cause instanceof DamagedFile)) throw cause;
      found.push({ tone: "bad", text: t("warn.lost", { name }) });
    }
  }
  return found;
}
