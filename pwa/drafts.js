// What pages about one draft share: loading it, its parts in order, what is still missing, what it becomes when signed.

import { procedure as findProcedure } from "./catalogue.js";
import { uuid7 } from "./lib/uuid7.js";
import { cleanLine } from "./lib/normalise.js";
import { isIndispensable, isReplacedByForm, isShown, optionsOf, papersOf } from "./lib/procedures.js";
import { faultOf, isDoubt, isIdNumber, isPhone } from "./lib/validate.js";
import { both, t } from "./i18n/text.js";
import { nodeNowMs, state } from "./state.js";
import { addDraft, filesOfDraft, readDraft } from "./store/drafts.js";

/** @typedef {import("./store/drafts.js").Draft} Draft */
/** @typedef {import("./store/drafts.js").StoredFile} StoredFile */
/** @typedef {import("./lib/procedures.js").Procedure} Procedure */
/** @typedef {import("./lib/procedures.js").Field} Field */
/** @typedef {{draft: Draft, procedure: Procedure, files: StoredFile[]}} Work */
/** @typedef {{path: string, label: string, group: "behalf" | "form" | "papers" | "last", state: "done" | "todo" | "partly" | "optional", faults: string[]}} Part */

export const MAX_FILES = 50; // server/dossier/body.py
/** Papers that are no component of the procedure. */
export const OTHER_PART = "giay-to-khac";
/** The paper on which somebody without a phone signed that this is filed for them; the desk calls it so too. */
export const CONSENT_PART = "giay-ky-nop-thay";

/** Where the catalogue's forms ask for the person who files; a procedure without these gets a page of our own. */
const REQUESTER = /** @type {const} */ ({ name: "requester_name", id_number: "requester_id_number", phone: "requester_phone", address: "requester_address" });
/** @typedef {keyof typeof REQUESTER} ApplicantName */
const APPLICANT_NAMES = /** @type {ApplicantName[]} */ (Object.keys(REQUESTER));
const MAX_LINE = 500; // server/dossier/body.py, address

/** @param {Procedure} procedure @returns {boolean} whether its form asks who files */
const asksRequester = (procedure) => procedure.form.fields.some((field) => field.id === REQUESTER.name);

/** @param {Work} work @returns {Draft["applicant"]} who files, wherever it was asked */
export function applicantOf({ draft, procedure }) {
  if (!asksRequester(procedure)) return draft.applicant;
  const read = (/** @type {ApplicantName} */ name) => cleanLine(draft.form[REQUESTER[name]] ?? "").slice(0, MAX_LINE);
  return { name: read("name"), id_number: read("id_number"), phone: read("phone"), address: read("address") };
}

/** @param {string} id @returns {Promise<Work | null>} null when draft or procedure is not here */
export async function loadWork(id) {
  const draft = await readDraft(id);
  const procedure = draft && (await findProcedure(draft.procedure));
  return draft && procedure ? { draft, procedure, files: await filesOfDraft(id) } : null;
}

/** @param {Procedure} procedure @returns {Promise<Draft>} saved, with what the registration knows already filled in */
export async function newDraft(procedure) {
  const { name = "", idNumber = "", phone = "" } = state.record ?? {};
  const draft = blank("dossier.submitted", newStream(), procedure.code);
  draft.applicant = { name, id_number: idNumber, phone, address: "" };
  if (asksRequester(procedure)) {
    for (const one of APPLICANT_NAMES) if (draft.applicant[one]) draft.form[REQUESTER[one]] = draft.applicant[one];
  }
  return addDraft(draft);
}

/** @param {Procedure} procedure @returns {Promise<Draft>} saved, for somebody else: nothing of the helper is filled in */
export async function newDraftForOther(procedure) {
  const draft = blank("dossier.submitted", newStream(), procedure.code);
  draft.behalf = { name: "", how: "", witness: "" };
  return addDraft(draft);
}

/**
 * Put who it is for where the procedure's form asks for them, but not over what was answered there.
 * @param {Work} work @param {Draft["applicant"]} before what stood there until now
 */
export function fillRequester({ draft, procedure }, before) {
  if (!asksRequester(procedure)) return;
  for (const one of APPLICANT_NAMES) {
    const answered = draft.form[REQUESTER[one]] ?? "";
    if (!answered || answered === before[one]) draft.form[REQUESTER[one]] = draft.applicant[one];
  }
}

/** @param {string} stream @param {string} procedure @returns {Promise<Draft>} */
export async function newSupplement(stream, procedure) {
  const draft = blank("dossier.supplemented", stream, procedure);
  return addDraft(draft);
}

const newStream = () => uuid7(nodeNowMs() > 0 ? Math.floor(nodeNowMs()) : Date.now(), crypto.getRandomValues(new Uint8Array(10)));

/** @param {Draft["type"]} type @param {string} stream @param {string} procedure @returns {Draft} */
const blank = (type, stream, procedure) => ({
  id: type === "dossier.submitted" ? stream : newStream(), type, stream, procedure,
  applicant: { name: "", id_number: "", phone: "", address: "" },
  form: {}, delivery: "", note: "", visited: [], createdMs: Date.now(), savedMs: Date.now(),
});

/** @param {Work} work @returns {{id: string, name: string, required: boolean, condition: string}[]} papers one may hand in, then "other papers"; the signed consent first */
export function partsToAttach({ draft, procedure }) {
  const submitted = draft.type === "dossier.submitted";
  const papers = papersOf(procedure).map((one) => ({
    id: one.id, name: both(one.name), required: submitted && isIndispensable(one),
    condition: isReplacedByForm(one) ? t("papers.form_instead") : one.condition ? both(one.condition) : "",
  }));
  const consent = draft.behalf ? [{ id: CONSENT_PART, name: t("behalf.paper"), required: true, condition: t("behalf.paper_hint") }] : [];
  return [...consent, ...papers, { id: OTHER_PART, name: t("papers.other"), required: false, condition: "" }];
}

/** @param {Work} work @param {string} page @returns {Field[]} the fields shown on a page as the form stands now */
export const fieldsOf = ({ draft, procedure }, page) => procedure.form.fields.filter((field) => field.page === page && isShown(field, draft.form));

/** @param {Field} field @param {string} value @param {Procedure} procedure @returns {{message: string, doubt: boolean} | null} what is wrong with it */
export function fieldFault(field, value, procedure) {
  const options = optionsOf(procedure, field);
  const fault = faultOf(field, value, options);
  if (!fault) return null;
  const label = both(field.label);
  // A question is answered and a sentence confirmed; "Choose where was the child born?" is no language.
  const missing = label.endsWith("?") ? "fault.answer" : label.endsWith(".") ? "fault.confirm" : options.length ? "fault.select" : "fault.required";
  const whole = missing === "fault.answer" || missing === "fault.confirm";
  const message = fault === "required" ? t(missing, { label: whole ? label : lower(label, true) }) : t(`fault.${fault}`, { label });
  return { message, doubt: isDoubt(fault) };
}

/** "Nhập họ tên" reads better than "Nhập Họ tên". @param {string} label @param {boolean} inside a sentence */
const lower = (label, inside) => (inside && label.charAt(1) === label.charAt(1).toLowerCase() ? label.charAt(0).toLowerCase() + label.slice(1) : label);

/** @param {Draft["applicant"]} applicant @returns {string} what is wrong with it, "" if nothing */
export const applicantFault = ({ name }) => (name ? "" : t("fault.required", { label: lower(t("applicant.name"), true) }));

/** @param {{id_number: string, phone: string}} given @returns {{id_number: string, phone: string}} doubts, "" where there is none */
export const numberDoubts = ({ id_number, phone }) => ({
  id_number: id_number && !isIdNumber(id_number) ? t("fault.id_number", { label: t("applicant.id_number") }) : "",
  phone: phone && !isPhone(phone) ? t("fault.phone", { label: t("applicant.phone") }) : "",
});

/** @param {Work} work @returns {Part[]} in the order they are gone through */
export function partsOf(work) {
  const papers = partsToAttach(work).map((part) => paperPart(work, part));
  if (work.draft.type === "dossier.supplemented") return [notePart(work), ...papers];
  const pages = work.procedure.form.pages.filter((page) => fieldsOf(work, page.id).length).map((page) => formPart(work, page));
  if (work.draft.behalf) return [behalfPart(work), ...papers.slice(0, 1).map((one) => ({ ...one, group: /** @type {const} */ ("behalf") })), ...pages, ...papers.slice(1), deliveryPart(work)];
  const applicant = asksRequester(work.procedure) ? [] : [applicantPart(work)];
  return [...applicant, ...pages, ...papers, deliveryPart(work)];
}

/** @param {Draft} draft @returns {{name: string, how: string, witness: string}} what is wrong with each, "" if nothing */
export function behalfFaults({ behalf }) {
  const missing = (/** @type {import("./i18n/text.js").Key} */ key) => t("fault.required", { label: lower(t(key), true) });
  return {
    name: behalf?.name ? "" : missing("behalf.name"),
    how: behalf?.how ? "" : t("fault.answer", { label: t("behalf.how") }),
    witness: behalf?.how === "fingerprint" && !behalf.witness ? t("behalf.witness_fault") : "",
  };
}

/** @param {Work} work @returns {Part} */
function behalfPart({ draft }) {
  const faults = Object.values(behalfFaults(draft)).filter(Boolean);
  return { path: "behalf", label: t("behalf.who"), group: "behalf", faults, state: stateOf(faults, draft.visited.includes("behalf")) };
}

/** @param {Work} work @returns {Part} */
function applicantPart({ draft }) {
  const faults = [applicantFault(draft.applicant)].filter(Boolean);
  return { path: "applicant", label: t("draft.applicant"), group: "form", faults, state: stateOf(faults, draft.visited.includes("applicant")) };
}

/** @param {Work} work @param {Procedure["form"]["pages"][number]} page @returns {Part} */
function formPart(work, page) {
  const { draft, procedure } = work;
  const faults = fieldsOf(work, page.id).flatMap((field) => {
    const fault = fieldFault(field, draft.form[field.id] ?? "", procedure);
    return fault && !fault.doubt ? [fault.message] : [];
  });
  const path = `form/${page.id}`;
  return { path, label: both(page.title), group: "form", faults, state: stateOf(faults, draft.visited.includes(path)) };
}

/** @param {Work} work @param {ReturnType<typeof partsToAttach>[number]} part @returns {Part} */
function paperPart({ files }, part) {
  const count = files.filter((file) => file.part === part.id).length;
  const faults = part.required && !count ? [t("fault.paper", { label: part.name })] : [];
  return { path: `papers/${part.id}`, label: part.name, group: "papers", faults, state: count ? "done" : part.required ? "todo" : "optional" };
}

/** @param {Work} work @returns {Part} */
function deliveryPart({ draft }) {
  const faults = draft.delivery ? [] : [t("fault.select", { label: lower(t("draft.delivery"), true) })];
  return { path: "delivery", label: t("draft.delivery"), group: "last", faults, state: draft.delivery ? "done" : "todo" };
}

/** @param {Work} work @returns {Part} */
function notePart({ draft, files }) {
  const faults = draft.note || files.length ? [] : [t("fault.required", { label: lower(t("draft.note"), true) })];
  return { path: "note", label: t("draft.note"), group: "form", faults, state: draft.note ? "done" : "optional" };
}

/** @param {string[]} faults @param {boolean} visited @returns {"done" | "todo" | "partly"} */
const stateOf = (faults, visited) => (!visited ? "todo" : faults.length ? "partly" : "done");

/** @param {Work} work @param {string} path @param {URLSearchParams} query @returns {string} where "continue" leads */
export function nextPath(work, path, query) {
  const base = `drafts/${work.draft.id}`;
  if (query.get("from") === "check") return `${base}/check`;
  const parts = partsOf(work);
  const next = parts[parts.findIndex((part) => part.path === path) + 1];
  return next ? `${base}/${next.path}` : `${base}/check`;
}

/** @param {Draft} draft @param {URLSearchParams} query @returns {string} */
export const backHref = (draft, query) => (query.get("from") === "check" ? `#/drafts/${draft.id}/check` : `#/drafts/${draft.id}`);

/** @param {Draft} draft @param {string} path */
export function markVisited(draft, path) {
  if (!draft.visited.includes(path)) draft.visited = [...draft.visited, path];
}

/** @param {Work} work @returns {Record<string, any>} the body of the event, hidden fields left out */
export function bodyOf(work) {
  const { draft, procedure, files } = work;
  if (draft.type === "dossier.supplemented") return { note: draft.note };
  const shown = procedure.form.fields.filter((field) => isShown(field, draft.form) && draft.form[field.id]);
  return {
    procedure: procedure.code, channel: draft.behalf ? "helper" : "online", ...(draft.behalf && { on_behalf: behalfOf(draft.behalf, files) }), applicant: applicantOf(work), delivery: draft.delivery,
    form: Object.fromEntries(shown.map((field) => [field.id, draft.form[field.id]])),
  };
}

/** @param {import("./store/drafts.js").Behalf} behalf @param {StoredFile[]} files @returns {Record<string, string>} with the hash of the signed paper's first page */
function behalfOf({ name, how, witness }, files) {
  const scan = files.find((file) => file.part === CONSENT_PART)?.manifest.sha256 ?? "";
  return { name, how, scan, witness }; // an empty witness is left out where the event is built
}

/** @param {StoredFile[]} files @returns {import("./lib/event.js").FileRef[]} papers, then previews; names say which paper and which page */
export function fileRefs(files) {
  /** @type {Map<string, number>} */
  const pages = new Map();
  const papers = files.map(({ part, name, type, size, manifest, manifestId }) => {
    const page = (pages.get(part) ?? 0) + 1;
    pages.set(part, page);
    const ending = /\.[a-z0-9]+$/.exec(name)?.[0] ?? "";
    return { sha256: manifest.sha256, manifest: manifestId, size, type, part, name: `${part}-${page}${ending}` };
  });
  const previews = files.flatMap(({ part, manifest, preview }, i) => (preview ? [{
    sha256: preview.manifest.sha256, manifest: preview.manifestId, size: preview.manifest.size, type: "image/jpeg", part,
    name: `${papers[i].name.replace(/\.[a-z0-9]+$/, "")}.xem-truoc.jpg`, preview_of: manifest.sha256,
  }] : []));
  return [...papers, ...previews];
}
