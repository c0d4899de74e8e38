// Building pages: elements from names, properties and children. Text is always a text node, never markup.

/** @typedef {Node | string | number | null | undefined | false} Child */

/** Properties set as properties because the attribute means something else, or is no attribute. */
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "max", "htmlFor", "className", "multiple"]);
const SAFE_URL = /^(?:#|\/(?!\/)|blob:|tel:)/;

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any> | null} [attributes] `on…` are listeners, `class` is the class list; null and false are left out
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
  append(element, children.flat());
  return element;
}

/** @param {HTMLElement} element @param {string} name @param {any} value */
function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (PROPERTIES.has(name)) /** @type {any} */ (element)[name] = value;
  // A link made of somebody's data must not run as code ("javascript:"), nor lead out of the application.
  else if ((name === "href" || name === "src") && !SAFE_URL.test(String(value))) throw new TypeError(`not a link of ours: ${value}`);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {Element} element @param {Child[]} children */
function append(element, children) {
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child))));
}

/** @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children.flat());
}

let serial = 0;

/** @param {string} [stem] @returns {string} an element id not used before */
export const freshId = (stem = "e") => `${stem}-${++serial}`;
