// Procedures as data: finding them, and what their forms and papers ask. Form: server/dossier/procedure.py.

import { fold } from "./normalise.js";

/** @typedef {{vi: string, en: string}} Both */
/** @typedef {{id: string, page: string, label: Both, type: "text" | "date" | "select" | "id_number" | "phone" | "textarea", required: boolean, help?: Both, options?: Option[], options_list?: string, when?: {field: string, is: string[]}}} Field */
/** @typedef {Both & {value: string}} Option */
/** @typedef {{id: string, name: Both, required: boolean, copy: "original" | "copy" | "either", present?: boolean, condition?: Both}} Component */
/**
 * @typedef {object} Procedure
 * @property {string} code @property {Both} name @property {Both & {id: string}} field @property {string} level @property {string} route
 * @property {boolean} [mobile] @property {boolean} [one_visit]
 * @property {{kind: string, text: Both}} time @property {{text: Both}} fee
 * @property {Component[]} components
 * @property {{pages: {id: string, title: Both, help?: Both}[], fields: Field[]}} form
 * @property {Record<string, Option[]>} [lists]
 * @property {Record<string, {mark: "V" | "C" | "R", source: string, note?: string}>} marks
 * @property {string} effective_from @property {string} [effective_until] @property {string[]} [aliases]
 */

/**
 * @param {Procedure[]} all perhaps several versions of one @param {string} today "2026-11-21"
 * @returns {Procedure[]} the ones in force, one per code, online ones first
 */
export function inForce(all, today) {
  /** @type {Map<string, Procedure>} */
  const newest = new Map();
  for (const one of all) {
    if (one.effective_from > today || (one.effective_until && one.effective_until < today)) continue;
    const other = newest.get(one.code);
    if (!other || other.effective_from < one.effective_from) newest.set(one.code, one);
  }
  // What can be done from here comes first.
  const ease = (/** @type {Procedure} */ one) => ["TOAN_TRINH", "MOT_PHAN", "KHONG"].indexOf(one.level);
  return [...newest.values()].sort((a, b) => ease(a) - ease(b) || a.field.id.localeCompare(b.field.id) || a.code.localeCompare(b.code));
}

/**
 * @param {Procedure[]} all @param {string} query any words, with or without diacritics @param {string} field "" for all
 * @returns {Procedure[]} those that hold every word; names closest to the query come first
 */
export function searchProcedures(all, query, field) {
  const words = fold(query).split(" ").filter(Boolean);
  const wanted = all.filter((one) => (!field || one.field.id === field) && words.every((word) => haystack(one).includes(word)));
  // 0: the very name; then names that hold the query as typed, the shortest first; then the rest, as the catalogue has them.
  const phrase = words.join(" ");
  const rank = (/** @type {Procedure} */ one) => (phrase && fold(one.name.vi).includes(phrase) ? fold(one.name.vi).length - phrase.length : Infinity);
  const byRank = (/** @type {number} */ a, /** @type {number} */ b) => (a === b ? 0 : a - b);
  return wanted.map((one, i) => ({ one, i })).sort((a, b) => byRank(rank(a.one), rank(b.one)) || a.i - b.i).map(({ one }) => one);
}

/** @type {WeakMap<Procedure, string>} */
const haystacks = new WeakMap();

/** @param {Procedure} one */
function haystack(one) {
  let text = haystacks.get(one);
  if (text === undefined) {
    text = fold([one.code, one.name.vi, one.name.en, one.field.vi, one.field.en, ...(one.aliases ?? [])].join(" "));
    haystacks.set(one, text);
  }
  return text;
}

/** @param {Procedure} one @param {Field} field @returns {Option[]} */
export const optionsOf = (one, field) => field.options ?? (field.options_list ? (one.lists?.[field.options_list] ?? []) : []);

/** @param {Field} field @param {Record<string, string>} form @returns {boolean} whether the form shows it now */
export const isShown = (field, form) => !field.when || field.when.is.includes(form[field.when.field] ?? "");

// Declarations and requests: what is filled in and signed on the phone takes the place of the paper (TTHC texts: "tờ khai,
// hoặc biểu mẫu điện tử tương tác khi nộp trực tuyến").
const IS_FORM = /^(?:to-khai|don-de-nghi|don-yeu-cau|giay-de-nghi|van-ban-de-nghi)/;

/** @param {Component} component @returns {boolean} whether the form on the phone replaces it */
export const isReplacedByForm = (component) => IS_FORM.test(component.id);

/** A required paper with a condition has a substitute that the condition names; the official judges which. @param {Component} component */
export const isIndispensable = (component) => component.required && !component.present && !component.condition && !isReplacedByForm(component);

/** @param {Procedure} one @returns {Component[]} papers that are handed in, not only shown */
export const papersOf = (one) => one.components.filter((component) => !component.present);
