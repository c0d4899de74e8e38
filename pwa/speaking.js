// Speaking to the node as the citizen: bearer tokens, made of the key when they are needed.

import { NodeApi } from "./lib/api.js";
import { tokenSource } from "./lib/token.js";
import { ORIGIN, nodeNowMs, refreshNode, state } from "./state.js";

/** @type {{x5t: string, urn: string, token: () => Promise<string>} | null} */
let source = null;

/** @returns {() => Promise<string>} bearer tokens of the citizen. Throws when there is no certificate yet. */
export function citizenToken() {
  const { identity } = state;
  if (!identity) throw new Error("this phone is not registered yet");
  const urn = state.node?.urn ?? identity.node.urn;
  if (source?.x5t !== identity.x5t || source.urn !== urn) {
    const signer = { key: identity.privateKey, x5t: identity.x5t, subject: identity.subject };
    source = { x5t: identity.x5t, urn, token: tokenSource(signer, urn, () => Math.floor(nodeNowMs() / 1000)) };
  }
  return source.token;
}

/** The node does not take our token: read its clock, and make new ones. */
export async function renewTokens() {
  await refreshNode();
  source = null;
}

/** @returns {NodeApi} speaking as the citizen where there is one */
export const nodeApi = () => new NodeApi(ORIGIN, state.identity ? { token: () => citizenToken()(), renew: renewTokens } : {});
