// The sale being rung up: it lives in this tab's session storage, so that a reload or a lost network loses nothing.

const PLACE = "regulars-till";

/** A key of this browser's making: the server records one sale for it, however often it is sent. */
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Only pages on https or localhost have randomUUID; a till in the shop's own network may have neither.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function fresh() {
  // `pending` is the very text that was sent and not yet answered; until it is, nothing else may change.
  return { key: newKey(), customer: null, lines: [], redeem: false, pending: null };
}

export const cart = Object.assign(fresh(), load());

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE)) || {};
  } catch {
    return {};
  }
}

export function save() {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(cart));
  } catch {
    // Without storage the till works on; only a reload would start anew.
  }
}

export function startOver() {
  Object.assign(cart, fresh());
  save();
}

export function forget() {
  try {
    sessionStorage.removeItem(PLACE);
  } catch {
    // Nothing was kept.
  }
}
