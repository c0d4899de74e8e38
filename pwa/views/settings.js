// #/settings : language, text size, who this phone is, what it stores, and how the line is.

import { dateTime, day, lang, size, t, useLanguage } from "../i18n/text.js";
import { state, tellAll } from "../state.js";
import { saveSetting, setting } from "../store/db.js";
import { freeReceived } from "../store/drafts.js";
import { h } from "../ui/dom.js";
import { radioField } from "../ui/fields.js";
import { backLink, button, heading, linkButton, notice, summaryList } from "../ui/parts.js";
import { toast } from "../ui/shell.js";

/** @returns {Promise<import("../page.js").Page>} */
export async function settingsPage() {
  const title = t("settings.title");
  const content = h("div", null, backLink("#/"), heading(title), languageChoice(), await textChoice(), phone(), await storage(), line(),
    h("p", { class: "actions" }, h("a", { class: "link--warning", href: "#/settings/wipe" }, t("settings.wipe"))));
  return { title, content, refreshOn: ["language", "key", "storage"] };
}

function languageChoice() {
  const choice = radioField({
    label: t("settings.language"), value: lang(), choices: [{ value: "vi", label: "Tiếng Việt" }, { value: "en", label: "English" }],
    oninput: async () => {
      await useLanguage(choice.read());
      document.documentElement.lang = lang();
      await saveSetting("language", lang());
      tellAll("language");
    },
  });
  return choice.element;
}

async function textChoice() {
  const sizes = /** @type {const} */ (["normal", "large", "largest"]);
  const choice = radioField({
    label: t("settings.text"), value: await setting("text", "normal"),
    choices: sizes.map((value) => ({ value, label: t(`settings.text.${value}`) })),
    oninput: async () => {
      document.documentElement.dataset.text = choice.read();
      await saveSetting("text", choice.read());
    },
  });
  return choice.element;
}

function phone() {
  const { identity } = state;
  const text = identity
    ? t("settings.registered", { name: identity.name, office: identity.node.name, until: identity.expires ? day(identity.expires) : "…" })
    : t("settings.not_registered");
  return [h("h2", null, t("settings.phone")), h("p", null, text), identity ? null : h("p", null, linkButton(t("home.register"), "#/register", "button--secondary"))];
}

async function storage() {
  const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
  const persisted = (await navigator.storage?.persisted?.()) ?? false;
  const keep = async () => {
    if (!(await navigator.storage?.persist?.())) toast(t("settings.persist_denied"));
    tellAll("storage");
  };
  const free = async () => toast(t("settings.freed", { size: size(await freeReceived()) }));
  return [
    h("h2", null, t("settings.storage")),
    h("p", null, usage !== undefined && quota ? t("settings.used", { used: size(usage), quota: size(quota) }) : t("settings.used_unknown")),
    notice(persisted ? "good" : "wait", h("p", null, t(persisted ? "settings.persisted" : "settings.not_persisted")), persisted ? null : h("p", null, button(t("settings.persist"), keep, "button--secondary"))),
    h("p", null, button(t("settings.free"), free, "button--secondary")),
  ];
}

function line() {
  const { node, link, offsetMs } = state;
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  return [
    h("h2", null, t("settings.report")),
    minutes >= 2 ? notice("wait", h("p", null, t("settings.clock", { minutes }))) : null,
    summaryList([
      [t("settings.office"), node ? `${node.name} (${node.unit})` : t("app.none")],
      [t("settings.line"), link.answeredMs ? dateTime(link.answeredMs) : t("settings.never")],
      [t("settings.version"), node?.version ?? "–"],
    ]),
  ];
}
