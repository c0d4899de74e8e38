// #/register : make this phone's key, show the six digits, wait for the office.

import { numberDoubts } from "../drafts.js";
import { registerPhone, signRequest } from "../enrol.js";
import { cleanLine } from "../lib/normalise.js";
import { cleanIdNumber, cleanPhone } from "../lib/validate.js";
import { day, t } from "../i18n/text.js";
import { reloadKey, state, tellAll } from "../state.js";
import { forgetKey, readKey, saveKey } from "../store/keys.js";
import { syncNow } from "../sync.js";
import { fill, h } from "../ui/dom.js";
import { sayFault } from "../ui/faults.js";
import { Doubts } from "../ui/doubts.js";
import { textField } from "../ui/fields.js";
import { backLink, button, heading, linkButton, notice, showFaults } from "../ui/parts.js";
import { drawQr } from "../ui/qr.js";
import { toast } from "../ui/shell.js";

/** @returns {Promise<import("../page.js").Page>} */
export async function register() {
  const refreshOn = ["key", "link"];
  switch (state.record?.state) {
    case "pending": return { ...(await waiting(state.record)), refreshOn };
    case "issued": return state.record.revoked ? { ...revoked(), refreshOn } : { ...issued(), refreshOn: [] };
    case "refused": return { ...refused(), refreshOn };
    default: return form();
  }
}

/** @returns {import("../page.js").Page} */
function form() {
  const title = t("register.title");
  const kept = state.record;
  const faults = h("div", null);
  const doubts = new Doubts();
  const name = textField({ label: t("register.name"), hint: t("register.name_hint"), autocomplete: "name", maxlength: 200, value: kept?.name });
  const phone = textField({ label: t("register.phone"), hint: t("register.phone_hint"), type: "tel", inputmode: "tel", autocomplete: "tel", size: "20", maxlength: 20, required: false, value: kept?.phone });
  const idNumber = textField({ label: t("register.id_number"), inputmode: "numeric", size: "20", maxlength: 16, required: false, value: kept?.idNumber });
  const activation = textField({ label: t("register.activation"), hint: t("register.activation_hint"), size: "20", maxlength: 40, required: false });
  const submit = h("button", { class: "button", type: "submit" }, t("register.submit"));
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const person = { name: cleanLine(name.read()), phone: cleanPhone(phone.read()), idNumber: cleanIdNumber(idNumber.read()), activation: cleanLine(activation.read()) };
    const doubted = numberDoubts({ phone: person.phone, id_number: person.idNumber });
    const found = [
      check(name, person.name ? "" : t("fault.required", { label: t("register.name").toLowerCase() })),
      check(phone, doubted.phone && doubts.about("phone", person.phone, doubted.phone)),
      check(idNumber, doubted.id_number && doubts.about("id_number", person.idNumber, doubted.id_number)),
    ].filter((one) => one !== null);
    showFaults(faults, found);
    if (!found.length) await attempt(person, submit, faults);
  };
  const content = h("div", null, backLink("#/"), faults, heading(title), h("p", null, t("register.lead")),
    h("form", { novalidate: true, onsubmit: send }, name.element, phone.element, idNumber.element,
      h("details", { class: "disclosure" }, h("summary", null, t("register.have_code")), activation.element),
      h("div", { class: "actions" }, submit)));
  return { title, content };
}

/** @param {import("../ui/fields.js").FieldElement} field @param {string} message */
function check(field, message) {
  field.fault(message);
  return message ? { message, target: field.target } : null;
}

/** @param {Parameters<typeof registerPhone>[0]} person @param {HTMLButtonElement} submit @param {HTMLElement} faults */
async function attempt(person, submit, faults) {
  submit.disabled = true;
  fill(submit, t("register.working"));
  try {
    await registerPhone(person);
    dispatchEvent(new HashChangeEvent("hashchange"));
    void syncNow();
  } catch (cause) {
    showFaults(faults, [{ message: sayFault(cause) }]);
  } finally {
    submit.disabled = false;
    fill(submit, t("register.submit"));
  }
}

/** @param {import("../store/keys.js").KeyRecord} record @returns {Promise<import("../page.js").Page>} */
async function waiting(record) {
  const title = t("register.code_title");
  const code = (record.code ?? "").replace(/^(\d{3})(\d{3})$/, "$1 $2");
  const away = state.link.outcome === "offline" || !navigator.onLine;
  const content = h("div", null, backLink("#/"), heading(title), h("p", null, t("register.code_lead")),
    h("div", { class: "panel" }, h("p", { class: "caption" }, t("register.code_label")), h("p", { class: "bigcode" }, code), h("p", null, record.name)),
    notice(away ? "wait" : "info", h("p", { role: "status" }, t(record.unsent ? "register.unsent" : away ? "register.waiting_offline" : "register.waiting"))),
    await byHand(record, away),
    h("div", { class: "actions" }, linkButton(t("home.new"), "#/procedures", "button--secondary"), button(t("register.cancel"), () => giveUp(record), "button--secondary")));
  return { title, content };
}

/**
 * Request and certificate as QR codes, for an office whose machine this phone cannot reach.
 * @param {import("../store/keys.js").KeyRecord} record @param {boolean} open
 */
async function byHand(record, open) {
  const request = await signRequest(record);
  const text = h("textarea", { class: "textarea mono", rows: 5, readonly: true, value: request, "aria-label": t("register.qr_text") });
  return h("details", { class: "disclosure", open }, h("summary", null, t("register.qr_title")), h("p", null, t("register.qr_lead")),
    drawQr(request, t("register.qr_label")),
    h("p", null, t("register.receive_lead")), h("div", { class: "actions" }, linkButton(t("register.receive"), "#/register/receive")),
    h("details", { class: "disclosure" }, h("summary", null, t("register.qr_text")), text));
}

/** @returns {import("../page.js").Page} */
function issued() {
  const { identity } = state;
  const title = t("register.done_title");
  const text = t("register.done", { office: identity?.node.name ?? "", until: identity?.expires ? day(identity.expires) : "…" });
  const content = h("div", null, backLink("#/"), heading(title), notice("good", h("p", null, text)),
    h("div", { class: "actions" }, linkButton(t("home.new"), "#/procedures"), linkButton(t("home.title"), "#/", "button--secondary")));
  return { title, content };
}

/** @returns {import("../page.js").Page} */
function refused() {
  const title = t("register.refused_title");
  return { title, content: h("div", null, backLink("#/"), heading(title), h("p", null, t("register.refused")), h("div", { class: "actions" }, button(t("register.again"), startOver))) };
}

/** @returns {import("../page.js").Page} */
function revoked() {
  const title = t("home.revoked");
  const content = h("div", null, backLink("#/"), heading(title), notice("bad", h("p", null, t("home.revoked_text"))), h("p", null, t("register.revoked")),
    h("div", { class: "actions" }, button(t("home.register_again"), startOver)));
  return { title, content };
}

/** A key that waits is given up by one tap, so it can be brought back by one. @param {import("../store/keys.js").KeyRecord} record */
async function giveUp(record) {
  await startOver();
  const undo = async () => {
    if (await readKey("citizen")) return; // another was made meanwhile
    await saveKey(record);
    await reloadKey();
    tellAll("key");
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  toast(t("register.given_up"), { label: t("app.undo"), run: undo });
}

/** Nothing can be signed any more with a key that was refused, given up or taken away. */
async function startOver() {
  await forgetKey("citizen");
  await reloadKey();
  tellAll("key");
  dispatchEvent(new HashChangeEvent("hashchange"));
}
