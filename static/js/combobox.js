/* A text field that offers values with their counts: type, arrow keys, Enter, Escape, or a tap.
 *
 *   combobox({ label, values: ["Riga"], multiple: true, free: true, words, find: async (text) => [{value, label, count}],
 *              changed: (values) => ... })   ->   an element
 *
 * `free` takes what is typed as it is written; else only what is offered can be chosen.
 */
let made = 0;

export function combobox({ label, values, multiple, free, words, find, changed }) {
  const id = `rb-list-${(made += 1)}`;
  const box = element("span", { class: "rb-combo" });
  const chips = element("span", { class: "rb-chips" });
  const field = element("input", {
    type: "text", role: "combobox", "aria-label": label, "aria-expanded": "false", "aria-controls": id,
    "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", placeholder: words.search, class: "rb-input",
  });
  const list = element("ul", { id, role: "listbox", class: "rb-list", "aria-label": label, hidden: "" });
  let chosen = [...values];
  let offered = [];
  let active = -1;
  let asked = 0;
  let timer = 0;

  function showChosen() {
    if (!multiple) {
      field.value = chosen[0] || "";
      return;
    }
    chips.replaceChildren(...chosen.map((value) => {
      const chip = element("button", { type: "button", class: "rb-chip", "aria-label": `${words.remove} ${value}` }, value, " ×");
      chip.addEventListener("click", () => {
        set(chosen.filter((one) => one !== value));
        field.focus();
      });
      return chip;
    }));
  }

  function set(next) {
    chosen = next;
    showChosen();
    changed(chosen);
  }

  function choose(value) {
    close();
    if (!multiple) return set([value]);
    field.value = "";
    return set(chosen.includes(value) ? chosen : [...chosen, value]);
  }

  function close() {
    asked += 1;
    window.clearTimeout(timer);
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function mark(place) {
    active = place;
    list.querySelectorAll("[role=option]").forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    const current = list.children[active];
    if (current && current.id) {
      field.setAttribute("aria-activedescendant", current.id);
      current.scrollIntoView({ block: "nearest" });
    }
  }

  async function open(text) {
    const mine = (asked += 1);
    let found;
    try {
      found = await find(text);
    } catch {
      return;
    }
    if (mine !== asked || document.activeElement !== field) return;
    offered = found.filter((one) => !multiple || !chosen.includes(one.value));
    list.replaceChildren(...offered.map((one, at) => {
      const option = element("li", { id: `${id}-${at}`, role: "option", "aria-selected": "false" }, element("span", {}, one.label));
      if (one.label !== one.value && !one.value.endsWith(one.label)) option.append(element("small", {}, one.value));
      if (one.count !== null) option.append(element("small", { class: "rb-count" }, one.count.toLocaleString(document.documentElement.lang || undefined)));
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault(); // the field keeps the focus
        choose(one.value);
      });
      return option;
    }));
    if (!offered.length) list.append(element("li", { class: "rb-none" }, free ? words.no_values : words.no_names));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    active = -1;
  }

  field.addEventListener("focus", () => open(multiple ? field.value : ""));
  field.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => open(field.value), 150);
    if (!multiple) {
      chosen = field.value ? [field.value] : [];
      changed(chosen);
    }
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open(field.value);
      else if (offered.length) mark((active + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length);
    } else if (event.key === "Enter") {
      event.preventDefault(); // never sends the form from here
      const typed = field.value.trim();
      if (!list.hidden && active >= 0) choose(offered[active].value);
      else if (free && typed) choose(typed);
      else if (typed && offered.length) choose(offered[0].value);
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    } else if (event.key === "Backspace" && multiple && !field.value && chosen.length) {
      set(chosen.slice(0, -1));
    }
  });
  field.addEventListener("blur", () => {
    if (multiple && free && field.value.trim()) choose(field.value.trim());
    close();
  });

  showChosen();
  box.append(...(multiple ? [chips] : []), field, list);
  return box;
}

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
