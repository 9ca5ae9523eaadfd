/* The rule as text: a field that marks the words which are wrong, and says beneath what is meant.
 *
 * Offsets from the server count characters; here strings are counted in halves of some, so both are translated.
 */
import { element } from "./combobox.js";

let made = 0;

export class TextPane {
  constructor({ words, changed }) {
    const id = `rb-text-${(made += 1)}`;
    this.words = words;
    this.under = element("pre", { class: "rb-text-under", "aria-hidden": "true" });
    this.field = element("textarea", {
      class: "rb-text-field", id, spellcheck: "false", autocapitalize: "off", autocomplete: "off", rows: "3",
      placeholder: words.text_example, "aria-describedby": `${id}-said`,
    });
    this.said = element("ul", { class: "rb-text-said", id: `${id}-said`, "aria-live": "polite" });
    this.field.addEventListener("input", () => {
      this.show([]);
      changed();
    });
    this.field.addEventListener("scroll", () => (this.under.scrollTop = this.field.scrollTop));
    const help = element("details", { class: "rb-text-help" }, element("summary", {}, words.text_help),
      element("dl", {}, ...words.text_examples.flatMap(([text, means]) => [element("dt", {}, element("code", {}, text)), element("dd", {}, means)])));
    this.box = element("div", { class: "rb-text", hidden: true }, element("label", { for: id, class: "rg-hidden" }, words.as_text),
      element("div", { class: "rb-text-stack" }, this.under, this.field), this.said, help);
  }

  get value() {
    return this.field.value;
  }

  set value(text) {
    this.field.value = text;
    this.show([]);
  }

  /* Mark the words that are wrong (or doubtful), and say why beneath. */
  show(problems, warnings = []) {
    const characters = Array.from(this.field.value);
    const pieces = [];
    let at = 0;
    const placed = [...problems.map((one) => ({ ...one, bad: true })), ...warnings].filter((one) => one.line);
    placed.sort((one, other) => one.offset - other.offset);
    for (const one of placed) {
      const start = Math.min(one.offset, characters.length);
      if (start < at) continue;
      const end = Math.min(start + one.length, characters.length);
      pieces.push(characters.slice(at, start).join(""), element("mark", { class: one.bad ? "rb-bad" : "rb-doubtful" }, characters.slice(start, end).join("") || " "));
      at = end;
    }
    this.under.replaceChildren(...pieces, characters.slice(at).join(""), "\n");
    this.field.setAttribute("aria-invalid", String(problems.length > 0));
    this.said.replaceChildren(...problems.map((one) => this.told(one, characters, true)), ...warnings.map((one) => this.told(one, characters, false)));
  }

  told(one, characters, bad) {
    if (!one.line) return element("li", { class: bad ? "rb-bad" : "rb-doubtful" }, one.message);
    const word = characters.slice(one.offset, one.offset + one.length).join("").trim();
    const where = element("button", { type: "button", class: "rb-text-where" }, word || this.words.here);
    where.addEventListener("click", () => {
      const start = characters.slice(0, one.offset).join("").length;
      this.field.focus();
      this.field.setSelectionRange(start, start + characters.slice(one.offset, one.offset + one.length).join("").length);
    });
    return element("li", { class: bad ? "rb-bad" : "rb-doubtful" }, where, " ", one.message);
  }
}
