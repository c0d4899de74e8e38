// Where test vectors lie: ours beside the tests, those of others in ../shared, which may be absent.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const OURS = `${ROOT}tests/vectors/`;
export const THEIRS = `${ROOT}../shared/vectors/`;

/** @param {string} path @returns {false | string} the reason to skip, for node:test's `skip` */
export const absent = (path) => (existsSync(path) ? false : `${path.replace(ROOT, "")} is not here`);

/** @param {string} path */
export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
