// A phone sending photographs over a weak link, with the PWA's own outbox; see bench_phone.py.
//   node bench/phone-outbox.mjs < JOB    one line of JSON: {"seconds"}; null where time was up first
// JOB: {origin, urn, subject, x5t, key (base64 PKCS #8), photos: [bytes], how: "outbox" | "large" | "whole", limit_s}
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { NodeApi } from '../pwa/lib/api.js';
import { LARGE_CHUNK_BYTES, cutFile } from '../pwa/lib/chunks.js';
import { buildEntry } from '../pwa/lib/entry.js';
import { P256 } from '../pwa/lib/jws.js';
import { runOutbox } from '../pwa/lib/outbox.js';
import { tokenSource } from '../pwa/lib/token.js';

const TRY_AGAIN_MS = 1000;
const job = JSON.parse(await text(process.stdin));
const begun = performance.now();
const isLate = () => performance.now() - begun > job.limit_s * 1000;
const photos = job.photos.map((size) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
  return bytes;
});

/** One request for each photograph, from its beginning after each cut: what a web form does. */
async function sendWhole() {
  for (const body of photos) {
    for (let isThere = false; !isThere && !isLate(); ) {
      const signal = AbortSignal.timeout(Math.ceil(Math.max(1, job.limit_s * 1000 - (performance.now() - begun))));
      isThere = await fetch(job.origin, { method: 'POST', body, signal }).then((answer) => answer.ok, () => false);
      if (!isThere) await wait(TRY_AGAIN_MS);
    }
  }
}

async function sendByOutbox(step) {
  const key = await crypto.subtle.importKey('pkcs8', Buffer.from(job.key, 'base64'), P256, false, ['sign']);
  const token = tokenSource({ key, x5t: job.x5t, subject: job.subject }, job.urn, () => Math.floor(Date.now() / 1000));
  const cuts = await Promise.all(photos.map((bytes) => cutFile(bytes, step)));
  const held = new Map(cuts.flatMap(({ chunks }) => chunks.map(({ id, bytes }) => [id, bytes])));
  const files = cuts.map(({ manifest, manifestId: id }) => ({
    manifest, ref: { sha256: manifest.sha256, manifest: id, size: manifest.size, type: 'image/jpeg', name: 'a.jpg', part: 'a' },
  }));
  let entry = buildEntry({ _id: 'entry' }, files, Date.now());
  const arrived = new Error('every file is there');
  const parts = {
    entries: async () => [structuredClone(entry)],
    save: async (changed) => { entry = structuredClone(changed); },
    chunk: async (id) => held.get(id) ?? null,
    api: new NodeApi(job.origin, { token }),
    mine: { add: async () => { throw arrived; } }, // the first step after the files
    now: () => Date.now(),
  };
  while (!isLate()) {
    const outcome = await runOutbox(parts).catch((cause) => cause);
    if (outcome === arrived) return;
    if (outcome !== 'offline' && outcome !== 'busy') throw new Error(`the outbox ended: ${outcome}`, { cause: outcome });
    await wait(TRY_AGAIN_MS);
  }
}

if (job.how === 'whole') await sendWhole();
else await sendByOutbox(job.how === 'large' ? LARGE_CHUNK_BYTES : undefined);
console.log(JSON.stringify({ seconds: isLate() ? null : (performance.now() - begun) / 1000 }));
process.exit(0); // connections that a cut left open would keep it
