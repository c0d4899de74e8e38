// A page that renews itself must never take away what somebody is about to press, is filling in or has opened.
//
// It is asked twice, before a poll is sent and again when its answer is there: on a slow line seconds lie between the two,
// and a box ticked in between would be empty again. What the person started (a signature, a search) is always shown.

const RESTING_MS = 10_000; // a hand that has lain still this long is not about to press anything

let touchedMs = -RESTING_MS;
for (const kind of ["pointermove", "pointerdown", "keydown", "input", "focusin"]) {
  document.addEventListener(kind, () => { touchedMs = performance.now(); }, { capture: true, passive: true });
}

/** @param {any} detail of an htmx event @returns {boolean} whether the page asks by itself, not because of something done on it */
const isPoll = ({ requestConfig }) => ["every", "page-shown", undefined].includes(requestConfig?.triggeringEvent?.type);

/** @param {Element} part @returns {boolean} whether anything in it was filled in and not yet sent */
function isFilledIn(part) {
  return [...part.querySelectorAll("input, textarea, select")].some((field) => {
    if (field instanceof HTMLSelectElement) {
      return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > 0;
    }
    if (field instanceof HTMLInputElement && ["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
    if (field instanceof HTMLInputElement && field.type === "hidden") return false;
    return field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement ? field.value !== field.defaultValue : false;
  });
}

/** @param {Element} part @returns {boolean} */
function isInUse(part) {
  if (document.querySelector("dialog[open]") || part.querySelector("button[disabled]") || isFilledIn(part)) return true;
  if (performance.now() - touchedMs > RESTING_MS) return false;
  return part.querySelector(":is(a, button, input, select, textarea, label, summary):is(:focus, :hover, :active)") !== null;
}

document.body.addEventListener("htmx:beforeRequest", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  if (isPoll(detail) && (document.hidden || isInUse(detail.target))) event.preventDefault();
});

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  if (isPoll(detail) && isInUse(detail.target)) detail.shouldSwap = false;
  else rememberOpen(detail.target);
});

/** @type {Set<string>} ids of what was unfolded before the new markup came */
let unfolded = new Set();

/** @param {Element} part */
function rememberOpen(part) {
  unfolded = new Set([...part.querySelectorAll("details[open][id]")].map((each) => each.id));
}

document.body.addEventListener("htmx:afterSettle", () => {
  for (const id of unfolded) /** @type {HTMLDetailsElement | null} */ (document.getElementById(id))?.setAttribute("open", "");
});

// A list that can no longer be renewed says so; an old state shown as the present one would be untrue.
/** @param {boolean} stale */
function tellStale(stale) {
  const line = document.getElementById("stale");
  if (line) line.hidden = !stale;
}
for (const kind of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.body.addEventListener(kind, () => tellStale(true));
document.body.addEventListener("htmx:afterOnLoad", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.xhr.status < 400) tellStale(false);
});
