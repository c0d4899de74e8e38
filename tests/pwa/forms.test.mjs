// Answers before they are signed, and finding a procedure.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { loadTexts } from "../../pwa/i18n/text.js";
import { inForce, isIndispensable, isShown, optionsOf, searchProcedures } from "../../pwa/lib/procedures.js";
import { Doubts } from "../../pwa/ui/doubts.js";
import { cleanPhone, cleanValue, faultOf, isDay, isDoubt, joinDate, splitDate } from "../../pwa/lib/validate.js";
import { ROOT, absent, readJson } from "./support/vectors.mjs";

const DATA = `${ROOT}server/data/procedures/`;
const catalogue = absent(DATA) ? [] : readdirSync(DATA).filter((name) => name.endsWith(".json")).map((name) => readJson(DATA + name));
const field = (type, required = true) => ({ id: "a", page: "p", label: { vi: "A", en: "A" }, type, required });

for (const [type, value, fault] of [
  ["text", "", "required"], ["text", "Lò Thị Mẩy", null], ["text", "x".repeat(4001), "too_long"],
  ["date", "1990-02-28", null], ["date", "1990-02-30", "date_impossible"], ["date", "0000-00-3x", "date"], ["date", "90-1-1", "date"],
  ["id_number", "040190001234", null], ["id_number", "186123456", null], ["id_number", "04019000123", "id_number"],
  ["phone", "0912345678", null], ["phone", "02383123456", null], ["phone", "912345678", "phone"], ["phone", "0212", "phone"],
  ["select", "a", null], ["select", "z", "option"],
]) test(`a ${type} of ${JSON.stringify(value.slice(0, 20))} ${fault ? `is faulted: ${fault}` : "is taken"}`, () => {
  assert.equal(faultOf(field(type), value, [{ value: "a" }]), fault);
});

test("an unusual number is doubted once for each value, and then kept as people gave it", async () => {
  await loadTexts();
  const doubts = new Doubts();
  assert.deepEqual(["id_number", "phone", "required", "date"].map(isDoubt), [true, true, false, false]);
  assert.ok(doubts.about("a", "123", "Lạ").startsWith("Lạ. "));
  assert.equal(doubts.about("a", "123", "Lạ"), "");
  assert.ok(doubts.about("a", "124", "Lạ"));
  assert.ok(doubts.about("b", "123", "Lạ"));
});

test("what need not be answered may stay blank", () => assert.equal(faultOf(field("phone", false), ""), null));

test("phone numbers are kept as digits with 0, however they were typed", () => {
  assert.equal(cleanPhone(" +84 912.345.678 "), "0912345678");
  assert.equal(cleanPhone("0084912345678"), "0912345678");
  assert.equal(cleanValue(field("id_number"), "040 190 001-234"), "040190001234");
});

test("a day goes into three boxes and comes back", () => {
  assert.equal(joinDate({ day: "3", month: "11", year: "1990" }), "1990-11-03");
  assert.deepEqual(splitDate("1990-11-03"), { day: "3", month: "11", year: "1990" });
  assert.equal(joinDate({ day: "", month: " ", year: "" }), "");
  for (const half of [{ day: "3", month: "", year: "1990" }, { day: "x", month: "1", year: "1990" }, { day: "31", month: "2", year: "2000" }]) {
    assert.equal(isDay(joinDate(half)), false);
  }
});

test("leap days exist in leap years only", () => assert.deepEqual(["2000-02-29", "1900-02-29", "2024-02-29"].map(isDay), [true, false, true]));

test("a field waits for the answer that calls for it", () => {
  const father = { ...field("text"), when: { field: "declared", is: ["yes"] } };
  assert.deepEqual([{}, { declared: "no" }, { declared: "yes" }].map((form) => isShown(father, form)), [false, false, true]);
});

test("of several versions of a procedure the one in force is shown", () => {
  const version = (from, until) => ({ code: "1.000001", level: "TOAN_TRINH", field: { id: "a" }, effective_from: from, ...(until && { effective_until: until }) });
  const all = [version("2025-01-01", "2025-12-31"), version("2026-01-01"), version("2027-01-01")];
  assert.deepEqual(inForce(all, "2026-11-21").map((one) => one.effective_from), ["2026-01-01"]);
  assert.deepEqual(inForce(all, "2024-01-01"), []);
});

test("search finds procedures without diacritics, the closest name first", { skip: absent(DATA) }, () => {
  const found = searchProcedures(catalogue, "dang ky KHAI sinh", "");
  assert.equal(found[0].code, "1.001193");
  assert.ok(found.length > 1);
  assert.equal(searchProcedures(catalogue, "Đăng ký khai sinh", "")[0].code, "1.001193");
  assert.equal(searchProcedures(catalogue, "1.001193", "")[0].code, "1.001193");
  assert.deepEqual(searchProcedures(catalogue, "khongcothutucnay", ""), []);
  assert.ok(searchProcedures(catalogue, "", "ho_tich").every((one) => one.field.id === "ho_tich"));
});

test("nobody is kept from signing for want of a paper that the form replaces or that has a substitute", { skip: absent(DATA) }, () => {
  const birth = catalogue.find((one) => one.code === "1.001193");
  assert.deepEqual(birth.components.filter(isIndispensable), []);
  const parentage = catalogue.find((one) => one.code === "1.000689");
  assert.deepEqual(parentage.components.filter(isIndispensable).map((one) => one.id), ["giay-chung-sinh", "chung-cu-quan-he"]);
});

test("every form of the catalogue can be shown: each field's type is one the phone draws, each select has options or a list", { skip: absent(DATA) }, () => {
  const types = new Set(["text", "date", "select", "id_number", "phone", "textarea"]);
  for (const one of catalogue) {
    for (const each of one.form.fields) {
      assert.ok(types.has(each.type), `${one.code} ${each.id}`);
      if (each.type === "select") assert.ok(each.options_list || optionsOf(one, each).length, `${one.code} ${each.id}`);
    }
  }
});
