// The till: scan, choose, pay, all by keyboard. The server decides; this page keeps the cart and never loses it.
// Here are the page's keys and buttons; each part of the screen has a file of its own.

import { asides } from "./till-aside.js";
import { cart, forget } from "./till-cart.js";
import { chooseCustomer, customerChosen, dropCustomer, showCustomer } from "./till-customer.js";
import { draw, removeLine } from "./till-lines.js";
import { drawAsides, dropSale, emailReceipt, pay, send, sendAsides, usePoints } from "./till-pay.js";
import { products } from "./till-scan.js";
import { $, alertWith, explain, quiet, scan, words } from "./till-talk.js";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const keys = {
    F2: () => { if (!cart.pending) { showCustomer(true); $("customer-search").focus(); } },
    F4: emailReceipt,
    F6: usePoints,
    F8: () => pay("card"),
    F9: () => pay("cash"),
    Escape: escape,
  };
  if (!keys[event.key] || event.repeat) return;
  event.preventDefault();
  keys[event.key]();
});

function escape() {
  quiet();
  products.close();
  if (document.activeElement === scan) scan.value = "";
  showCustomer();
  scan.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.pay) pay(button.dataset.pay);
  const actions = {
    "remove-line": () => removeLine(button.closest("tr").sectionRowIndex),
    "remove-customer": () => { dropCustomer(); $("customer-search").focus(); },
    "use-points": usePoints,
    "close-new": () => { showCustomer(); scan.focus(); },
  };
  actions[button.dataset.action]?.();
});

$("start-over").addEventListener("click", (event) => {
  if (event.target.textContent === words.dropSure) dropSale();
  else event.target.textContent = words.dropSure;
});
$("start-over").addEventListener("blur", (event) => { event.target.textContent = words.drop; });

document.querySelector("[data-forget]").addEventListener("submit", forget);

// Enter may come before htmx has taken hold of a form that it brought; it must not leave the page.
document.addEventListener("submit", (event) => { if (event.target.hasAttribute("hx-post")) event.preventDefault(); }, true);

// A form or a customer that htmx brought.
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "customer-new") {
    const made = event.target.querySelector("[data-customer]");
    if (made) {
      $("customer-card").replaceChildren(made);
      customerChosen();
      return;
    }
    event.target.hidden = false;
    $("customer-form").hidden = true;
    const fields = [...event.target.querySelectorAll("input[type=text]")];
    (fields.find((field) => field.hasAttribute("aria-invalid")) ?? fields.find((field) => !field.value) ?? fields[0]).focus();
  }
  if (event.target.id === "email-box") {
    const next = event.target.querySelector("[aria-invalid], .several button");
    if (next) next.focus();
    else scan.focus();
  }
});
document.body.addEventListener("htmx:responseError", (event) => explain(event.detail.xhr.status, event.detail.xhr.responseText, words.offlineLookUp));
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.body.addEventListener(name, () => alertWith(words.offlineLookUp));
}
window.addEventListener("online", () => { if (cart.pending) send(); });

$("aside-send").addEventListener("click", () => sendAsides());

/* ---- Start, or go on after a reload --------------------------------------------------------------------------- */

draw();
showCustomer();
if (cart.customer) chooseCustomer(cart.customer.id);
if (cart.pending) send();
drawAsides();
if (asides().length) sendAsides(true);
scan.focus();
document.body.dataset.ready = "";
