// #/drafts/<id>/consent and #/behalf/paper : the paper on which somebody agrees that this is filed for them, to print and sign.
// Its words are those of the office's own form (desk, "file"), in Vietnamese whatever the language of the screen: it goes to an
// office, and its signer reads it.

import { loadWork } from "../drafts.js";
import { t } from "../i18n/text.js";
import { notFound } from "../page.js";
import { state } from "../state.js";
import { h } from "../ui/dom.js";
import { backLink, button } from "../ui/parts.js";

const DOTS = "……………………………………………………";

/** @param {string[]} path @returns {Promise<import("../page.js").Page>} with what the draft knows filled in */
export async function consentPage([id]) {
  const work = await loadWork(id);
  if (!work?.draft.behalf) return notFound();
  const { draft, procedure } = work;
  const { id_number, address } = draft.applicant;
  return page(`#/drafts/${id}/papers/giay-ky-nop-thay`, { name: draft.behalf?.name ?? "", id_number, address, procedure: procedure.name.vi });
}

/** @returns {Promise<import("../page.js").Page>} to be filled in by hand */
export async function blankConsentPage() {
  return page("#/behalf", { name: "", id_number: "", address: "", procedure: "" });
}

/** @param {string} back @param {{name: string, id_number: string, address: string, procedure: string}} known @returns {import("../page.js").Page} */
function page(back, { name, id_number, address, procedure }) {
  const helper = state.identity?.name ?? "";
  const office = state.identity?.node.name ?? state.node?.name ?? "";
  const paper = h("article", { class: "paper", lang: "vi" },
    h("div", { class: "paper__head" }, h("p", null, office || DOTS),
      h("p", null, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", h("br"), h("strong", null, "Độc lập - Tự do - Hạnh phúc"))),
    h("h1", { tabindex: "-1" }, "GIẤY ĐỒNG Ý NHỜ NỘP HỒ SƠ ĐIỆN TỬ"),
    h("p", null, `Tôi là: ${name || DOTS}`), h("p", null, `Số định danh cá nhân: ${id_number || DOTS}`), h("p", null, `Nơi cư trú: ${address || DOTS}`),
    h("p", null, `Tôi nhờ ông/bà ${helper || DOTS} nộp giúp hồ sơ điện tử về thủ tục: ${procedure || DOTS + DOTS}`),
    h("p", null, "Tôi đã được đọc lại nội dung hồ sơ và xác nhận nội dung đó là đúng. Tôi ký tay hoặc điểm chỉ vào giấy này; tôi không dùng chữ ký điện tử."),
    h("p", { class: "right" }, "………………, ngày …… tháng …… năm ………"),
    h("div", { class: "paper__sign" },
      h("p", null, h("strong", null, "NGƯỜI LÀM CHỨNG"), h("br"), h("em", null, "(Ký và ghi rõ họ tên; bắt buộc khi điểm chỉ)")),
      h("p", null, h("strong", null, "NGƯỜI NHỜ NỘP HỒ SƠ"), h("br"), h("em", null, "(Ký hoặc điểm chỉ, ghi rõ họ tên)"))));
  const title = t("behalf.consent");
  return { title, content: h("div", null, h("div", { class: "no-print" }, backLink(back), h("p", { class: "small soft" }, t("behalf.consent_hint"))), paper, h("div", { class: "actions no-print" }, button(t("behalf.print"), () => print()))) };
}
