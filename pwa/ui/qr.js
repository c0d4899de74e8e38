// QR codes drawn by the page itself, so that they need no network.

import { encode } from "../vendor/uqr.js";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // modules of white around the code (ISO/IEC 18004)

/**
 * @param {string} text @param {string} label what a screen reader says @param {{ecc?: "L" | "M"}} [options] M for what is printed
 * @returns {HTMLElement} the code on white whatever the theme. Level L: a screen is clean, and coarse modules are read by cheap cameras.
 */
export function drawQr(text, label, { ecc = "L" } = {}) {
  const { data, size } = encode(text, { ecc, border: QUIET });
  const runs = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", runs.join(""));
  svg.append(path);
  const figure = document.createElement("figure");
  figure.className = "qr";
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", label);
  figure.append(svg);
  return figure;
}
