/** The page in Chinese or English. */

import en from "./en.js";
import zh from "./zh.js";

const TEXTS = { en, zh };
const ATTRIBUTES = { label: "aria-label", title: "title", placeholder: "placeholder" };

let locale = "en";

/** The language that fits the browser best, "zh" or "en". */
export function preferredLocale() {
  return navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag))?.slice(0, 2).toLowerCase() ?? "en";
}

export function currentLocale() {
  return locale;
}

/** A text of the page, with `{name}` replaced by parameters. */
export function t(key, parameters = {}) {
  return TEXTS[locale][key].replace(/\{(\w+)\}/g, (_, name) => parameters[name]);
}

/** Say everything that is in the page in a language, "zh" or "en". */
export function useLocale(wanted) {
  locale = wanted in TEXTS ? wanted : "en";
  document.documentElement.lang = locale === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    for (const element of document.querySelectorAll(`[data-${name}]`)) {
      element.setAttribute(attribute, t(element.dataset[name]));
    }
  }
}

/** What a language is called, by its code. */
export function languageName(code) {
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code);
  } catch {
    return code;
  }
}
