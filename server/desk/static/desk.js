// The desk's pages: sign in with the key of this browser, confirm and sign each step, print. Markup comes from the server.
//
//   <form data-sign="dossier.accepted" data-stream="…">   its fields become the draft's fields; a file field is sent first
//   <form data-drafts="/api/people/drafts" …>             the same, for events of the unit whose drafts another route makes
//   <dialog id="sign-dialog">                             shows the statement; nothing is signed before "Ký"
//   <button data-print>
//   <button data-copy="id" data-done="…">                 copies the text of #id, and says so in the status beside it

import { fetchApproval, fetchDraft, fetchDraftFrom, fetchErasureDraft, fetchRoleDraft, NotRegistered, signAndPost } from "/desk-sign.js";
import { Unreachable } from "/lib/api.js";
import { knownOfficial, login, registerOfficial } from "/desk-login.js";
import "/desk/static/markup.js";
import "/desk/static/polling.js";
import { doubtsAbout, sendResultFile } from "/desk/static/result-file.js";
import { pick, sayFault } from "/desk/static/words.js";

/** @param {string} id @returns {HTMLElement} Throws for an id that the page's template does not have. */
function part(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {HTMLElement} place @param {unknown} cause */
function tell(place, cause) {
  place.textContent = sayFault(cause);
  place.hidden = false;
}

/** @param {string} text to stand above the page */
function warn(text) {
  const notice = part("notice");
  notice.textContent = text;
  notice.className = "notice notice--bad";
  notice.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLFormElement} form @returns {Promise<Record<string, any>>} the draft's fields, files already at the node */
async function fieldsOf(form) {
  /** @type {Record<string, any>} */
  const fields = {};
  for (const [name, value] of new FormData(form)) {
    if (value instanceof File) {
      const input = /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
      if (value.size) fields.files = await sendResultFile(value, input.dataset.part);
    } else if (name === "items") {
      fields.items = value.split("\n").map((line) => line.trim()).filter(Boolean);
    } else if (["due", "ended", "from", "since", "until"].includes(name)) {
      if (value) fields[name] = new Date(value).toISOString().replace(/\.\d+Z$/, "Z");
    } else if (value.trim()) {
      fields[name] = value.trim().normalize("NFC");
    }
  }
  return fields;
}

/** @param {{vi: string, en: string}} statement @param {string} doubts about a file that goes with it @returns {Promise<boolean>} whether the official said yes */
function confirmed(statement, doubts) {
  const dialog = /** @type {HTMLDialogElement} */ (part("sign-dialog"));
  part("sign-statement").textContent = pick(statement);
  part("sign-error").textContent = doubts;
  part("sign-error").hidden = !doubts;
  dialog.returnValue = "";
  dialog.showModal();
  // The second half of a double click was meant for what stood here before: another statement, or the form's own button.
  part("sign-yes").onclick = ({ detail }) => { if (detail < 2) dialog.close("yes"); };
  part("sign-no").onclick = () => dialog.close();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** @param {HTMLFormElement} form @param {Record<string, any>} fields @returns {Promise<import("/desk-sign.js").Draft>} */
function draftOf({ dataset: { sign: type = "", stream = "", thumbprint = "", role, erasure, drafts } }, fields) {
  if (thumbprint) return fetchApproval(thumbprint, fields.again);
  if (erasure !== undefined) return fetchErasureDraft(type, fields);
  if (drafts) return fetchDraftFrom(drafts, type, fields);
  return role === undefined ? fetchDraft(stream, type, fields) : fetchRoleDraft(type, fields);
}

/** What was pressed, one after the other. There is one dialog: two at once would both be signed by the "Ký" under either. */
let pressed = Promise.resolve();

/** @param {HTMLFormElement} form */
function sign(form) {
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  button.disabled = true;
  pressed = pressed.then(() => signNow(form)).finally(() => { button.disabled = false; });
}

/** @param {HTMLFormElement} form */
async function signNow(form) {
  const { sign: type = "", stream = "" } = form.dataset;
  let sent = false;
  try {
    const fields = await fieldsOf(form);
    const draft = await draftOf(form, fields);
    const doubts = await Promise.all((fields.files ?? []).map(doubtsAbout));
    doubts.push(...(draft.warnings ?? []).map(pick));
    if (!(await confirmed(draft.statement, doubts.join(" ")))) return;
    sent = true;
    await signAndPost(stream, type, fields, { draft });
    part("notice").textContent = pick(draft.statement);
    part("notice").className = "notice notice--good";
    if (form.dataset.then) location.assign(form.dataset.then);
    document.body.dispatchEvent(new CustomEvent("dossiers-changed"));
  } catch (cause) {
    if (cause instanceof NotRegistered) location.assign("/desk/login");
    warn(sayFault(cause, { sent }));
  }
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.dataset.sign) return;
  event.preventDefault();
  sign(form);
});

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  if (event.target.closest("[data-print]")) window.print();
  if (event.target.closest("[data-leave]")) void leave();
  const copied = event.target.closest("[data-copy]");
  if (copied instanceof HTMLElement) void copy(copied);
});

/**
 * The clipboard is there on https and loopback only; elsewhere the text is selected, ready to be copied by hand.
 * @param {HTMLElement} button
 */
async function copy(button) {
  const source = part(button.dataset.copy ?? "");
  if (!navigator.clipboard) {
    getSelection()?.selectAllChildren(source);
    return;
  }
  await navigator.clipboard.writeText(source.textContent ?? "");
  const said = button.parentElement?.querySelector("[role=status]");
  if (said) said.textContent = button.dataset.done ?? "";
}

async function leave() {
  try {
    await fetch("/api/session", { method: "DELETE" });
    location.assign("/desk/login");
  } catch (cause) { // the session goes on: somebody who walks away now must know
    warn(sayFault(new Unreachable("the session was not ended", { cause })));
  }
}

// Nobody looks at a hidden page, so it asks for nothing; seen again it is fresh at once.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.body.dispatchEvent(new CustomEvent("page-shown"));
});

async function setUpLogin() {
  const place = part("login");
  const next = place.dataset.next || "/desk";
  const error = part("login-error");
  try {
    part("login-known").hidden = (await knownOfficial()) === null;
  } catch (cause) {
    tell(error, cause);
  }
  if (!globalThis.isSecureContext) tell(error, null);
  const attempt = async (/** @type {() => Promise<unknown>} */ action) => {
    error.hidden = true;
    try {
      await action();
      location.assign(next);
    } catch (cause) {
      tell(error, cause);
    }
  };
  part("login-sign").addEventListener("click", () => void attempt(login));
  part("login-enrol").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (!form.reportValidity()) return;
    const data = new FormData(form);
    const name = String(data.get("name")).trim().normalize("NFC");
    void attempt(() => registerOfficial({ name, activation: String(data.get("activation")).trim() }));
  });
}

if (document.getElementById("login")) await setUpLogin();

const scanning = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-scan]"));
if (scanning) void import("/desk/static/scan-form.js").then(({ setUpScan }) => setUpScan(scanning));

document.dispatchEvent(new Event("desk-ready")); // early.js hands over what was pressed until now
