/* Moving conditions and groups: by dragging the handle, by its arrow keys, or by the buttons that it opens. */
import { element } from "./combobox.js";
import { find, move, moves, parents } from "./builder-tree.js";

const KEYS = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "into", ArrowLeft: "out" };
const ICONS = { up: "arrow_upward", down: "arrow_downward", into: "move_item", out: "outbox_alt" };

/* Gives rows their handles; `moved(node)` draws the tree anew and puts the focus on the node's handle. */
export class Moves {
  constructor({ root, body, words, moved }) {
    Object.assign(this, { root, body, words, moved, dragged: null, opened: null });
    this.said = element("p", { class: "rg-hidden", "aria-live": "assertive" });
    body.addEventListener("dragover", (event) => this.over(event));
    body.addEventListener("dragleave", (event) => !body.contains(event.relatedTarget) && this.unmark());
    body.addEventListener("drop", (event) => this.drop(event));
    body.addEventListener("dragend", () => {
      this.dragged = null;
      this.unmark();
    });
  }

  handle(node) {
    const grip = element("button", {
      type: "button", class: "rb-button rb-handle", draggable: "true", title: this.words.move, "aria-label": this.words.move,
      "aria-expanded": String(this.opened === node.id), "aria-keyshortcuts": Object.keys(KEYS).join(" "),
    }, element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, "drag_indicator"));
    grip.addEventListener("click", () => {
      this.opened = this.opened === node.id ? null : node.id;
      this.moved(node, false);
    });
    grip.addEventListener("keydown", (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      this.go(node, KEYS[event.key]);
    });
    grip.addEventListener("dragstart", (event) => {
      this.dragged = node;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", node.id);
      const box = grip.closest("[data-node]");
      event.dataTransfer.setDragImage(box, 16, 16);
      window.setTimeout(() => box.classList.add("rb-dragged"));
    });
    return grip;
  }

  /* The buttons, where the handle has been pressed. */
  buttons(node) {
    if (this.opened !== node.id) return [];
    const possible = moves(this.root(), node);
    const bar = element("div", { class: "rb-moves", role: "toolbar", "aria-label": this.words.move });
    for (const name of Object.keys(ICONS)) {
      const made = element("button", { type: "button", class: "rb-button", "data-move": name, disabled: !possible[name] },
        element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, ICONS[name]), this.words[`move_${name}`]);
      made.addEventListener("click", () => this.go(node, name, `[data-move="${name}"]`));
      bar.append(made);
    }
    return [bar];
  }

  go(node, direction, focus) {
    const step = moves(this.root(), node)[direction];
    if (!step) {
      this.said.textContent = this.words.cannot_move;
      return;
    }
    step();
    this.tell(node, focus);
  }

  tell(node, focus) {
    this.moved(node, true, focus);
    const [group] = parents(this.root(), node);
    this.said.textContent = this.words.moved.replace("%(place)s", String(group.nodes.indexOf(node) + 1))
      .replace("%(all)s", String(group.nodes.length)).replace("%(group)s", this.words[group.mode]);
  }

  /* -- by dragging ------------------------------------------------------------------------------------------------ */

  target(event) {
    const box = event.target.closest("[data-node]");
    if (!this.dragged || !box) return null;
    const node = find(this.root(), box.dataset.node);
    if (node === this.dragged || parents(this.root(), node).includes(this.dragged)) return null;
    if (node.nodes) return { box, side: "inside", group: node, place: node.nodes.length };
    const [group] = parents(this.root(), node);
    const { top, height } = box.getBoundingClientRect();
    const after = event.clientY > top + height / 2;
    return { box, side: after ? "after" : "before", group, place: group.nodes.indexOf(node) + (after ? 1 : 0) };
  }

  over(event) {
    const target = this.target(event);
    this.unmark();
    if (!target) return;
    event.preventDefault();
    target.box.dataset.drop = target.side;
  }

  drop(event) {
    const target = this.target(event);
    this.unmark();
    if (!target) return;
    event.preventDefault();
    const node = this.dragged;
    this.dragged = null;
    move(this.root(), node, target.group, target.place);
    this.tell(node);
  }

  unmark() {
    for (const box of this.body.querySelectorAll("[data-drop]")) delete box.dataset.drop;
  }
}
