// The other side of the interoperability tests: WebCrypto, Node's X.509 parser and V8's own JSON, no code of ours.
// Reads one JSON request from standard input, {"task", "items"}, and writes the list of answers to standard output.
import { X509Certificate, webcrypto as crypto } from "node:crypto";
import { readFileSync } from "node:fs";

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const SHA256 = { name: "ECDSA", hash: "SHA-256" };
const text = new TextEncoder();
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

/** RFC 8785 by its own recipe: ECMAScript writes scalars, names are sorted as ECMAScript compares strings. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

async function publicKey(pem) {
  const jwk = new X509Certificate(pem).publicKey.export({ format: "jwk" });
  return crypto.subtle.importKey("jwk", jwk, ECDSA, false, ["verify"]);
}

const tasks = {
  /** {certificate, protected, canonical, signature} → did the certificate's key sign? */
  async verify({ certificate, protected: header, canonical: payload, signature }) {
    const input = text.encode(`${header}.${base64url(text.encode(payload))}`);
    return crypto.subtle.verify(SHA256, await publicKey(certificate), Buffer.from(signature, "base64url"), input);
  },

  /** {jwk (private), protected (object), event} → {protected, signature, canonical} made by WebCrypto. */
  async sign({ jwk, protected: header, event }) {
    const key = await crypto.subtle.importKey("jwk", jwk, ECDSA, false, ["sign"]);
    const first = base64url(text.encode(canonical(header)));
    const payload = canonical(event);
    const signature = await crypto.subtle.sign(SHA256, key, text.encode(`${first}.${base64url(text.encode(payload))}`));
    return { protected: first, signature: base64url(signature), canonical: payload };
  },

  /** a JSON text → its canonical form */
  async canonical(source) {
    return canonical(JSON.parse(source));
  },

  /** nothing → a fresh key's public JWK, as browsers export it, and a token it signed with that JWK in the header */
  async enrol({ payload }) {
    const pair = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
    const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const input = `${base64url(JSON.stringify({ alg: "ES256", jwk }))}.${base64url(payload)}`;
    return { jwk, token: `${input}.${base64url(await crypto.subtle.sign(SHA256, pair.privateKey, text.encode(input)))}` };
  },
};

const { task, items } = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const item of items) answers.push(await tasks[task](item));
process.stdout.write(JSON.stringify(answers));
