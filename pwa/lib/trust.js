// Whom this phone believes: the node whose certificate it pinned at enrolment, and what that node's authority issued.

import { fromBase64 } from "./base64url.js";
import { isIssuedBy, parseCertificate, publicKeyOf } from "./der.js";
import { idInDocument } from "./event.js";
import { BadSignature, certificateThumbprint, signerOf, verifyEvent } from "./jws.js";
import { Lists, judge, lookUp } from "./revocation.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {{urn: string, certificate: string, chain: string[]}} Pins `certificate` and `chain` are base64 DER, from enrolment */
/** @typedef {import("./revocation.js").Verdict} Verdict */
/** @typedef {{publicKey: CryptoKey, uris: string[], certificate: import("./der.js").Certificate}} KnownSigner */
/** @typedef {(x5t: string) => Promise<string | null>} FindCertificate base64 DER of a certificate document, null when not here */

export class Trust {
  /** @param {Pins} pins @param {FindCertificate} find @param {Lists} [lists] of what was revoked, as far as this phone knows */
  constructor(pins, find, lists = new Lists()) {
    this.pins = pins;
    this.find = find;
    this.lists = lists;
    /** @type {Map<string, KnownSigner>} certificates found trustworthy, by x5t#S256 */
    this.known = new Map();
  }

  /**
   * @param {EventDocument} doc
   * @returns {Promise<import("./event.js").TramEvent>} the event, its signature proven under the pinned node certificate or one
   *   issued by the pinned authority. Revocation is asked apart: `judge`. Throws `BadSignature`.
   */
  async verify(doc) {
    const x5t = signerOf(doc);
    const signer = await this.#signerOf(doc);
    if (!signer.uris.includes(doc.event.actor)) throw new BadSignature(`the certificate is not that of ${doc.event.actor}`);
    return verifyEvent(doc, { publicKey: signer.publicKey, x5t, actor: doc.event.actor });
  }

  /**
   * @param {EventDocument} doc verified @param {number} nowMs @param {number | null} [provenMs] by when it is known to have existed
   * @returns {Promise<Verdict>} whether its signature still counts, by the lists at hand. Throws `BadSignature` as `verify`.
   */
  async judge(doc, nowMs, provenMs = null) {
    const { certificate } = await this.#signerOf(doc);
    return this.judgeCertificate(certificate, { claimedMs: Date.parse(doc.event.at), provenMs, nowMs });
  }

  /** @param {import("./der.js").Certificate} certificate @param {import("./revocation.js").Times} times @returns {Promise<Verdict>} */
  async judgeCertificate(certificate, times) {
    return judge(await lookUp(certificate, this.pins.chain.map((one) => parseCertificate(fromBase64(one))), this.lists), times);
  }

  /**
   * @param {EventDocument} doc @param {number} nowMs
   * @returns {Promise<import("./event.js").TramEvent>} as `verify`, for what is acted upon now: nothing revoked stands behind it. A lapsed
   *   list stops nothing, as at the node. Throws `BadSignature`.
   */
  async verifyUnrevoked(doc, nowMs) {
    const event = await this.verify(doc);
    if ((await this.judge(doc, nowMs)).reason === "revoked") throw new BadSignature("the signer's certificate was revoked, and nothing proves that this was signed before");
    return event;
  }

  /** @param {EventDocument} doc @returns {Promise<KnownSigner>} */
  async #signerOf(doc) {
    const x5t = signerOf(doc);
    return this.known.get(x5t) ?? (await this.#learn(x5t, new Date(doc.event.at)));
  }

  /** @param {string} x5t @param {Date} at */
  async #learn(x5t, at) {
    const pinned = fromBase64(this.pins.certificate);
    const isPinned = (await certificateThumbprint(pinned)) === x5t;
    const der = isPinned ? pinned : await this.#findDer(x5t);
    const certificate = parseCertificate(der);
    if (!isPinned && !(await this.#issuedByOurs(certificate, at))) {
      throw new BadSignature("the signer's certificate was not issued by the authority known to this phone");
    }
    const signer = { publicKey: await publicKeyOf(certificate), uris: certificate.uris, certificate };
    this.known.set(x5t, signer);
    return signer;
  }

  /** @param {string} x5t */
  async #findDer(x5t) {
    const found = await this.find(x5t);
    if (!found) throw new BadSignature("the signer's certificate is not on this phone");
    const der = fromBase64(found);
    if ((await certificateThumbprint(der)) !== x5t) throw new BadSignature("a certificate document under a wrong id");
    return der;
  }

  /** @param {import("./der.js").Certificate} certificate @param {Date} at */
  async #issuedByOurs(certificate, at) {
    if (certificate.ca) return false;
    for (const authority of this.pins.chain) {
      if (await isIssuedBy(certificate, parseCertificate(fromBase64(authority)), at)) return true;
    }
    return false;
  }
}

/**
 * @param {EventDocument} receipt @param {EventDocument} submission @param {Trust} trust
 * @returns {Promise<void>} when `receipt` proves that the node holds `submission` with every file it names; a node that signed
 *   for less has not received it. Throws `BadSignature`.
 */
export async function verifyReceipt(receipt, submission, trust) {
  const { event } = receipt;
  if (event.type !== "receipt.issued" || event.actor !== trust.pins.urn) throw new BadSignature("not a receipt of this node");
  if (event.stream !== submission.event.stream || event.body.of !== idInDocument(submission)) throw new BadSignature("a receipt for something else");
  const held = new Set(event.body.files);
  const absent = submission.event.files.filter((file) => !held.has(file.sha256));
  if (absent.length) throw new BadSignature(`the receipt leaves out ${absent.map((file) => file.name).join(", ")}`);
  await trust.verify(receipt);
}
