// An answer as people read it: dates in their order, the word for an option instead of its value.

import { optionsOf } from "./lib/procedures.js";
import { isDay } from "./lib/validate.js";
import { both, day } from "./i18n/text.js";

/** @param {import("./lib/procedures.js").Procedure} procedure @param {import("./lib/procedures.js").Field} field @param {string} value @returns {string} */
export function answerText(procedure, field, value) {
  if (field.type === "date" && isDay(value)) return day(`${value}T00:00:00+07:00`);
  const option = optionsOf(procedure, field).find((one) => one.value === value);
  return option ? both(option) : value;
}
