// Paying: the sale is sent until there is an answer, or set aside, sent later, dropped.

import { asides, setAside, takeOut } from "./till-aside.js";
import { cart, save, startOver } from "./till-cart.js";
import { chooseCustomer, refreshCustomer, showCustomer } from "./till-customer.js";
import { changed, draw, drawSums, pointAt } from "./till-lines.js";
import { pointsOff } from "./till-points.js";
import { scansUnderWay } from "./till-scan.js";
import { line as sumOf } from "./till-sums.js";
import { $, alertWith, announce, ask, csrf, explain, isStale, money, quiet, say, scan, words } from "./till-talk.js";

export async function pay(payment) {
  if (cart.pending) return undefined;
  const under = scansUnderWay();
  if (under) await under;
  if (!cart.lines.length) return alertWith(words.nothing);
  const sums = cart.lines.map(sumOf);
  const wrong = sums.findIndex((sum) => sum.wrong);
  if (wrong >= 0) return pointAt(wrong, sums[wrong].wrong);
  quiet();
  const total = sums.reduce((so, sum) => so + sum.total_minor, 0);
  const used = pointsOff(total);
  cart.pending = JSON.stringify({
    key: cart.key,
    store: Number(document.body.dataset.store),
    customer: cart.customer && cart.customer.id,
    payment,
    total_minor: total - used.minor,
    ...(used.points ? { redeem_points: used.points } : {}),
    lines: sums.map(({ quantity, price, discount_minor }, index) => ({
      product: cart.lines[index].product, quantity, price, discount_minor,
    })),
  });
  save();
  drawSums();
  announce(words.sending);
  return send();
}

/** Use the customer's points for this sale, or keep them after all. */
export async function usePoints() {
  if (cart.pending) return undefined;
  const under = scansUnderWay();
  if (under) await under;
  if ($("use-points").hidden) return alertWith(words.noPoints);
  cart.redeem = !cart.redeem;
  quiet();
  changed();
  return announce(`${words.toPay} ${$("total").textContent}`);
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
export async function send() {
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
  if (cart.redeem) refreshCustomer();
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

export function dropSale() {
  startOver();
  quiet();
  $("customer-card").replaceChildren();
  draw();
  showCustomer();
  scan.focus();
}

export function emailReceipt() {
  const box = $("done");
  const send = box.querySelector("#email-send");
  if (box.hidden) return;
  if (send) send.click();
  else box.querySelector("#email-address")?.focus();
}

/* ---- Sales set aside ------------------------------------------------------------------------------------------ */

/** Make room for the next customer; where the browser keeps nothing, the sale can only be sent again or dropped. */
function putAside() {
  if (!cart.pending) return undefined;
  if (!setAside(cart)) {
    const { pending } = cart;
    clearTimeout(again);
    const drop = () => { if (cart.pending === pending) leave(); };
    return alertWith(words.asideCant, [words.again, send], [words.dropAside, () => askDrop(pending, drop, send)]);
  }
  leave();
  return drawAsides();
}

/** The sale at hand goes from the screen, whatever becomes of what was sent. */
function leave() {
  clearTimeout(again);
  tries = 0;
  dropSale();
}

export function drawAsides() {
  const all = asides();
  $("aside").hidden = !all.length;
  $("aside-count").textContent = all.length === 1 ? words.asideOne : say(words.asideMany, { n: all.length });
  $("aside-list").replaceChildren(...all.map(asideRow));
}

function asideRow(one) {
  const row = $("aside-row").content.firstElementChild.cloneNode(true);
  const button = row.querySelector("button");
  row.querySelector(".what").textContent = described(one);
  button.setAttribute("aria-label", `${button.textContent}: ${described(one)}`);
  button.addEventListener("click", () => askDrop(one.pending, () => forgetAside(one.key)));
  return row;
}

/** What tells one sale from another: its sum and its first products. */
function described({ lines, pending }) {
  const names = lines.slice(0, 2).map(({ name }) => name);
  if (lines.length > names.length) names.push(say(words.asideMore, { n: lines.length - names.length }));
  return `${money(JSON.parse(pending).total_minor)} · ${names.join(", ")}`;
}

/** Ask before a sale is dropped. The harmless answer has the focus: a scanner ends with Enter. */
function askDrop(pending, drop, keep = () => { quiet(); scan.focus(); }) {
  alertWith(
    say(words.dropAsideSure, { total: money(JSON.parse(pending).total_minor) }),
    [words.keep, keep],
    [words.dropForGood, drop],
  );
  $("message").querySelector("button").focus();
}

function forgetAside(key) {
  takeOut(key);
  drawAsides();
  quiet();
  announce(words.asideDropped);
  scan.focus();
}

/** Send each once more; one that is refused may be opened and mended. `quietly` says nothing of those that stay. */
export async function sendAsides(quietly = false) {
  // While one is on its way nobody can be told that it will not be recorded.
  for (const button of $("aside").querySelectorAll("button")) button.disabled = true;
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
