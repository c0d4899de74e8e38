// One question each: label, hint, fault, and the control that fits the answer.

import { joinDate, splitDate } from "../lib/validate.js";
import { t } from "../i18n/text.js";
import { freshId, h } from "./dom.js";

/**
 * @typedef {object} FieldElement
 * @property {HTMLElement} element
 * @property {string} target               id that an error summary links to
 * @property {() => string} read           what was answered, as typed
 * @property {(message: string) => void} fault show or, with "", take away a message
 */
/**
 * @typedef {object} Options
 * @property {string} label @property {string} [hint] @property {string} [value] @property {boolean} [required]
 * @property {() => void} [oninput] @property {boolean} [title] the label is the page's heading
 */

/**
 * @param {Options & {type?: string, inputmode?: string, autocomplete?: string, size?: string, maxlength?: number}} options
 * @returns {FieldElement}
 */
export function textField({ type = "text", inputmode, autocomplete = "off", size = "", maxlength = 4000, ...options }) {
  const control = h("input", {
    class: `input ${size && `input--${size}`}`, type, inputmode, autocomplete, maxlength, value: options.value ?? "",
    spellcheck: "false", oninput: options.oninput,
  });
  return labelled(control, options, () => control.value);
}

/** @param {Options} options @returns {FieldElement} */
export function areaField(options) {
  const control = h("textarea", { class: "textarea", rows: 4, maxlength: 4000, value: options.value ?? "", oninput: options.oninput });
  return labelled(control, options, () => control.value);
}

/**
 * @param {Options & {choices: {value: string, label: string}[]}} options
 * @returns {FieldElement} radios for a few, a list for many, and free text where the catalogue names a list it does not bring
 */
export function choiceField({ choices, ...options }) {
  if (!choices.length) return textField(options);
  return choices.length <= 7 ? radioField({ choices, ...options }) : selectField({ choices, ...options });
}

/** @param {Options & {choices: {value: string, label: string}[]}} options @returns {FieldElement} */
function selectField({ choices, ...options }) {
  const entries = [{ value: "", label: t("select.choose") }, ...choices];
  const control = h("select", { class: "select", oninput: options.oninput }, entries.map(({ value, label }) => h("option", { value }, label)));
  control.value = choices.some((one) => one.value === options.value) ? String(options.value) : "";
  return labelled(control, options, () => control.value);
}

/** @param {Options & {choices: {value: string, label: string}[]}} options @returns {FieldElement} */
export function radioField({ choices, label, hint, value, required = true, oninput, title }) {
  const name = freshId("choice");
  const radios = choices.map((one) => h("input", { type: "radio", id: freshId("radio"), name, value: one.value, checked: one.value === value, oninput }));
  const rows = radios.map((radio, i) => h("div", { class: "choice" }, radio, h("label", { htmlFor: radio.id }, choices[i].label)));
  const slots = slotsOf(hint);
  const element = h("fieldset", { class: `field ${title ? "field--title" : ""}` }, h("legend", null, title ? h("h1", { tabindex: "-1" }, label) : label, marker(required)), slots.hint, slots.fault, rows);
  const fault = faultSetter(element, slots, element);
  return { element, target: radios[0].id, read: () => radios.find((radio) => radio.checked)?.value ?? "", fault };
}

/** Three boxes, so that nobody fights a calendar to reach 1950. The value is "1950-02-03". @param {Options} options @returns {FieldElement} */
export function dateField({ label, hint, value = "", required = true, oninput }) {
  const held = splitDate(value);
  const part = (/** @type {"day" | "month" | "year"} */ which, /** @type {string} */ size, /** @type {number} */ maxlength) =>
    h("input", { class: `input input--${size}`, id: freshId(which), inputmode: "numeric", autocomplete: "off", maxlength, value: held[which], oninput });
  const [day, month, year] = [part("day", "2", 2), part("month", "2", 2), part("year", "4", 4)];
  const column = (/** @type {HTMLInputElement} */ control, /** @type {string} */ text) => h("div", null, h("label", { class: "small", htmlFor: control.id }, text), h("div", null, control));
  const slots = slotsOf(hint ?? t("date.hint"));
  const row = h("div", { class: "row" }, column(day, t("date.day")), column(month, t("date.month")), column(year, t("date.year")));
  const element = h("fieldset", { class: "field" }, h("legend", null, label, marker(required)), slots.hint, slots.fault, row);
  return {
    element, target: day.id, fault: faultSetter(element, slots, element),
    read: () => joinDate({ day: day.value, month: month.value, year: year.value }),
  };
}

/** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} control @param {Options} options @param {() => string} read @returns {FieldElement} */
function labelled(control, { label, hint, required = true, title }, read) {
  control.id = freshId("field");
  const slots = slotsOf(hint);
  const name = h("label", { htmlFor: control.id }, label, marker(required));
  const element = h("div", { class: `field ${title ? "field--title" : ""}` }, title ? h("h1", { tabindex: "-1" }, name) : name, slots.hint, slots.fault, control);
  return { element, target: control.id, read, fault: faultSetter(element, slots, control) };
}

/** @param {boolean} required */
const marker = (required) => (required ? null : h("span", { class: "optional" }, ` ${t("app.optional")}`));

/** @param {string | undefined} hint */
function slotsOf(hint) {
  return {
    hint: hint ? h("p", { class: "hint", id: freshId("hint") }, hint) : null,
    fault: h("p", { class: "field__error", id: freshId("fault"), hidden: true }),
  };
}

/** @param {HTMLElement} element @param {ReturnType<typeof slotsOf>} slots @param {HTMLElement} described */
function faultSetter(element, slots, described) {
  const describe = (/** @type {boolean} */ faulty) => {
    const ids = [slots.hint?.id, faulty && slots.fault.id].filter(Boolean).join(" ");
    if (ids) described.setAttribute("aria-describedby", ids);
    else described.removeAttribute("aria-describedby");
  };
  describe(false);
  return (/** @type {string} */ message) => {
    slots.fault.replaceChildren(...(message ? [h("span", { class: "visually-hidden" }, `${t("error.prefix")} `), message] : []));
    slots.fault.hidden = !message;
    element.classList.toggle("field--error", Boolean(message));
    if (described !== element) described.setAttribute("aria-invalid", String(Boolean(message)));
    describe(Boolean(message));
  };
}
