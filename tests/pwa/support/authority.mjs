// Certificates for tests, made by OpenSSL: an independent writer of what lib/der.js reads.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
const pemToDer = (pem) => Uint8Array.from(Buffer.from(pem.replace(/-----[A-Z0-9 ]+-----|\s/g, ""), "base64"));

/** A CA in a folder of its own. `issue` certifies any public key; `close` removes the folder. */
export class TestAuthority {
  /** @param {{curve?: string, name?: string, days?: number}} [options] */
  constructor({ curve = "P-256", name = "Test CA", days = 30 } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "tram-ca-"));
    this.path = (name) => join(this.folder, name);
    openssl("ecparam", "-name", curve === "P-384" ? "secp384r1" : "prime256v1", "-genkey", "-noout", "-out", this.path("ca.key"));
    openssl("req", "-x509", "-new", "-key", this.path("ca.key"), "-subj", `/CN=${name}`, "-days", String(days), "-out", this.path("ca.pem"),
      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", curve === "P-384" ? "-sha384" : "-sha256");
    this.der = pemToDer(readFileSync(this.path("ca.pem"), "utf8"));
  }

  /** @param {JsonWebKey} jwk a public key @param {string} uri @param {{days?: number, ca?: boolean, serial?: string}} [options] @returns {Uint8Array} DER */
  issue(jwk, uri, { days = 20, ca = false, serial = "1234abcd5678ef90" } = {}) {
    writeFileSync(this.path("leaf.pub"), spkiPem(jwk));
    writeFileSync(this.path("leaf.ext"), `basicConstraints=critical,CA:${ca ? "TRUE" : "FALSE"}\nsubjectAltName=URI:${uri},DNS:u.example\nkeyUsage=critical,digitalSignature\n`);
    const args = ["x509", "-new", "-force_pubkey", this.path("leaf.pub"), "-subj", "/CN=leaf", "-days", String(days), "-extfile", this.path("leaf.ext"),
      "-CA", this.path("ca.pem"), "-CAkey", this.path("ca.key"), "-set_serial", `0x${serial}`, "-outform", "DER"];
    return new Uint8Array(openssl(...args));
  }

  /** @param {{serial: string, at: Date, reason?: string}[]} revoked @param {{number?: string, days?: number}} [options] `number` in hex @returns {Uint8Array} DER of a list made now */
  revocationList(revoked, { number = "0a", days = 30 } = {}) {
    const when = (date) => `${date.toISOString().replace(/[-:T]|\.\d+/g, "").slice(2)}`;
    writeFileSync(this.path("index"), revoked.map(({ serial, at, reason }) => `R\t491231235959Z\t${when(at)}${reason ? `,${reason}` : ""}\t${serial.toUpperCase()}\tunknown\t/CN=leaf\n`).join(""));
    writeFileSync(this.path("number"), number);
    writeFileSync(this.path("ca.cnf"), `[ca]\ndefault_ca=x\n[x]\ndatabase=${this.path("index")}\ncrlnumber=${this.path("number")}\ndefault_md=sha256\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n`);
    const pem = openssl("ca", "-config", this.path("ca.cnf"), "-gencrl", "-crldays", String(days), "-keyfile", this.path("ca.key"), "-cert", this.path("ca.pem")).toString();
    return pemToDer(pem.slice(pem.indexOf("-----BEGIN")));
  }

  close() {
    rmSync(this.folder, { recursive: true });
  }
}

/** @param {JsonWebKey} jwk */
function spkiPem({ x, y }) {
  const head = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return `-----BEGIN PUBLIC KEY-----\n${Buffer.concat([head, point]).toString("base64")}\n-----END PUBLIC KEY-----\n`;
}

/** A key with its certificate. @param {TestAuthority} authority @param {string} subject @param {{days?: number, serial?: string}} [options] */
export async function makeIdentity(authority, subject, options) {
  const { certificateThumbprint, P256 } = await import("../../../pwa/lib/jws.js");
  const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const der = authority.issue(jwk, subject, options);
  return { ...pair, jwk, der, subject, x5t: await certificateThumbprint(der), certificate: Buffer.from(der).toString("base64") };
}
