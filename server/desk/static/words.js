// What the desk's modules say, in the language of the page, and why something did not work in words an official can act on.

import { Busy, Refused, Unreachable } from "/lib/api.js";
import { NoStorage, StorageFull } from "/store/db.js";
import { KeyNotKept } from "/store/newkey.js";

/** @typedef {{vi: string, en: string}} Both */

/** @param {Both} text @returns {string} */
export const pick = ({ vi, en }) => (document.documentElement.lang === "en" ? en : vi);

/** @type {Record<string, Both>} */
const WORDS = {
  unreachable: {
    vi: "Không liên lạc được với máy chủ của đơn vị. Kiểm tra mạng rồi thử lại.",
    en: "The office's server does not answer. Check the network, then try again.",
  },
  unknown: {
    vi: "Mất liên lạc khi đang gửi nên chưa biết việc vừa ký đã được ghi hay chưa. Khi có mạng, tải lại trang để xem rồi hãy làm tiếp.",
    en: "The line broke while this was sent, so it is not known whether what you signed was recorded. Reload the page once the network is back, and look before you go on.",
  },
  insecure: {
    vi: "Kết nối chưa an toàn: chữ ký chỉ dùng được khi địa chỉ trang bắt đầu bằng https://. Hỏi người quản trị địa chỉ đúng.",
    en: "This connection is not safe: signatures work only where the address begins with https://. Ask the administrator for the right one.",
  },
  storage: {
    vi: "Trình duyệt này không giữ được khóa ký, thường vì đang ở chế độ ẩn danh hoặc máy đã đầy. Mở trang trong cửa sổ thường hoặc trên máy khác.",
    en: "This browser cannot keep a signing key, mostly because of a private window or a full disk. Use a normal window or another computer.",
  },
};

// For reasons that the node gives in English only; what they say stands behind, unless it is said here already.
/** @type {Record<string, string>} */
const REFUSALS = {
  bad_activation: "Mã kích hoạt sai, đã dùng hoặc hết hạn. Xin người quản trị mã mới.",
  bad_time: "Ngày giờ không hợp lệ. Kiểm tra ngày giờ đã ghi và đồng hồ của máy này.",
  conflict: "Việc này không còn làm được như vậy. Tải lại trang để xem hồ sơ hiện nay.",
  forbidden: "Anh/chị không có quyền làm việc này.",
  no_ca_key: "Khóa cấp chứng thư của đơn vị đang khóa hoặc cất nơi khác. Nhờ người quản trị mở khóa trên máy chủ rồi thử lại.",
  not_found: "Máy chủ của đơn vị không có nội dung này. Tải lại trang rồi thử lại.",
  not_ready: "Máy chủ của đơn vị chưa làm được việc này. Thử lại sau ít phút; nếu vẫn vậy, báo người quản trị.",
  revoked: "Chứng thư của khóa trên máy này đã bị thu hồi. Xin người quản trị mã kích hoạt mới.",
  too_large: "Nội dung hoặc tệp quá lớn.",
  too_many: "Đã thử quá nhiều lần. Hãy thử lại sau.",
  unauthorized: "Máy chủ không nhận ra khóa trên máy này. Kiểm tra ngày giờ của máy rồi đăng nhập lại; nếu vẫn vậy, xin người quản trị mã kích hoạt mới.",
};
const WHOLE = new Set(["bad_activation", "no_ca_key", "revoked", "too_many"]);
const OTHER = "Có nội dung chưa đúng quy định. Xem lại những gì đã ghi.";

/** @param {string} word @param {string} reason of the node: "vi / en", or in English alone @returns {string} */
function sayRefusal(word, reason) {
  const [vi, en] = reason.split(/ \/ (.*)/s);
  if (en) return pick({ vi, en });
  const said = REFUSALS[word] ?? OTHER;
  return pick({ vi: reason && !WHOLE.has(word) ? `${said} (${reason})` : said, en: reason || said });
}

/** @param {unknown} cause @param {{sent?: boolean}} [at] whether something signed was on its way @returns {string} what to show */
export function sayFault(cause, { sent = false } = {}) {
  if (!globalThis.isSecureContext) return pick(WORDS.insecure); // on plain http the browser has no keys at all (Web Crypto)
  if (cause instanceof Unreachable) return pick(sent ? WORDS.unknown : WORDS.unreachable);
  if (cause instanceof Refused) return sayRefusal(cause.error, cause.reason);
  if (cause instanceof Busy) return sayRefusal(cause.status === 429 ? "too_many" : "not_ready", cause.reason);
  if (cause instanceof KeyNotKept || cause instanceof NoStorage || cause instanceof StorageFull) return pick(WORDS.storage);
  return cause instanceof Error ? cause.message : String(cause);
}
