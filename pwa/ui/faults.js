// Failures in words a person can act on.

import { Busy, Refused, Unreachable } from "../lib/api.js";
import { MalformedDer } from "../lib/der.js";
import { UnfitEvent } from "../lib/event.js";
import { NoStorage, StorageFull } from "../store/db.js";
import { KeyNotKept } from "../store/keys.js";
import { size, t } from "../i18n/text.js";
import { MOST_PDF_BYTES, UnusableFile } from "./photo.js";

/** @param {unknown} cause @returns {string} what to show. Throws `cause` on when it is a defect of ours. */
export function sayFault(cause) {
  if (cause instanceof Unreachable) return t("error.unreachable");
  if (cause instanceof Busy) return t("error.busy");
  if (cause instanceof Refused) return t("error.refused", { reason: cause.reason || cause.error });
  if (cause instanceof StorageFull) return t("error.storage_full");
  if (cause instanceof NoStorage) return t("error.no_storage");
  if (cause instanceof KeyNotKept) return t("error.key_not_kept");
  if (cause instanceof UnfitEvent) return t("sign.unfit", { reason: cause.message });
  if (cause instanceof MalformedDer || cause instanceof RangeError) return t("register.bad_certificate");
  if (cause instanceof UnusableFile) {
    return t(`paper.${cause.fault}`, { name: cause.file.name, size: size(cause.file.size), most: size(MOST_PDF_BYTES) });
  }
  throw cause;
}
