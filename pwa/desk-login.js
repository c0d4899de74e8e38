// For the desk's login page: register an official's key with an activation code, and log in with the key. No passwords.

import { NodeApi } from "./lib/api.js";
import { buildEnrolmentRequest } from "./lib/enrolment.js";
import { buildToken } from "./lib/token.js";
import { forgetKey, readIdentity, saveKey } from "./store/keys.js";
import { acceptCertificate, makeKey } from "./store/newkey.js";

/** @returns {Promise<{name: string, subject: string} | null>} the official whose key is on this computer */
export async function knownOfficial() {
  const identity = await readIdentity("official");
  return identity && { name: identity.name, subject: identity.subject };
}

/**
 * Make a key, have it certified against the activation code, and log in.
 * @param {{name: string, activation: string}} person
 * @returns {Promise<any>} the answer of /api/session. Throws what lib/api.js and store/newkey.js throw; a key that was not
 *   certified is forgotten, so that the form can be sent again.
 */
export async function registerOfficial({ name, activation }) {
  const api = new NodeApi(location.origin);
  const { node, offsetMs } = await api.fetchNode();
  const record = await makeKey("official", { name });
  try {
    const once = { nowS: Math.floor((Date.now() + offsetMs) / 1000), nonce: crypto.getRandomValues(new Uint8Array(16)) };
    const request = await buildEnrolmentRequest({ name, kind: "official", activation }, record, once);
    const answer = await api.postEnrolment(request);
    /** @type {import("./store/keys.js").KeyRecord} */
    const waiting = { ...record, state: "pending", code: answer.code };
    await saveKey(waiting);
    const issued = answer.certificate ? answer : await api.fetchEnrolment(record.thumbprint);
    if (!issued.certificate) throw new RangeError("the node did not accept the activation code at once");
    await acceptCertificate(waiting, issued, { unit: node.unit, name: node.name, urn: node.urn, certificate: node.certificate });
  } catch (cause) {
    await forgetKey("official");
    throw cause;
  }
  return login();
}

/** Log in with the key on this computer. @returns {Promise<any>} the answer of /api/session; the cookie is set. Throws what lib/api.js throws. */
export async function login() {
  const identity = await readIdentity("official");
  if (!identity) throw new RangeError("this browser holds no official's key");
  const api = new NodeApi(location.origin);
  const { node, offsetMs } = await api.fetchNode();
  const signer = { key: identity.privateKey, x5t: identity.x5t, subject: identity.subject };
  return api.postSession(await buildToken(signer, node.urn, Math.floor((Date.now() + offsetMs) / 1000)));
}

/** Forget the official's key on this computer (a shared machine, somebody who left). */
export const forgetOfficial = () => forgetKey("official");
