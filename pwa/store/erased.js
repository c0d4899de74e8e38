// Dropping from this phone what was erased at the office, and the list of what was.
//
//     1  a fresh PouchDB database with everything else
//     2  one transaction: the fresh one is ours, outbox, photographs, drafts and story go, the line in the list comes
//     3  chunks nobody needs, then the old database
//
// Cut short before 2 it begins again; after 2 the old database stands in "mine-left" until it is gone.

import { done, saveSetting, setting, transact } from "./db.js";
import { sweepChunks } from "./drafts.js";
import { copyMine, destroyDatabase } from "./mine.js";

/** @typedef {import("../lib/erasure.js").Erased} Erased */

/** @returns {Promise<Erased[]>} newest first */
export const listErased = () => setting("erased", []);

/** @param {Erased[]} notes what to drop, by their streams */
export async function forgetDossiers(notes) {
  const streams = new Set(notes.map(({ stream }) => stream));
  const { old, fresh } = await copyMine(streams);
  await transact(["settings", "outbox", "files", "drafts"], "readwrite", async ({ settings, outbox, files, drafts }) => {
    const valueOf = async (/** @type {string} */ name, /** @type {any} */ otherwise) => (await done(settings.get(name)))?.value ?? otherwise;
    const stories = await valueOf("stories", {});
    for (const stream of streams) delete stories[stream];
    const kept = /** @type {Erased[]} */ (await valueOf("erased", [])).filter(({ stream }) => !streams.has(stream));
    for (const [name, value] of Object.entries({ stories, erased: [...notes, ...kept], mine: fresh, "mine-left": old })) await done(settings.put({ name, value }));
    for (const entry of await done(outbox.getAll())) if (streams.has(entry.doc.event.stream)) await done(outbox.delete(entry.id));
    for (const file of await done(files.getAll())) if (streams.has(file.stream)) await done(files.delete(file.id));
    for (const draft of await done(drafts.getAll())) if (streams.has(draft.stream)) await done(drafts.delete(draft.id));
  });
  await finishForgetting();
}

/** What a run that was cut short has left over. */
export async function finishForgetting() {
  const left = await setting("mine-left", "");
  if (!left) return;
  await sweepChunks();
  await destroyDatabase(left);
  await saveSetting("mine-left", "");
}
