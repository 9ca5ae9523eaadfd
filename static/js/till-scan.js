// The scanning field: codes of products and cards, and names typed.

import { cart } from "./till-cart.js";
import { combobox } from "./till-choose.js";
import { chooseCustomer } from "./till-customer.js";
import { addProduct, focusLine } from "./till-lines.js";
import { $, alertWith, announce, ask, explain, quiet, say, scan, words } from "./till-talk.js";

export const products = combobox(scan, $("product-list"), {
  choose: ({ dataset }) => {
    scan.value = "";
    products.close();
    addProduct({ id: Number(dataset.product), sku: dataset.sku, name: dataset.name, price: dataset.price });
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

// A scanner may read the next code before the server answered for the last: one after the other, in their order.
let scans = Promise.resolve();
let waiting = 0;

/** Settles when everything scanned so far is in the cart; nothing where nothing is under way. */
export const scansUnderWay = () => (waiting ? scans : null);

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
  if (found.customer) {
    await chooseCustomer(found.customer);
    return found.hint && alertWith(found.hint);
  }
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

scan.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && !products.isOpen() && cart.lines.length) {
    event.preventDefault();
    focusLine(cart.lines.length - 1, "quantity");
  }
});
