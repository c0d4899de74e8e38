// Identity and telephone numbers are kept as people give them (docs/decisions/0052): the form doubts an unusual one once, and
// takes it when the person lets it stand.

import { t } from "../i18n/text.js";

export class Doubts {
  constructor() {
    /** @type {Map<string, string>} */
    this.stood = new Map();
  }

  /** @param {string} id of the question @param {string} value @param {string} message @returns {string} what to ask, "" the second time for the same value */
  about(id, value, message) {
    if (this.stood.get(id) === value) return "";
    this.stood.set(id, value);
    return `${message}. ${t("fault.doubt")}`;
  }
}
