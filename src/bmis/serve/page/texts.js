// All words of the page, from one file for each language.

const LANGUAGES = ["en", "de", "zh"];
let words = {};

export function firstLanguage() {
  const wanted = [localStorage.getItem("bmis-language"), ...navigator.languages];
  const short = wanted.filter(Boolean).map((name) => name.slice(0, 2));
  return short.find((name) => LANGUAGES.includes(name)) ?? "en";
}

export async function setLanguage(name) {
  const answer = await fetch(new URL(`texts/${name}.json`, import.meta.url));
  words = await answer.json();
  localStorage.setItem("bmis-language", name);
  document.documentElement.lang = name;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = say(node.dataset.label);
  }
}

export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// Millimetres as the service reads them, or null: in the language's own writing, or as 0.1,0.2.
export function readSpacing(text) {
  const parts = new Intl.NumberFormat(document.documentElement.lang).formatToParts(0.1);
  const comma = parts.some((part) => part.value === ",") && !text.includes(".");
  const sides = text.split(comma ? /[;\s]+/ : /[,;，；\s]+/).filter(Boolean).map((side) => (comma ? side.replace(",", ".") : side));
  const good = sides.length <= 2 && sides.every((side) => /^[\d.]+(e[-+]?\d+)?$/i.test(side) && Number(side) > 0);
  return good ? sides.join(",") : null;
}

export function number(value, digits = 3) {
  const language = document.documentElement.lang;
  const form = Number.isInteger(value) ? {} : { maximumSignificantDigits: digits };
  return new Intl.NumberFormat(language, form).format(value);
}
