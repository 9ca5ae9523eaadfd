/* The rule builder: rows of attribute, comparison and value, in groups, over a hidden text of JSON.
 *
 * The text is what the form sends, so the server checks it as it checks any other rule; nothing is decided here. What can be
 * asked comes from the catalogue in the page, values and numbers from the server.
 */
import { combobox, element } from "./combobox.js";

const LISTS = ["in", "not in", "has any", "has all"];
const BARE = ["known", "unknown"];
const PAUSE = 180; // ms without a change before the number is asked for

class Builder {
  constructor(root) {
    this.root = root;
    this.text = root.querySelector("textarea");
    const [catalogue, starters] = [...root.querySelectorAll("script[type='application/json']")].map((one) => JSON.parse(one.textContent));
    this.catalogue = catalogue;
    this.words = catalogue.words;
    this.starters = starters;
    this.attributes = new Map(catalogue.groups.flatMap((group) => group.attributes).map((one) => [one.name, one]));
    this.tree = read(this.text.value);
    this.asked = 0;
    this.timer = 0;
    this.rows = new Map(); // path -> element
    this.body = element("div", { class: "rb-body" });
    this.result = element("div", { class: "rb-result", "aria-live": "polite" });
    root.append(...(starters.length && !this.tree.nodes.length ? [this.offerStarters()] : []), this.body, this.result);
    this.draw();
  }

  /* -- drawing ---------------------------------------------------------------------------------------------------- */

  draw(focus) {
    this.body.replaceChildren(this.group(this.tree, null));
    this.changed();
    if (focus) this.body.querySelector(`[data-node="${focus.id}"] select, [data-node="${focus.id}"] input`)?.focus();
  }

  offerStarters() {
    const box = element("div", { class: "rb-starters", role: "group", "aria-label": this.words.for_example });
    for (const one of this.starters) {
      const card = element("button", { type: "button", class: "rb-starter" },
        element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, one.icon),
        element("strong", {}, one.name), element("span", {}, one.text));
      card.addEventListener("click", () => {
        this.tree = read(JSON.stringify({ v: 1, rule: one.rule }));
        const name = document.querySelector("#segment_form input[name='name']"); // a persona has a name of its own
        if (name && (!name.value || this.starters.some((other) => other.name === name.value))) name.value = one.name;
        this.draw();
      });
      box.append(card);
    }
    return box;
  }

  group(node, parent) {
    const mode = select(["and", "or", "none"].map((value) => ({ value, label: this.words[value] })), node.mode, this.words.customers_with);
    mode.addEventListener("change", () => {
      node.mode = mode.value;
      box.dataset.mode = node.mode;
      this.changed();
    });
    const box = element("fieldset", { class: "rb-group", "data-node": node.id, "data-mode": node.mode });
    const head = element("div", { class: "rb-group-head" });
    head.append(...(parent ? [] : [element("span", {}, this.words.customers_with)]), mode);
    if (parent) head.append(this.removeButton(node, parent, this.words.remove_group));
    head.append(element("span", { class: "rb-away" }));
    const rows = element("div", { class: "rb-rows" });
    for (const child of node.nodes) rows.append(child.nodes ? this.group(child, node) : this.condition(child, node));
    const add = button(this.words.add_condition, "add", () => this.add(node, condition()));
    const addGroup = button(this.words.add_group, "add_box", () => this.add(node, { id: next(), mode: node.mode === "and" ? "or" : "and", nodes: [condition()] }));
    box.append(head, element("p", { class: "rb-problem", hidden: true }), rows, element("div", { class: "rb-adds" }, add, addGroup));
    return box;
  }

  add(group, node) {
    group.nodes.push(node);
    this.draw(node.nodes ? node.nodes[0] : node);
  }

  removeButton(node, parent, label) {
    const remove = button(label, "close", () => {
      const place = parent.nodes.indexOf(node);
      parent.nodes.splice(place, 1);
      const near = parent.nodes[Math.min(place, parent.nodes.length - 1)];
      this.draw(near || parent);
    });
    remove.classList.add("rb-remove");
    return remove;
  }

  condition(node, parent) {
    const known = this.attributes.get(node.attribute);
    const row = element("div", { class: "rb-row", "data-node": node.id, role: "group", "aria-describedby": `rb-problem-${node.id}` });
    const what = element("select", { class: "rb-input rb-what", "aria-label": this.words.what });
    what.append(element("option", { value: "" }, this.words.choose));
    if (node.attribute && !known) what.append(element("option", { value: node.attribute }, node.attribute));
    for (const group of this.catalogue.groups) {
      what.append(element("optgroup", { label: group.label }, ...group.attributes.map((one) => element("option", { value: one.name }, one.label))));
    }
    what.value = node.attribute;
    what.addEventListener("change", () => {
      const chosen = this.attributes.get(what.value);
      Object.assign(node, { attribute: what.value, operator: chosen ? chosen.operators[0] : "", value: chosen?.type === "flag" ? true : undefined, filters: {} });
      ask(chosen);
      this.changed();
    });
    // Only what follows is drawn anew: whoever chooses by typing keeps the focus and what has been typed.
    const rest = element("span", { class: "rb-part" });
    const ask = (chosen) => {
      what.title = chosen?.help ?? "";
      rest.replaceChildren(...(chosen ? [...this.filters(node, chosen), ...this.comparison(node, chosen)] : []));
    };
    ask(known);
    const line = element("div", { class: "rb-line" }, what, rest);
    line.append(element("span", { class: "rb-away" }), this.removeButton(node, parent, this.words.remove));
    row.append(line, element("p", { class: "rb-problem", id: `rb-problem-${node.id}`, hidden: true }));
    return row;
  }

  comparison(node, known) {
    if (known.type === "flag") {
      const yes = select([{ value: "yes", label: this.words.yes }, { value: "no", label: this.words.no }], node.value === false ? "no" : "yes", this.words.value);
      yes.addEventListener("change", () => this.set(node, yes.value === "yes"));
      node.value = node.value !== false;
      return [yes];
    }
    const phrases = this.catalogue.operators[known.type];
    const how = select(known.operators.map((value) => ({ value, label: phrases[value] })), node.operator, this.words.how);
    how.addEventListener("change", () => {
      const before = [node.value ?? []].flat();
      node.operator = how.value;
      node.value = BARE.includes(how.value) ? undefined : LISTS.includes(how.value) ? before : how.value === "between" ? [before[0] ?? "", before[1] ?? ""] : before[0];
      operand.replaceChildren(...this.value(node, known));
      this.changed();
    });
    const operand = element("span", { class: "rb-part" }, ...this.value(node, known));
    return [how, operand];
  }

  value(node, known) {
    if (BARE.includes(node.operator)) return [];
    if (node.operator === "between") {
      node.value = Array.isArray(node.value) ? node.value : ["", ""];
      const ends = [0, 1].map((end) => this.field(known, node.value[end], (value) => {
        node.value[end] = value;
        this.changed();
      }));
      return [ends[0], element("span", {}, this.words.to), ends[1], ...unit(known, this.words)];
    }
    if (known.type === "choice" && !LISTS.includes(node.operator)) {
      const one = select([{ value: "", label: "…" }, ...known.values], node.value ?? "", this.words.value);
      one.addEventListener("change", () => this.set(node, one.value));
      return [one];
    }
    if (known.type === "choice") return [this.ticks(node, known)];
    if (known.type === "text" || known.type === "words" || LISTS.includes(node.operator)) {
      const many = LISTS.includes(node.operator);
      const numbers = known.type === "number";
      return [combobox({
        label: this.words.value, values: [node.value ?? []].flat().map(String), multiple: many, free: true, words: this.words,
        find: (text) => this.fetchValues({ attribute: known.name, text }),
        changed: (values) => this.set(node, many ? (numbers ? values.map(number) : values) : values[0] ?? ""),
      })];
    }
    return [this.field(known, node.value, (value) => this.set(node, value)), ...unit(known, this.words)];
  }

  ticks(node, known) {
    const box = element("span", { class: "rb-ticks", role: "group", "aria-label": this.words.value });
    for (const one of known.values) {
      const tick = element("input", { type: "checkbox", checked: [node.value ?? []].flat().includes(one.value) });
      tick.addEventListener("change", () => {
        const others = [node.value ?? []].flat().filter((value) => value !== one.value);
        this.set(node, tick.checked ? [...others, one.value] : others);
      });
      box.append(element("label", {}, tick, one.label));
    }
    return box;
  }

  field(known, value, changed) {
    const date = known.type === "date";
    const field = element("input", {
      class: "rb-input rb-number", "aria-label": this.words.value, type: date ? "date" : "number", value: value ?? "",
      step: date ? undefined : known.whole ? "1" : known.type === "money" ? "0.01" : "any",
      min: date ? undefined : known.minimum, max: date ? undefined : known.maximum, inputmode: date ? undefined : known.whole ? "numeric" : "decimal",
    });
    field.addEventListener("input", () => changed(date ? field.value : number(field.value)));
    return field;
  }

  /* -- what narrows a measure ------------------------------------------------------------------------------------- */

  filters(node, known) {
    const shown = known.filters.filter((name) => name in node.filters).map((name) => this.filter(node, name));
    const taken = "last" in node.filters ? ["since", "until"] : "since" in node.filters || "until" in node.filters ? ["last"] : [];
    const free = known.filters.filter((name) => !(name in node.filters) && !taken.includes(name));
    if (!free.length) return shown;
    const more = select([{ value: "", label: `+ ${this.words.narrow}` }, ...free.map((value) => ({ value, label: this.catalogue.filters[value] }))], "", this.words.narrow);
    more.classList.add("rb-more");
    more.addEventListener("change", () => {
      if (!more.value) return;
      const name = more.value;
      node.filters[name] = { last: "90 days", channel: "till" }[name] ?? "";
      this.draw();
      this.body.querySelector(`[data-node="${node.id}"] [data-filter="${name}"] input, [data-node="${node.id}"] [data-filter="${name}"] select`)?.focus();
    });
    return [...shown, more];
  }

  filter(node, name) {
    const label = this.catalogue.filters[name];
    const box = element("span", { class: "rb-filter", "data-filter": name }, element("span", {}, label));
    const set = (value) => {
      node.filters[name] = value;
      this.changed();
    };
    if (name === "last") box.append(...this.span(node.filters.last, set));
    else if (name === "since" || name === "until") {
      const day = element("input", { type: "date", class: "rb-input", "aria-label": label, value: node.filters[name] });
      day.addEventListener("input", () => set(day.value));
      box.append(day);
    } else if (name === "channel") {
      const one = select(this.catalogue.channels, node.filters.channel, label);
      one.addEventListener("change", () => set(one.value));
      box.append(one);
    } else {
      box.append(combobox({
        label, values: node.filters[name] ? [node.filters[name]] : [], multiple: false, free: false, words: this.words,
        find: (text) => this.fetchValues({ filter: name, text }), changed: (values) => set(values[0] ?? ""),
      }));
    }
    const remove = button(`${this.words.remove}: ${label}`, "close", () => {
      delete node.filters[name];
      this.draw(node);
    });
    remove.classList.add("rb-remove");
    box.append(remove);
    return box;
  }

  span(value, set) {
    const [count, chosen] = value.split(" ");
    const field = element("input", { type: "number", class: "rb-input rb-number", min: 1, step: 1, value: count, inputmode: "numeric", "aria-label": this.catalogue.filters.last });
    const units = select(Object.entries(this.catalogue.units).map(([name, label]) => ({ value: name, label })), chosen, this.catalogue.filters.last);
    const both = () => set(`${field.value} ${units.value}`);
    field.addEventListener("input", both);
    units.addEventListener("change", both);
    return [field, units];
  }

  /* -- the server's answers --------------------------------------------------------------------------------------- */

  set(node, value) {
    node.value = value;
    this.changed();
  }

  changed() {
    this.paths = new Map();
    const empty = !this.tree.nodes.length;
    this.text.value = empty ? "" : JSON.stringify({ v: 1, rule: write(this.tree, [], this.paths) });
    window.clearTimeout(this.timer);
    this.asked += 1;
    if (empty) this.result.replaceChildren(element("p", { class: "rb-note" }, this.words.empty));
    else this.timer = window.setTimeout(() => this.preview(), PAUSE);
  }

  async fetchValues(asked) {
    const answer = await window.fetch(`${this.root.dataset.valuesUrl}?${new URLSearchParams(asked)}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).values;
  }

  async preview() {
    const mine = this.asked;
    this.result.setAttribute("aria-busy", "true");
    let found = null;
    try {
      const answer = await window.fetch(this.root.dataset.previewUrl, {
        method: "POST", body: this.text.value,
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.root.closest("form").elements.csrfmiddlewaretoken.value },
      });
      if (answer.ok) found = await answer.json();
    } catch {
      // no connection: said below
    }
    if (mine !== this.asked) return;
    this.result.removeAttribute("aria-busy");
    if (found) this.show(found);
    else this.result.replaceChildren(element("p", { class: "rb-note" }, this.words.offline));
  }

  show(found) {
    const nodes = [...this.body.querySelectorAll("[data-node]")];
    const warnings = found.warnings ?? [];
    for (const box of nodes) {
      const id = box.dataset.node;
      const mine = [...found.problems, ...warnings].filter((one) => this.paths.get(one.path.join(".")) === id);
      const line = box.querySelector(":scope > .rb-problem");
      line.textContent = mine.map((one) => one.message).join(" ");
      line.hidden = !mine.length;
      const wrong = mine.some((one) => one.word && !warnings.includes(one));
      box.classList.toggle("rb-wrong", wrong);
      box.classList.toggle("rb-todo", mine.length > 0 && !wrong); // not wrong: not yet said, or only doubtful
      box.querySelector(":scope > .rb-line > .rb-away, :scope > .rb-group-head > .rb-away").textContent = "";
    }
    if (found.problems.length) {
      const elsewhere = found.problems.filter((one) => !this.paths.has(one.path.join("."))).map((one) => one.message);
      this.result.replaceChildren(...(elsewhere.length ? elsewhere.map((message) => element("p", { class: "rb-problem" }, message))
        : [element("p", { class: "rb-note" }, this.words.unfinished)]));
      return;
    }
    found.taken_away.forEach((number, place) => {
      const box = nodes.find((one) => one.dataset.node === this.paths.get(String(place)));
      box.querySelector(".rb-away").textContent = this.words.takes_away.replace("%s", written(number));
    });
    this.result.replaceChildren(
      element("p", { class: "rb-number-line" }, element("strong", { "data-test": "count" }, written(found.members)), " ",
        this.words.members.replace("%s", written(found.customers))),
      element("p", { class: "rb-sentence" }, found.sentence),
      ...(found.sample.length ? [element("p", { class: "rb-sample" }, `${this.words.for_example}: `,
        found.sample.map((one) => (one.city ? `${one.name} (${one.city})` : one.name)).join(", "))] : []),
    );
  }
}

/* -- the tree: groups {id, mode: and|or|none, nodes} and conditions {id, attribute, operator, value, filters} ---------- */

let last = 0;
const next = () => String((last += 1));
const written = (amount) => amount.toLocaleString(document.documentElement.lang || undefined);
const condition = () => ({ id: next(), attribute: "", operator: "", value: undefined, filters: {} });
const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number.isInteger(Number(text)) ? Number(text) : text);

function read(text) {
  let rule = null;
  try {
    rule = JSON.parse(text).rule;
  } catch {
    // nothing yet
  }
  const node = rule ? readNode(rule) : null;
  if (!node) return { id: next(), mode: "and", nodes: [] };
  return node.nodes ? node : { id: next(), mode: "and", nodes: [node] };
}

function readNode(raw) {
  if (raw.and || raw.or) return { id: next(), mode: raw.and ? "and" : "or", nodes: (raw.and || raw.or).map(readNode) };
  if (raw.not) {
    const inner = readNode(raw.not);
    if (inner.mode === "or") return { ...inner, mode: "none" };
    return { id: next(), mode: "none", nodes: [inner] };
  }
  return { id: next(), attribute: raw.attribute ?? "", operator: raw.operator ?? "", value: raw.value, filters: { ...raw.filters } };
}

/* The JSON of a node; notes which path the server will know it by. */
function write(node, path, paths) {
  paths.set(path.join("."), node.id);
  if (!node.nodes) {
    const written = { attribute: node.attribute, operator: node.operator };
    if (Object.keys(node.filters).length) written.filters = node.filters;
    if (node.value !== undefined) written.value = node.value;
    return written;
  }
  const inside = node.mode === "none" ? [...path, 0] : path;
  if (node.mode === "none") paths.set(inside.join("."), node.id);
  const nodes = node.nodes.map((child, place) => write(child, [...inside, place], paths));
  return node.mode === "and" ? { and: nodes } : node.mode === "or" ? { or: nodes } : { not: { or: nodes } };
}

/* -- small parts -------------------------------------------------------------------------------------------------- */

function select(options, chosen, label) {
  const made = element("select", { class: "rb-input", "aria-label": label }, ...options.map((one) => element("option", { value: one.value }, one.label)));
  made.value = chosen;
  return made;
}

function button(label, icon, act) {
  const made = element("button", { type: "button", class: "rb-button", title: label },
    element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, icon), element("span", { class: "rb-button-text" }, label));
  made.addEventListener("click", act);
  return made;
}

function unit(known, words) {
  const shown = known.type === "anniversary" ? words.days : known.unit;
  return shown ? [element("span", { class: "rb-unit" }, shown)] : [];
}

for (const root of document.querySelectorAll("[data-rule-builder]")) root.builder = new Builder(root);
