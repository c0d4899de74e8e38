// PouchDB pushing over a weak link, beside ours in the same run.
//   node bench/pouchdb-replicate.mjs DOCS.json TARGET FOLDER SECONDS    pushes until the time is up, whatever happens
import { readFile } from 'node:fs/promises';
import PouchDB from 'pouchdb';

const [path, target, folder, seconds] = process.argv.slice(2);
const db = new PouchDB(`${folder}/db`);
const docs = JSON.parse(await readFile(path, 'utf8'));
for (let at = 0; at < docs.length; at += 500) {
  await db.bulkDocs(docs.slice(at, at + 500), { new_edits: false });
}
console.log('ready');
const job = db.replicate.to(target, { live: true, retry: true });
job.on('error', (error) => console.error(String(error)));
setTimeout(() => process.exit(0), Number(seconds) * 1000);
