// What cannot be told from outside a page, put into it before its own scripts run. Both answers are empty when all is well.

globalThis.lookAtPage = () => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".table-wrap"));
    faults.push(`scrolls sideways: ${wide.slice(0, 3).map((e) => e.outerHTML.slice(-160)).join(" | ")}`);
  }
  const levels = [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")].filter(seen).map((e) => Number(e.localName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push(`h1: ${levels}`);
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) faults.push(`headings leap: ${levels}`); });
  for (const e of document.querySelectorAll("button, .button, select, input:not([type=hidden], [type=checkbox], [type=radio]), summary, nav a")) {
    const box = e.getBoundingClientRect();
    if (seen(e) && box.height < 43.5) faults.push(`${Math.round(box.height)} px high: ${e.outerHTML.slice(0, 90)}`);
  }
  for (const e of document.querySelectorAll("[style]")) faults.push(`inline style: ${e.outerHTML.slice(0, 90)}`);
  return faults;
};

globalThis.runAxe = async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const where = (node) => `${node.html.slice(0, 120)} ${node.any.map((each) => each.message).join("; ").slice(0, 160)}`;
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(where).join(" | ")}`);
};
