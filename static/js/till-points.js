// Points that pay: as many as the sale and the balance allow, in the steps of the programme.

import { cart } from "./till-cart.js";
import { $, money, say, words } from "./till-talk.js";

/** What the customer's points could take off this total now: {points, minor}, zeroes where nothing. */
function possible(total) {
  const { points = 0, step = 0, worth = 0 } = cart.customer ?? {};
  if (!step || !worth) return { points: 0, minor: 0 };
  const times = Math.max(0, Math.min(Math.floor(points / step), Math.floor(total / worth)));
  return { points: times * step, minor: times * worth };
}

/** What they do take off: nothing until somebody asked for it. */
export const pointsOff = (total) => (cart.redeem ? possible(total) : { points: 0, minor: 0 });

/** The button under the total says what it would do, or undo. */
export function drawPoints(total) {
  const { points, minor } = possible(total);
  const button = $("use-points");
  button.hidden = !points;
  button.disabled = Boolean(cart.pending);
  button.setAttribute("aria-pressed", String(cart.redeem));
  const values = { points: points.toLocaleString(words.locale), amount: money(minor) };
  button.querySelector(".what").textContent = say(cart.redeem ? words.keepPoints : words.usePoints, values);
}

/** What the customer's card says of points becomes part of the sale at hand. */
export const pointsOnCard = ({ points, step, worth }) => ({
  points: Number(points ?? 0), step: Number(step ?? 0), worth: Number(worth ?? 0),
});
