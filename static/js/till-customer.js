// Who the sale is for: looked up, chosen, added, or nobody.

import { cart } from "./till-cart.js";
import { combobox } from "./till-choose.js";
import { changed, drawSums, nextSale } from "./till-lines.js";
import { pointsOnCard } from "./till-points.js";
import { $, announce, ask, explain, scan, words } from "./till-talk.js";

const people = combobox($("customer-search"), $("customer-list"), {
  choose: (option) => {
    if (!("new" in option.dataset)) return void chooseCustomer(option.dataset.person);
    htmx.trigger("#customer-new", "open");
    return people.close();
  },
});

export async function chooseCustomer(pk) {
  nextSale();
  const answer = await ask(`${$("customer-card").dataset.url}${pk}/`).catch(() => null);
  if (!answer?.ok) return explain(answer?.status, (await answer?.text()) ?? "", words.offlineLookUp);
  $("customer-card").innerHTML = await answer.text();
  customerChosen();
  return undefined;
}

export function customerChosen() {
  const card = $("customer-card").querySelector("[data-customer]");
  nextSale();
  const id = Number(card.dataset.customer);
  if (cart.customer?.id !== id) cart.redeem = false;
  cart.customer = { id, name: card.dataset.name, ...pointsOnCard(card.dataset) };
  changed();
  showCustomer();
  announce(card.dataset.name);
  scan.focus();
}

/** What the card says may have changed since: points are used at another till, say. */
export async function refreshCustomer() {
  const { id } = cart.customer ?? {};
  const answer = id && (await ask(`${$("customer-card").dataset.url}${id}/`).catch(() => null));
  if (!answer?.ok || cart.customer?.id !== id) return;
  $("customer-card").innerHTML = await answer.text();
  Object.assign(cart.customer, pointsOnCard($("customer-card").querySelector("[data-customer]").dataset));
  changed();
}

/** Either the card of the chosen one, or the field to look for one, or the form for a new one. */
export function showCustomer(searching = !cart.customer) {
  $("customer-form").hidden = !searching;
  $("customer-card").hidden = searching || !cart.customer;
  $("customer-new").hidden = true;
  $("customer-new").replaceChildren();
  $("customer-search").value = "";
  people.close();
  drawSums();
}

export function dropCustomer() {
  cart.customer = null;
  cart.redeem = false;
  $("customer-card").replaceChildren();
  changed();
  showCustomer();
}

$("customer-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (people.chosen()) return people.take();
  const take = () => {
    const exact = $("customer-list").querySelector("[data-exact]");
    if (exact) chooseCustomer(exact.dataset.person);
    else people.first();
  };
  const shown = $("customer-list").querySelector("[data-query]")?.dataset.query.trim();
  if (shown === $("customer-search").value.trim()) return take();
  // A scanner ends with Enter before the list is there: ask at once.
  $("customer-list").addEventListener("htmx:afterSwap", take, { once: true });
  return htmx.trigger($("customer-search"), "look-up");
});
