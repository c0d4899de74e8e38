// Failures in words a person can act on.

import { Busy, Refused, Unreachable } from "../lib/api.js";
import { DamagedFile } from "../lib/chunks.js";
import { MalformedDer } from "../lib/der.js";
import { UnfitEvent } from "../lib/event.js";
import { NoStorage, StorageFull } from "../store/db.js";
import { DraftGone } from "../store/drafts.js";
import { KeyNotKept, UnfitAnswer } from "../store/newkey.js";
import { known, size, t } from "../i18n/text.js";
import { MOST_PDF_BYTES, UnusableFile } from "./photo.js";

/**
 * Why the node said no, in words a person can act on, followed by its own.
 * @param {{error: string, reason: string}} no @returns {string}
 */
export function sayRefusal({ error, reason }) {
  // Through the replication protocol every refusal is "forbidden", and its reason begins with the word (docs/formats/).
  const [, prefix = "", rest = reason] = /^([a-z_]+): (.*)$/s.exec(reason) ?? [];
  const word = known(`refusal.${prefix || error}`, known(`refusal.${error}`, "refusal.form"));
  return rest ? `${t(word)} (${rest})` : t(word);
}

/** @param {unknown} cause @returns {string} what to show. Throws `cause` on when it is a defect of ours. */
export function sayFault(cause) {
  if (cause instanceof Unreachable) return t("error.unreachable");
  if (cause instanceof Busy) return t("error.busy");
  if (cause instanceof Refused) return t("error.refused", { reason: sayRefusal(cause) });
  if (cause instanceof StorageFull) return t("error.storage_full");
  if (cause instanceof DraftGone) return t("draft.gone");
  if (cause instanceof NoStorage) return t("error.no_storage");
  if (cause instanceof KeyNotKept) return t("error.key_not_kept");
  if (cause instanceof UnfitEvent) return t("sign.unfit", { reason: cause.message });
  if (cause instanceof UnfitAnswer) return t(`receive.${cause.fault}`);
  if (cause instanceof DamagedFile) return t("error.damaged");
  if (cause instanceof MalformedDer || cause instanceof RangeError) return t("register.bad_certificate");
  if (cause instanceof UnusableFile) {
    return t(`paper.${cause.fault}`, { name: cause.file.name, size: size(cause.file.size), most: size(MOST_PDF_BYTES) });
  }
  throw cause;
}
