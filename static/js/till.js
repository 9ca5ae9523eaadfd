// The till: scan, choose, pay, all by keyboard. The server decides; this page keeps the cart and never loses it.

import { asides, setAside, takeOut } from "./till-aside.js";
import { cart, forget, save, startOver } from "./till-cart.js";
import { combobox } from "./till-choose.js";
import { add, line as sumOf, moneyWriter, tidy } from "./till-sums.js";

const $ = (id) => document.getElementById(id);
const words = $("words").dataset;
const money = moneyWriter(words.locale, words.currency);
const scan = $("scan");
const body = $("lines").tBodies[0];
const decimalMark = (1.5).toLocaleString(words.locale).charAt(1);
const say = (text, values = {}) => text.replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole);

/* ---- Messages ------------------------------------------------------------------------------------------------- */

/** Tell what is wrong and what to do; `actions` are [label, function or address] pairs. */
function alertWith(text, ...actions) {
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

function quiet() {
  $("message").hidden = true;
}

function announce(text) {
  $("status").textContent = text;
}

/* ---- The cart on screen --------------------------------------------------------------------------------------- */

function rowOf(item) {
  const row = $("line").content.firstElementChild.cloneNode(true);
  row.querySelector(".name").textContent = item.name;
  row.querySelector(".sku").textContent = item.sku;
  for (const input of row.querySelectorAll("input")) {
    input.value = written(item[input.dataset.field]);
    input.setAttribute("aria-label", say(words[`field${capital(input.dataset.field)}`], item));
  }
  row.querySelector("[data-action=remove-line]").setAttribute("aria-label", say(words.remove, item));
  return row;
}

/** A number of the cart as people of this language write it. */
const written = (value) => value.replace(".", decimalMark);
const capital = (name) => name[0].toUpperCase() + name.slice(1);

/** Draw the lines anew; called when one comes or goes. Typing in a line calls only `drawSums`, so that focus stays. */
function draw() {
  body.replaceChildren(...cart.lines.map(rowOf));
  $("lines").hidden = !cart.lines.length;
  $("empty").hidden = Boolean(cart.lines.length) || !$("done").hidden;
  drawSums();
}

function drawSums() {
  let total = 0;
  let off = 0;
  cart.lines.forEach((item, index) => {
    const sum = sumOf(item);
    const row = body.rows[index];
    row.querySelector(".line-total").textContent = sum.wrong ? "–" : money(sum.total_minor);
    for (const input of row.querySelectorAll("input")) {
      const wrong = { "no-price": "price", "too-much-off": "discount" }[sum.wrong] ?? sum.wrong;
      input.toggleAttribute("aria-invalid", wrong === input.dataset.field);
      if (wrong === input.dataset.field) input.setAttribute("aria-invalid", "true");
    }
    total += sum.total_minor || 0;
    off += sum.discount_minor || 0;
  });
  $("total").textContent = money(total);
  const count = cart.lines.length;
  const parts = count ? [count === 1 ? words.linesOne : say(words.linesMany, { n: count })] : [];
  if (off) parts.push(say(words.saved, { amount: money(off) }));
  $("summary").textContent = parts.join(" · ");
  const busy = Boolean(cart.pending);
  for (const button of document.querySelectorAll("[data-pay]")) button.disabled = !count || busy;
  $("cart").disabled = busy;
  $("start-over").hidden = busy || !(count || cart.customer);
  $("start-over").textContent = words.drop;
  document.body.classList.toggle("busy", busy);
  return total;
}

function changed() {
  save();
  draw();
}

/** The panel of the last sale leaves with the first step of the next. */
function nextSale() {
  if (!$("done").hidden) {
    $("done").hidden = true;
    $("done").replaceChildren();
  }
  quiet();
}

function addProduct(product, quantity = "1") {
  nextSale();
  const same = cart.lines.find((item) => item.product === product.id && item.price === product.price && !item.discount);
  const together = same && add(same.quantity, quantity);
  if (together) same.quantity = together;
  else cart.lines.push({ product: product.id, sku: product.sku, name: product.name, price: product.price, quantity, discount: "" });
  changed();
  announce(say(words.added, { name: product.name, total: $("total").textContent }));
  const index = together ? cart.lines.indexOf(same) : cart.lines.length - 1;
  body.rows[index].classList.add("fresh");
  body.rows[index].scrollIntoView({ block: "nearest" });
  if (product.price === "") focusLine(index, "price");
  else scan.focus();
}

function removeLine(index) {
  const [gone] = cart.lines.splice(index, 1);
  changed();
  announce(say(words.removed, gone));
  if (cart.lines.length) focusLine(Math.min(index, cart.lines.length - 1), "quantity");
  else scan.focus();
}

function focusLine(index, field) {
  const input = body.rows[index]?.querySelector(`[data-field=${field}]`) ?? scan;
  input.focus();
  input.select();
}

/* ---- Asking the server ---------------------------------------------------------------------------------------- */

const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

async function ask(url, options = {}) {
  return fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers }, signal: AbortSignal.timeout(15000) });
}

/** A 403 whose page is that of templates/403_csrf.html: loading anew helps. Any other is a missing permission. */
const isStale = (status, text) => status === 403 && text.includes("data-stale-page");

/** Explain an answer that is none, by its status and text. */
function explain(status, text, otherwise, ...actions) {
  if (status === 401) alertWith(words.loggedOut, [words.logIn, words.login], ...actions);
  else if (isStale(status, text)) alertWith(words.reload, [words.load, () => location.reload()], ...actions);
  else if (status === 403) alertWith(words.refused, ...actions);
  else alertWith(otherwise, ...actions);
}

/* ---- Scanning ------------------------------------------------------------------------------------------------- */

// A scanner may read the next code before the server answered for the last: one after the other, in their order.
let scans = Promise.resolve();
let waiting = 0;

function scanned(text) {
  const several = /^(\d+(?:[.,]\d{1,3})?)\s*[*×]\s*(.+)$/.exec(text);
  const [quantity, code] = several ? [several[1].replace(",", "."), several[2]] : ["1", text];
  waiting += 1;
  scans = scans.then(() => take(code, quantity)).finally(() => { waiting -= 1; });
}

async function take(code, quantity) {
  let found;
  try {
    const answer = await ask(`${words.scanUrl}?q=${encodeURIComponent(code)}`);
    if (!answer.ok) {
      giveBack(code);
      return explain(answer.status, await answer.text(), words.offlineLookUp);
    }
    found = await answer.json();
  } catch {
    giveBack(code);
    return alertWith(words.offlineLookUp);
  }
  if (found.product) return addProduct(found.product, quantity);
  if (found.customer) return chooseCustomer(found.customer);
  giveBack(code);
  if (found.many) {
    htmx.trigger(scan, "input");
    return announce(words.choose);
  }
  return alertWith(say(words.unknown, { text: code }));
}

/** What could not be taken stands in the field again, selected, so that it can be mended or scanned over. */
function giveBack(code) {
  if (scan.value || document.activeElement !== scan) return;
  scan.value = code;
  scan.select();
}

/* ---- The customer --------------------------------------------------------------------------------------------- */

async function chooseCustomer(pk) {
  nextSale();
  const answer = await ask(`${$("customer-card").dataset.url}${pk}/`).catch(() => null);
  if (!answer?.ok) return explain(answer?.status, (await answer?.text()) ?? "", words.offlineLookUp);
  $("customer-card").innerHTML = await answer.text();
  customerChosen();
  return undefined;
}

function customerChosen() {
  const card = $("customer-card").querySelector("[data-customer]");
  nextSale();
  cart.customer = { id: Number(card.dataset.customer), name: card.dataset.name };
  changed();
  showCustomer();
  announce(card.dataset.name);
  scan.focus();
}

/** Either the card of the chosen one, or the field to look for one, or the form for a new one. */
function showCustomer(searching = !cart.customer) {
  $("customer-form").hidden = !searching;
  $("customer-card").hidden = searching || !cart.customer;
  $("customer-new").hidden = true;
  $("customer-new").replaceChildren();
  $("customer-search").value = "";
  people.close();
  drawSums();
}

function dropCustomer() {
  cart.customer = null;
  $("customer-card").replaceChildren();
  changed();
  showCustomer();
}

/* ---- Paying --------------------------------------------------------------------------------------------------- */

async function pay(payment) {
  if (cart.pending) return undefined;
  if (waiting) await scans;
  if (!cart.lines.length) return alertWith(words.nothing);
  const sums = cart.lines.map(sumOf);
  const wrong = sums.findIndex((sum) => sum.wrong);
  if (wrong >= 0) return pointAt(wrong, sums[wrong].wrong);
  quiet();
  cart.pending = JSON.stringify({
    key: cart.key,
    store: Number(document.body.dataset.store),
    customer: cart.customer && cart.customer.id,
    payment,
    total_minor: sums.reduce((total, sum) => total + sum.total_minor, 0),
    lines: sums.map(({ quantity, price, discount_minor }, index) => ({
      product: cart.lines[index].product, quantity, price, discount_minor,
    })),
  });
  save();
  drawSums();
  announce(words.sending);
  return send();
}

function pointAt(index, wrong) {
  const { name } = cart.lines[index];
  const field = { "no-price": "price", "too-much-off": "discount" }[wrong] ?? wrong;
  const texts = { "no-price": words.noPrice, "too-much-off": words.tooMuchOff };
  alertWith(say(texts[wrong] ?? words.unreadable, { name, field: body.rows[index].querySelector(`[data-field=${field}]`).value }));
  focusLine(index, field);
}

let again = null;
let tries = 0;

const TRIES_BEFORE_ASIDE = 3;
const LATER = new Set([408, 425, 429]);

const post = (text) => ask(words.saleUrl, {
  method: "POST",
  body: text,
  headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
});

/** Send what is pending until there is an answer: the key in it makes any number of sendings one sale. */
async function send() {
  clearTimeout(again);
  const { key, pending } = cart;
  const answer = await post(pending).catch(() => null);
  const text = await answer?.text().catch(() => null);
  if (cart.pending !== pending) {
    // It was set aside, or answered, while this was under way.
    if (answer?.ok) takeOut(key);
    return drawAsides();
  }
  if (text == null) return sendLater();
  if (answer.ok) return done(text);
  if (answer.status === 401 || isStale(answer.status, text)) return explain(answer.status, text, "", [words.setAside, putAside]);
  return isRefusal(answer.status) ? refused(refusal(answer.status, text)) : sendLater();
}

/** Whether sending the same again would be answered the same. */
const isRefusal = (status) => status >= 400 && status < 500 && !LATER.has(status);

function refusal(status, text) {
  try {
    const { message, clash } = JSON.parse(text);
    if (message) return { message, clash };
  } catch {
    // A page instead of our own words.
  }
  return { message: status === 403 ? words.refused : say(words.notTaken, { status }) };
}

function sendLater() {
  tries += 1;
  const aside = tries < TRIES_BEFORE_ASIDE ? [] : [[words.setAside, putAside]];
  alertWith(words.offline, [words.again, send], ...aside);
  again = setTimeout(send, Math.min(2000 * 2 ** (tries - 1), 30000));
}

function refused({ message, clash }) {
  cart.pending = null;
  tries = 0;
  save();
  drawSums();
  if (clash) alertWith(message, [words.newSale, dropSale]);
  else alertWith(message);
}

/* ---- Sales set aside ------------------------------------------------------------------------------------------ */

function putAside() {
  if (!cart.pending || !setAside(cart)) return;
  clearTimeout(again);
  tries = 0;
  dropSale();
  drawAsides();
}

function drawAsides() {
  const count = asides().length;
  $("aside").hidden = !count;
  $("aside-count").textContent = count === 1 ? words.asideOne : say(words.asideMany, { n: count });
}

/** Send each once more; one that is refused may be opened and mended. `quietly` says nothing of those that stay. */
async function sendAsides(quietly = false) {
  $("aside-send").disabled = true;
  for (const one of asides()) {
    const answer = await post(one.pending).catch(() => null);
    const text = (await answer?.text().catch(() => "")) ?? "";
    if (answer?.ok) takeOut(one.key);
    else if (!quietly) explainAside(one, answer?.status, text);
  }
  $("aside-send").disabled = false;
  drawAsides();
  if (!asides().length) announce(words.asideSent);
}

function explainAside(one, status, text) {
  if (status === 401 || isStale(status, text)) return explain(status, text);
  if (!isRefusal(status)) return alertWith(words.asideStays);
  return alertWith(refusal(status, text).message, [words.openAside, () => openAside(one)]);
}

/** Take one up again as the sale at hand, to be mended or dropped. The sale at hand has to be finished first. */
function openAside({ key, customer, lines }) {
  if (cart.lines.length || cart.pending) return alertWith(words.asideFinish);
  dropSale();
  Object.assign(cart, { key, customer, lines, pending: null });
  save();
  takeOut(key);
  drawAsides();
  draw();
  return customer ? chooseCustomer(customer.id) : undefined;
}

function done(html) {
  tries = 0;
  startOver();
  $("customer-card").replaceChildren();
  quiet();
  $("done").innerHTML = html;
  $("done").hidden = false;
  htmx.process($("done"));
  draw();
  showCustomer();
  announce(words.done);
  scan.value = "";
  scan.focus();
  window.scrollTo({ top: 0 });
}

function dropSale() {
  startOver();
  quiet();
  $("customer-card").replaceChildren();
  draw();
  showCustomer();
  scan.focus();
}

function emailReceipt() {
  const box = $("done");
  const send = box.querySelector("#email-send");
  if (box.hidden) return;
  if (send) send.click();
  else box.querySelector("#email-address")?.focus();
}

/* ---- Keys, clicks, typing ------------------------------------------------------------------------------------- */

const products = combobox(scan, $("product-list"), {
  choose: ({ dataset }) => {
    scan.value = "";
    products.close();
    addProduct({ id: Number(dataset.product), sku: dataset.sku, name: dataset.name, price: dataset.price });
  },
});

const people = combobox($("customer-search"), $("customer-list"), {
  choose: (option) => {
    if (!("new" in option.dataset)) return void chooseCustomer(option.dataset.person);
    htmx.trigger("#customer-new", "open");
    return people.close();
  },
});

$("scan-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = scan.value.trim();
  if (products.chosen()) return products.take();
  if (!text) return undefined;
  if (cart.pending) return alertWith(words.wait);
  htmx.trigger(scan, "htmx:abort");
  products.close();
  scan.value = "";
  quiet();
  return scanned(text);
});

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

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const keys = {
    F2: () => { if (!cart.pending) { showCustomer(true); $("customer-search").focus(); } },
    F4: emailReceipt,
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

scan.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && !products.isOpen() && cart.lines.length) {
    event.preventDefault();
    focusLine(cart.lines.length - 1, "quantity");
  }
});

body.addEventListener("keydown", (event) => {
  const row = event.target.closest("tr");
  const index = row.sectionRowIndex;
  const field = event.target.dataset.field;
  const moves = {
    ArrowUp: () => focusLine(Math.max(index - 1, 0), field),
    ArrowDown: () => (index + 1 < cart.lines.length ? focusLine(index + 1, field) : scan.focus()),
    Enter: () => scan.focus(),
  };
  if (event.key === "Delete" && event.shiftKey) {
    event.preventDefault();
    removeLine(index);
  } else if (field && moves[event.key]) {
    event.preventDefault();
    moves[event.key]();
  }
});

body.addEventListener("input", (event) => {
  const item = cart.lines[event.target.closest("tr").sectionRowIndex];
  item[event.target.dataset.field] = event.target.value;
  quiet();
  save();
  drawSums();
});

body.addEventListener("change", (event) => {
  const item = cart.lines[event.target.closest("tr").sectionRowIndex];
  const { field } = event.target.dataset;
  item[field] = tidy(item[field], field !== "quantity");
  event.target.value = written(item[field]);
  save();
});

body.addEventListener("focusin", (event) => event.target.select?.());

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.pay) pay(button.dataset.pay);
  const actions = {
    "remove-line": () => removeLine(button.closest("tr").sectionRowIndex),
    "remove-customer": () => { dropCustomer(); $("customer-search").focus(); },
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
