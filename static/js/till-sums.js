// Exact sums of a sale, in whole numbers as the server counts them (crm/sales.py). No floating point touches money.

const QUANTITY_DECIMALS = 3;
const PRICE_DECIMALS = 6;

/** "1,5" or "1.5" as a whole number of 10^-places; null where it is no plain number with so many decimals. */
export function parse(text, places) {
  const match = /^(\d{0,9})(?:[.,](\d*))?$/.exec(String(text).trim());
  if (!match || (!match[1] && !match[2]) || (match[2] || "").length > places) return null;
  return BigInt((match[1] || "0") + (match[2] || "").padEnd(places, "0"));
}

/** The whole number of 10^-places as the plain decimal that the server reads. */
export function plain(value, places) {
  const digits = value.toString().padStart(places + 1, "0");
  const decimals = digits.slice(-places).replace(/0+$/, "");
  return digits.slice(0, -places) + (decimals ? "." + decimals : "");
}

function halfUp(numerator, denominator) {
  return (numerator * 2n + denominator) / (denominator * 2n);
}

/** A discount as hundredths: an amount, or a percentage ("10%") of what the line costs; null where unreadable. */
function discountMinor(text, gross) {
  const trimmed = String(text).trim();
  if (!trimmed) return 0n;
  if (trimmed.endsWith("%")) {
    const percent = parse(trimmed.slice(0, -1), 2);
    return percent === null ? null : halfUp(gross * percent, 10000n);
  }
  return parse(trimmed, 2);
}

/** What a line of the cart comes to: {quantity, price, discount_minor, total_minor} or {wrong: field}. */
export function line({ quantity, price, discount }) {
  const count = parse(quantity, QUANTITY_DECIMALS);
  if (!count) return { wrong: "quantity" };
  if (String(price).trim() === "") return { wrong: "no-price" };
  const each = parse(price, PRICE_DECIMALS);
  if (each === null) return { wrong: "price" };
  const gross = halfUp(count * each * 100n, 10n ** BigInt(QUANTITY_DECIMALS + PRICE_DECIMALS));
  const off = discountMinor(discount, gross);
  if (off === null) return { wrong: "discount" };
  if (off > gross) return { wrong: "too-much-off" };
  return {
    quantity: plain(count, QUANTITY_DECIMALS),
    price: plain(each, PRICE_DECIMALS),
    discount_minor: Number(off),
    total_minor: Number(gross - off),
  };
}

/** A typed number without needless zeros and with a dot, a percentage with its sign; what is no number stays. */
export function tidy(text, isMoney) {
  const trimmed = text.trim();
  const percent = trimmed.endsWith("%") ? "%" : "";
  const number = percent ? trimmed.slice(0, -1) : trimmed;
  const value = parse(number, PRICE_DECIMALS);
  if (value === null) return trimmed;
  const [whole, decimals = ""] = plain(value, PRICE_DECIMALS).split(".");
  const shown = isMoney && decimals.length === 1 && !percent ? `${decimals}0` : decimals;
  return whole + (shown ? `.${shown}` : "") + percent;
}

/** Several scans of one product are one line: the quantities' sum, or null where one of them is unreadable. */
export function add(first, second) {
  const [one, other] = [parse(first, QUANTITY_DECIMALS), parse(second, QUANTITY_DECIMALS)];
  return one === null || other === null ? null : plain(one + other, QUANTITY_DECIMALS);
}

/** Hundredths as money in the page's language. */
export function moneyWriter(locale, currency) {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return (minor) => format.format(Number(minor) / 100);
}
