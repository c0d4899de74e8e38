// A PouchDB of npm that does what it is told: one JSON command a line on standard input, one JSON answer a line.
//
//   {"op": "put", "docs": […], "new_edits": false}     → []                       failures, as bulkDocs lists them
//   {"op": "push" | "pull", "url": …}                  → {"docs_read": …, …}      when a one-shot replication is done;
//                                                        "asked": ids in _revs_diff, "since": of each _changes
//   {"op": "live", "url": …}                           → {"live": true}           both ways, trying again for ever
//   {"op": "seen"}                                     → {"changes": n}           documents live replication has moved
//   {"op": "stop"}                                     → {"stopped": true}
//   {"op": "dump"}                                     → {"id": {"winner": rev, "leaves": {rev: {…}}}}

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import PouchDB from "pouchdb";

// A peer that is gone leaves a rejected promise behind in PouchDB; a page logs that, Node would end.
process.on("unhandledRejection", (error) => process.stderr.write(`${error.message}\n`));

const db = new PouchDB(process.argv[2], { revs_limit: 1000 });
let sync = null;
let moved = 0;

function describeFiles(attachments = {}) {
  return Object.fromEntries(Object.entries(attachments).map(([name, file]) => {
    const sha256 = createHash("sha256").update(Buffer.from(file.data, "base64")).digest("hex");
    return [name, { content_type: file.content_type, sha256 }];
  }));
}

function describeLeaf(doc) {
  const { _id, _rev, _revisions, _attachments, _deleted, ...body } = doc;
  return { path: _revisions.ids, deleted: Boolean(_deleted), body, files: describeFiles(_attachments) };
}

async function dump() {
  const { results } = await db.changes({ style: "all_docs" });
  // Its feed lists leaves in an order of its own; which one wins it tells by key, tombstones too.
  const winners = await db.allDocs({ keys: results.map(({ id }) => id) });
  const rows = await Promise.all(results.map(async ({ id, changes }, place) => {
    const revs = changes.map((change) => change.rev);
    const found = await db.get(id, { open_revs: revs, revs: true, attachments: true });
    const leaves = found.map(({ ok }) => [ok._rev, describeLeaf(ok)]);
    return [id, { winner: winners.rows[place].value.rev, leaves: Object.fromEntries(leaves) }];
  }));
  return Object.fromEntries(rows);
}

async function replicate(direction, url) {
  const seen = { asked: 0, since: [] };
  const watched = new PouchDB(url, {
    fetch(address, options) {
      const { pathname, searchParams } = new URL(address);
      if (pathname.endsWith("/_changes")) seen.since.push(searchParams.get("since") ?? "0");
      if (pathname.endsWith("/_revs_diff")) seen.asked += Object.keys(JSON.parse(options.body)).length;
      return PouchDB.fetch(address, options);
    },
  });
  const { docs_read, docs_written, doc_write_failures } = await db.replicate[direction](watched);
  return { docs_read, docs_written, doc_write_failures, ...seen };
}

const operations = {
  put: ({ docs, new_edits }) => db.bulkDocs(docs, { new_edits }),
  push: ({ url }) => replicate("to", url),
  pull: ({ url }) => replicate("from", url),
  live: ({ url }) => {
    sync = db.sync(url, { live: true, retry: true, back_off_function: () => 200 });
    sync.on("change", ({ change }) => { moved += change.docs.length; });
    sync.catch((error) => process.stderr.write(`${error.stack ?? error}\n`));
    return { live: true };
  },
  seen: () => ({ changes: moved }),
  stop: async () => {
    const ended = new Promise((resolve) => { sync.on("complete", resolve); });
    sync.cancel();
    await ended;
    return { stopped: true };
  },
  dump,
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await operations[command.op](command) };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await db.close();
process.exit(0);
