// The phone's side of test_crl_on_phones.py: reads cases from standard input, writes what pwa/lib says of each to standard output.
import { readFileSync } from "node:fs";
import { isCrlIssuedBy, parseCrl } from "../../pwa/lib/crl.js";
import { parseCertificate } from "../../pwa/lib/der.js";
import { Lists, judge, lookUp } from "../../pwa/lib/revocation.js";

const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));

/** Which of the lists can be read, and which of those each CA signed. */
async function counted(lists, authorities) {
  return Promise.all(lists.map(async (der) => {
    let crl;
    try {
      crl = parseCrl(der);
    } catch (cause) {
      return `refused: ${cause.constructor.name}`;
    }
    return (await Promise.all(authorities.map((one) => isCrlIssuedBy(crl, one)))).map(Number).join("");
  }));
}

const { authorities: chain, cases } = JSON.parse(readFileSync(0, "utf8"));
const authorities = chain.map((text) => parseCertificate(bytes(text)));
const answers = [];
for (const { leaf, lists: texts, claimed, proven, now } of cases) {
  const lists = texts.map(bytes);
  const times = { claimedMs: Date.parse(claimed), provenMs: proven && Date.parse(proven), nowMs: Date.parse(now) };
  const { status, reason } = judge(await lookUp(parseCertificate(bytes(leaf)), authorities, new Lists(lists)), times);
  answers.push({ lists: await counted(lists, authorities), verdict: [status, reason] });
}
process.stdout.write(JSON.stringify(answers));
