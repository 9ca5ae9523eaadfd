// Sales that the server would not answer, set aside so that the next customer can be served. They stay in this browser,
// also after it is closed, each under its own key: sent again, however often, each is one sale.

const PLACE = "regulars-till-aside";

export function asides() {
  try {
    return JSON.parse(localStorage.getItem(PLACE)) || [];
  } catch {
    return [];
  }
}

/** Keep a cart with its pending text, without the customer's name; false where the browser keeps nothing. */
export function setAside({ key, customer, lines, pending }) {
  return write([...withoutKey(key), { key, customer: customer && { id: customer.id }, lines, pending }]);
}

export function takeOut(key) {
  return write(withoutKey(key));
}

const withoutKey = (key) => asides().filter((one) => one.key !== key);

function write(list) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(list));
    return true;
  } catch {
    return false;
  }
}
