// What is asked of one answer before it may be signed. Faults come back as keys of the texts in i18n/, never as sentences.

import { cleanLine, cleanText } from "./normalise.js";

/** @typedef {import("./procedures.js").Field} Field */
/** @typedef {"required" | "date" | "date_impossible" | "id_number" | "phone" | "too_long" | "option"} Fault */

/** Faults that are doubts: unusual numbers are real, and the official at the desk asks (docs/decisions/0052). @param {Fault} fault */
export const isDoubt = (fault) => fault === "id_number" || fault === "phone";

const MAX_CHARACTERS = 4000;
const PHONE = /^(?:0[35789]\d{8}|02\d{8,9})$/;

/** @param {string} raw @returns {string} a phone number as it is stored: digits, with 0 in place of +84 */
export function cleanPhone(raw) {
  return cleanLine(raw).replace(/[\s.()-]/g, "").replace(/^(?:\+84|0084)/, "0");
}

/** @param {string} raw @returns {string} */
export const cleanIdNumber = (raw) => cleanLine(raw).replace(/[\s.-]/g, "");

/** @param {string} phone cleaned */
export const isPhone = (phone) => PHONE.test(phone);

/** Twelve digits (số định danh), or the nine of the old card. @param {string} number cleaned */
export const isIdNumber = (number) => /^(?:\d{12}|\d{9})$/.test(number);

/** @param {string} iso "1990-02-30" @returns {boolean} whether the calendar has that day */
export function isDay(iso) {
  const time = new Date(`${iso}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(iso) && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(iso);
}

/**
 * @param {{day: string, month: string, year: string}} parts as typed
 * @returns {string} "1990-02-03" when all three are numbers, "" when all are blank, otherwise something `isDay` refuses
 */
export function joinDate({ day, month, year }) {
  const [d, m, y] = [day, month, year].map((part) => part.trim());
  if (!d && !m && !y) return "";
  return `${y.padStart(4, "0")}-${m.padStart(2, "0")}-${d.padStart(2, "0")}`;
}

/** @param {string} iso @returns {{day: string, month: string, year: string}} what goes back into the three boxes */
export function splitDate(iso) {
  const [year = "", month = "", day = ""] = iso.split("-");
  return { day: day.replace(/^0+/, ""), month: month.replace(/^0+/, ""), year: year.replace(/^0+/, "") };
}

/** @param {Field} field @param {string} raw @returns {string} what is kept and signed */
export function cleanValue(field, raw) {
  switch (field.type) {
    case "phone": return cleanPhone(raw);
    case "id_number": return cleanIdNumber(raw);
    case "textarea": return cleanText(raw);
    default: return cleanLine(raw);
  }
}

/**
 * @param {Field} field @param {string} value cleaned @param {{value: string}[]} [options]
 * @returns {Fault | null}
 */
export function faultOf(field, value, options = []) {
  if (!value) return field.required ? "required" : null;
  if (value.length > MAX_CHARACTERS) return "too_long";
  if (field.type === "date" && !isDay(value)) return /^\d{4}-\d\d-\d\d$/.test(value) ? "date_impossible" : "date";
  if (field.type === "id_number" && !isIdNumber(value)) return "id_number";
  if (field.type === "phone" && !isPhone(value)) return "phone";
  if (field.type === "select" && options.length && !options.some((option) => option.value === value)) return "option";
  return null;
}
