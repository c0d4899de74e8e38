// Parts of the application that are loaded when they are needed.

import { Unreachable } from "./api.js";

/** @template T @param {Promise<T>} coming an `import()` @returns {Promise<T>} Throws `Unreachable` where it did not come; a part that is faulty throws its own error. */
export async function arrived(coming) {
  try {
    return await coming;
  } catch (cause) {
    if (cause instanceof TypeError) throw new Unreachable("a part of the application did not come", { cause });
    throw cause;
  }
}
