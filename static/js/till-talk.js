// What every part of the till shares: its words, its messages, and how it asks the server.

import { moneyWriter } from "./till-sums.js";

export const $ = (id) => document.getElementById(id);
export const words = $("words").dataset;
export const money = moneyWriter(words.locale, words.currency);
export const scan = $("scan");
export const say = (text, values = {}) => text.replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole);

/** Tell what is wrong and what to do; `actions` are [label, function or address] pairs. */
export function alertWith(text, ...actions) {
  const box = $("message");
  box.replaceChildren(Object.assign(document.createElement("span"), { textContent: text }));
  for (const [label, action] of actions) {
    const button = document.createElement(typeof action === "string" ? "a" : "button");
    button.className = "button";
    button.textContent = label;
    if (typeof action === "string") button.href = action;
    else {
      button.type = "button";
      button.addEventListener("click", action);
    }
    box.append(button);
  }
  box.hidden = false;
}

export function quiet() {
  $("message").hidden = true;
}

export function announce(text) {
  $("status").textContent = text;
}

export const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

export async function ask(url, options = {}) {
  return fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers }, signal: AbortSignal.timeout(15000) });
}

/** A 403 whose page is that of templates/403_csrf.html: loading anew helps. Any other is a missing permission. */
export const isStale = (status, text) => status === 403 && text.includes("data-stale-page");

/** Explain an answer that is none, by its status and text. */
export function explain(status, text, otherwise, ...actions) {
  if (status === 401) alertWith(words.loggedOut, [words.logIn, words.login], ...actions);
  else if (isStale(status, text)) alertWith(words.reload, [words.load, () => location.reload()], ...actions);
  else if (status === 403) alertWith(words.refused, ...actions);
  else alertWith(otherwise, ...actions);
}
