// Several requests under way at once: more where the round trip is waited for, fewer where the wire is.

// 3: a second and third request hide the round trip (600 ms on a satellite line); more only share the same wire, and are
// lost together with it. Where a chunk is through in no time the wire is not what is waited for, and more may go: 5, for a
// browser has six connections to a server, and the page wants one.
export const IN_FLIGHT = 3;
export const MOST_IN_FLIGHT = 5;
const QUICK_MS = 1500;
const SLOW_MS = 3000;

/**
 * Run `work` over `items`, `IN_FLIGHT` at a time, up to `MOST_IN_FLIGHT` while each is done quickly. The first failure stops new work,
 * waits for what is under way (its acknowledgements count) and is thrown.
 * @template T @param {T[]} items @param {() => number} now milliseconds @param {(item: T) => Promise<void>} work
 */
export async function inFlight(items, now, work) {
  const queue = [...items];
  /** @type {unknown[]} */
  const failures = [];
  let workers = 0;
  /** @returns {Promise<unknown>} */
  const worker = async () => {
    workers++;
    const more = [];
    for (let item = queue.shift(); item !== undefined && !failures.length; item = queue.shift()) {
      const begun = now();
      await work(item).catch((cause) => failures.push(cause));
      const took = now() - begun;
      if (took < QUICK_MS && workers < MOST_IN_FLIGHT) more.push(worker());
      if (took > SLOW_MS && workers > IN_FLIGHT) break;
    }
    workers--;
    return Promise.all(more);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  if (failures.length) throw failures[0];
}
