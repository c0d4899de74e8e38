// One piece of benchmark work on PouchDB's LevelDB adapter, so that it stands beside the servers in the same run.
//   node bench/pouchdb-leveldb.mjs WORK N SIZE FOLDER    prints {"rate": things per second}
import PouchDB from 'pouchdb';
import { randomBytes } from 'node:crypto';

const [work, nText, sizeText, folder] = process.argv.slice(2);
const n = Number(nText);
const size = Number(sizeText);
const db = new PouchDB(`${folder}/db`);

/** @param {number} count @param {number} bytes */
function makeDocs(count, bytes) {
  return Array.from({ length: count }, () => {
    const hash = randomBytes(16).toString('hex');
    return {
      _id: `0193-${hash}`, _rev: `1-${hash}`, _revisions: { start: 1, ids: [hash] },
      event: { body: randomBytes(Math.ceil(bytes / 2)).toString('hex') },
    };
  });
}

/** @param {() => Promise<number>} once @param {number} seconds */
async function rate(once, seconds) {
  const rates = [];
  for (let round = 0; round < 3; round += 1) {
    const began = performance.now();
    let done = 0;
    while (performance.now() - began < (seconds * 1000) / 3) done += await once();
    rates.push((done * 1000) / (performance.now() - began));
  }
  return rates.sort((a, b) => a - b)[1];
}

const works = {
  bulk_docs: () => rate(async () => {
    await db.bulkDocs(makeDocs(n, size), { new_edits: false });
    return n;
  }, 2),
  put: () => rate(async () => {
    await db.bulkDocs(makeDocs(1, size), { new_edits: false });
    return 1;
  }, 2),
  changes: async () => {
    for (let made = 0; made < n; made += 1000) await db.bulkDocs(makeDocs(1000, size), { new_edits: false });
    const began = performance.now();
    const page = await db.changes({ style: 'all_docs' });
    return (page.results.length * 1000) / (performance.now() - began);
  },
};

console.log(JSON.stringify({ rate: await works[work]() }));
await db.close();
