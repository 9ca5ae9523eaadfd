// The lines of the sale at hand on screen: drawn, added up, typed in.

import { cart, save } from "./till-cart.js";
import { drawPoints, pointsOff } from "./till-points.js";
import { add, line as sumOf, tidy } from "./till-sums.js";
import { $, alertWith, announce, money, quiet, say, scan, words } from "./till-talk.js";

const body = $("lines").tBodies[0];
const decimalMark = (1.5).toLocaleString(words.locale).charAt(1);

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
export function draw() {
  body.replaceChildren(...cart.lines.map(rowOf));
  $("lines").hidden = !cart.lines.length;
  $("empty").hidden = Boolean(cart.lines.length) || !$("done").hidden;
  drawSums();
}

export function drawSums() {
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
  const used = pointsOff(total);
  drawPoints(total);
  $("total").textContent = money(total - used.minor);
  const count = cart.lines.length;
  const parts = count ? [count === 1 ? words.linesOne : say(words.linesMany, { n: count })] : [];
  if (off) parts.push(say(words.saved, { amount: money(off) }));
  if (used.points) parts.push(say(words.pointsUsed, { points: used.points.toLocaleString(words.locale), amount: money(used.minor) }));
  $("summary").textContent = parts.join(" · ");
  const busy = Boolean(cart.pending);
  for (const button of document.querySelectorAll("[data-pay]")) button.disabled = !count || busy;
  $("cart").disabled = busy;
  $("start-over").hidden = busy || !(count || cart.customer);
  $("start-over").textContent = words.drop;
  document.body.classList.toggle("busy", busy);
  return total - used.minor;
}

export function changed() {
  save();
  draw();
}

/** The panel of the last sale leaves with the first step of the next. */
export function nextSale() {
  if (!$("done").hidden) {
    $("done").hidden = true;
    $("done").replaceChildren();
  }
  quiet();
}

export function addProduct(product, quantity = "1") {
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

export function removeLine(index) {
  const [gone] = cart.lines.splice(index, 1);
  changed();
  announce(say(words.removed, gone));
  if (cart.lines.length) focusLine(Math.min(index, cart.lines.length - 1), "quantity");
  else scan.focus();
}

export function focusLine(index, field) {
  const input = body.rows[index]?.querySelector(`[data-field=${field}]`) ?? scan;
  input.focus();
  input.select();
}

/** Say what is wrong with a line and put the cursor there. */
export function pointAt(index, wrong) {
  const { name } = cart.lines[index];
  const field = { "no-price": "price", "too-much-off": "discount" }[wrong] ?? wrong;
  const texts = { "no-price": words.noPrice, "too-much-off": words.tooMuchOff };
  alertWith(say(texts[wrong] ?? words.unreadable, { name, field: body.rows[index].querySelector(`[data-field=${field}]`).value }));
  focusLine(index, field);
}

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
