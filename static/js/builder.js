/* The rule builder: rows of attribute, comparison and value, in groups, or the rule as text; over a hidden field.
 *
 * The field holds JSON, or the text while that is being written, and is what the form sends: the server checks it as it
 * checks any other rule; nothing is decided here. What can be asked comes from the catalogue in the page, values and
 * numbers from the server.
 */
import { combobox, element } from "./combobox.js";
import { Moves } from "./builder-moves.js";
import { TextPane } from "./builder-text.js";
import { condition, next, read, write } from "./builder-tree.js";

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
    this.asked = 0;
    this.timer = 0;
    this.found = null; // the server's last answer, while it is about what is shown
    this.body = element("div", { class: "rb-body" });
    this.result = element("div", { class: "rb-result", "aria-live": "polite" });
    this.moves = new Moves({ root: () => this.tree, body: this.body, words: this.words, moved: (node, changed, focus) => this.redraw(node, changed, focus) });
    this.pane = new TextPane({ words: this.words, changed: () => this.changed() });
    const stored = this.text.value;
    this.inText = Boolean(stored.trim()) && !stored.trim().startsWith("{"); // a text that could not be saved comes back as it was
    this.tree = read(this.inText ? "" : stored);
    this.head = this.switches();
    root.append(...(starters.length && !stored ? [this.offerStarters()] : []), this.head, this.body, this.pane.box, this.moves.said, this.result);
    if (this.inText) this.pane.value = stored;
    this.draw();
    this.showMode();
  }

  /* -- rows or text ----------------------------------------------------------------------------------------------- */

  switches() {
    const box = element("div", { class: "rb-switch", role: "group", "aria-label": this.words.view });
    for (const [mode, icon] of [["rows", "view_agenda"], ["text", "notes"]]) {
      const one = button(this.words[`as_${mode}`], icon, () => (mode === "text" ? this.toText() : this.toRows()));
      one.dataset.mode = mode;
      box.append(one);
    }
    this.hint = element("span", { class: "rb-note", role: "status" });
    box.append(this.hint);
    return box;
  }

  showMode() {
    for (const one of this.head.querySelectorAll("[data-mode]")) one.setAttribute("aria-pressed", String((one.dataset.mode === "text") === this.inText));
    this.body.hidden = this.inText;
    this.pane.box.hidden = !this.inText;
    this.hint.textContent = "";
  }

  async toText() {
    if (this.inText) return;
    if (this.tree.nodes.length) {
      if (!this.found) await this.preview();
      if (!this.found || this.found.problems.length) {
        this.hint.textContent = this.words.complete_first;
        return;
      }
      this.pane.value = this.found.text;
    } else this.pane.value = "";
    this.before = this.pane.value;
    this.inText = true;
    this.showMode();
    this.pane.field.focus();
    if (this.found) this.pane.show([], this.found.warnings);
  }

  async toRows() {
    if (!this.inText) return;
    if (this.pane.value !== this.before) {
      if (!this.found && this.pane.value.trim()) await this.preview();
      if (this.pane.value.trim() && (!this.found || this.found.problems.length)) {
        this.hint.textContent = this.words.mend_first;
        return;
      }
      this.tree = read(this.pane.value.trim() ? JSON.stringify(this.found.rule) : "");
    }
    this.inText = false;
    this.showMode();
    this.draw();
    this.head.querySelector("[data-mode=rows]").focus();
  }

  /* -- drawing ---------------------------------------------------------------------------------------------------- */

  draw(focus) {
    this.body.replaceChildren(this.group(this.tree, null));
    this.changed();
    if (focus) this.body.querySelector(`[data-node="${focus.id}"] select, [data-node="${focus.id}"] input`)?.focus();
  }

  /* After a move, or to show where something can go; whoever moved it keeps the focus on it. */
  redraw(node, changed, focus) {
    const found = this.found;
    this.body.replaceChildren(this.group(this.tree, null));
    if (changed || !found) this.changed();
    else this.show(found);
    const box = this.body.querySelector(`[data-node="${node.id}"]`);
    const wanted = focus && box.querySelector(`:scope > .rb-moves > ${focus}:not([disabled])`);
    (wanted || box.querySelector(":scope > * > .rb-handle")).focus();
  }

  offerStarters() {
    const box = element("div", { class: "rb-starters", role: "group", "aria-label": this.words.for_example });
    for (const one of this.starters) {
      const card = element("button", { type: "button", class: "rb-starter" },
        element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, one.icon),
        element("strong", {}, one.name), element("span", {}, one.text));
      card.addEventListener("click", () => {
        this.tree = read(JSON.stringify({ v: 1, rule: one.rule }));
        this.inText = false;
        const name = document.querySelector("#segment_form input[name='name']"); // a persona has a name of its own
        if (name && (!name.value || this.starters.some((other) => other.name === name.value))) name.value = one.name;
        this.showMode();
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
    head.append(parent ? this.moves.handle(node) : element("span", {}, this.words.customers_with), mode);
    if (parent) head.append(this.removeButton(node, parent, this.words.remove_group));
    head.append(element("span", { class: "rb-away" }));
    const rows = element("div", { class: "rb-rows" });
    for (const child of node.nodes) rows.append(child.nodes ? this.group(child, node) : this.condition(child, node));
    const add = button(this.words.add_condition, "add", () => this.add(node, condition()));
    const addGroup = button(this.words.add_group, "add_box", () => this.add(node, { id: next(), mode: node.mode === "and" ? "or" : "and", nodes: [condition()] }));
    box.append(head, ...(parent ? this.moves.buttons(node) : []), element("p", { class: "rb-problem", hidden: true }), rows, element("div", { class: "rb-adds" }, add, addGroup));
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
      Object.assign(node, { attribute: what.value, operator: chosen ? chosen.operators[0] : "", value: chosen?.type === "flag" ? true : undefined, filters: chosen?.argument ? { [chosen.argument]: "" } : {} });
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
    const line = element("div", { class: "rb-line" }, this.moves.handle(node), what, rest);
    line.append(element("span", { class: "rb-away" }), this.removeButton(node, parent, this.words.remove));
    row.append(line, ...this.moves.buttons(node), element("p", { class: "rb-problem", id: `rb-problem-${node.id}`, hidden: true }));
    return row;
  }

  comparison(node, known) {
    if (known.type === "member") return [this.member(node, known)];
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

  /* What goes by its name, such as a segment: only what there is can be chosen. */
  member(node, known) {
    return combobox({
      label: known.label, values: node.value ? [node.value] : [], multiple: false, free: false, words: this.words,
      find: (text) => this.fetchValues({ attribute: known.name, text }), changed: (values) => this.set(node, values[0] ?? ""),
    });
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
      const many = LISTS.includes(node.operator) && known.type !== "member";
      const numbers = known.type === "number";
      return [combobox({
        label: this.words.value, values: [node.value ?? []].flat().map(String), multiple: many, free: known.type !== "member", words: this.words,
        find: (text) => this.fetchValues({ attribute: known.name, text, ...(known.argument ? { argument: node.filters[known.argument] ?? "" } : {}) }),
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
    if (known.argument && !(known.argument in node.filters)) node.filters[known.argument] = "";
    const order = known.argument ? [known.argument, ...known.filters.filter((name) => name !== known.argument)] : known.filters;
    const shown = order.filter((name) => name in node.filters).map((name) => this.filter(node, name, known));
    const taken = "last" in node.filters ? ["since", "until"] : "since" in node.filters || "until" in node.filters ? ["last"] : [];
    const free = known.filters.filter((name) => !(name in node.filters) && !taken.includes(name));
    if (!free.length) return shown;
    const more = select([{ value: "", label: `+ ${this.words.narrow}` }, ...free.map((value) => ({ value, label: this.catalogue.filters[value] }))], "", this.words.narrow);
    more.classList.add("rb-more");
    more.addEventListener("change", () => {
      if (!more.value) return;
      const name = more.value;
      node.filters[name] = { last: "90 days", channel: "till", time: "17:00-20:00", weekday: [] }[name] ?? "";
      this.draw();
      this.body.querySelector(`[data-node="${node.id}"] [data-filter="${name}"] input, [data-node="${node.id}"] [data-filter="${name}"] select`)?.focus();
    });
    return [...shown, more];
  }

  filter(node, name, known) {
    const label = this.catalogue.filters[name];
    const given = known.argument === name; // it belongs to the question, and cannot be taken away
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
    } else if (name === "event") {
      const one = select([{ value: "", label: "…" }, ...known.events], node.filters.event, label);
      one.addEventListener("change", () => set(one.value));
      box.append(one);
    } else if (name === "weekday") box.append(this.days(node, set));
    else if (name === "time") box.append(...this.hours(node.filters.time, set));
    else {
      box.append(combobox({
        label, values: node.filters[name] ? [node.filters[name]] : [], multiple: false, free: false, words: this.words,
        find: (text) => this.fetchValues({ filter: name, text }), changed: (values) => set(values[0] ?? ""),
      }));
    }
    if (given) return box;
    const remove = button(`${this.words.remove}: ${label}`, "close", () => {
      delete node.filters[name];
      this.draw(node);
    });
    remove.classList.add("rb-remove");
    box.append(remove);
    return box;
  }

  days(node, set) {
    const box = element("span", { class: "rb-days", role: "group", "aria-label": this.catalogue.filters.weekday });
    for (const day of this.catalogue.weekdays) {
      const tick = element("input", { type: "checkbox", value: day.value, checked: [node.filters.weekday].flat().includes(day.value) });
      tick.addEventListener("change", () => set([...box.querySelectorAll("input:checked")].map((one) => one.value)));
      box.append(element("label", { title: day.label }, tick, element("span", {}, day.short)));
    }
    return box;
  }

  hours(value, set) {
    const ends = (value || "-").split("-").map((end) => element("input", { type: "time", class: "rb-input", "aria-label": this.catalogue.filters.time, value: end }));
    const both = () => set(ends.every((end) => end.value) ? ends.map((end) => end.value).join("-") : "");
    for (const end of ends) end.addEventListener("input", both);
    return [ends[0], element("span", {}, "–"), ends[1]];
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
    this.found = null;
    const empty = this.inText ? !this.pane.value.trim() : !this.tree.nodes.length;
    if (this.inText) this.text.value = this.pane.value;
    else this.text.value = empty ? "" : JSON.stringify({ v: 1, rule: write(this.tree, [], this.paths) });
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
    window.clearTimeout(this.timer);
    const mine = this.asked;
    this.result.setAttribute("aria-busy", "true");
    let found = null;
    try {
      const answer = await window.fetch(this.root.dataset.previewUrl, {
        method: "POST", body: this.inText ? JSON.stringify(this.text.value) : this.text.value,
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
    this.found = found;
    const elsewhere = this.inText ? this.showInText(found) : this.showInRows(found);
    if (found.problems.length) {
      this.result.replaceChildren(...(elsewhere.length ? elsewhere.map((message) => element("p", { class: "rb-problem" }, message))
        : [element("p", { class: "rb-note" }, this.inText ? this.words.mend : this.words.unfinished)]));
      return;
    }
    this.result.replaceChildren(...this.numbers(found), element("p", { class: "rb-sentence" }, found.sentence),
      ...(found.sample.length ? [element("p", { class: "rb-sample" }, `${this.words.for_example}: `,
        found.sample.map((one) => (one.city ? `${one.name} (${one.city})` : one.name)).join(", "))] : []));
  }

  /* Marks the rows that are wrong; gives back what belongs to none of them. */
  showInRows(found) {
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
    (found.taken_away ?? []).forEach((figure, place) => {
      const box = nodes.find((one) => one.dataset.node === this.paths.get(String(place)));
      box.querySelector(".rb-away").textContent = this.words.takes_away.replace("%s", this.about(figure));
    });
    return found.problems.filter((one) => !this.paths.has(one.path.join("."))).map((one) => one.message);
  }

  showInText(found) {
    this.pane.show(found.problems, found.warnings ?? []);
    return found.problems.filter((one) => !one.line).map((one) => one.message);
  }

  /* A number, or about which it is. */
  about(figure) {
    if (figure.low === figure.high) return written(figure.value);
    return figure.value ? this.words.about.replace("%s", written(figure.value)) : this.words.fewer.replace("%s", written(figure.high));
  }

  numbers(found) {
    const { members, change } = found;
    const lines = [element("p", { class: "rb-number-line" }, element("strong", { "data-test": "count" }, this.about(members)), " ",
      this.words.members.replace("%s", written(found.customers)))];
    if (change) {
      const text = this.words.change.replace("%(came)s", `+${this.about(change.came)}`).replace("%(went)s", `−${this.about(change.went)}`);
      lines[0].append(" ", element("span", { class: "rb-change", "data-test": "change" }, text));
    }
    if (members.low !== members.high) {
      lines.push(element("p", { class: "rb-note", "data-test": "estimate" }, this.words.estimated.replace("%(low)s", written(members.low))
        .replace("%(high)s", written(members.high)).replace("%(sample)s", written(found.looked_at))));
    }
    return lines;
  }
}

const written = (amount) => amount.toLocaleString(document.documentElement.lang || undefined);
const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number.isInteger(Number(text)) ? Number(text) : text);

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
