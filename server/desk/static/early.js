// What is pressed before desk.js has come is kept for it: the browser by itself would load the page again, and what was
// filled in would be gone. Forms that desk.js sends have no `method`; the others need nobody.

(() => {
  /** @type {Map<HTMLFormElement, HTMLElement | null>} */
  const pressed = new Map();

  /** @param {SubmitEvent} event */
  function keep(event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.hasAttribute("method")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed.set(form, event.submitter);
  }

  document.addEventListener("submit", keep, { capture: true });
  document.addEventListener("desk-ready", () => {
    document.removeEventListener("submit", keep, { capture: true });
    for (const [form, button] of pressed) form.requestSubmit(button);
  }, { once: true });
})();
