// A field with a list below it, by keyboard and pointer (the ARIA combobox pattern). htmx fills the list.

export function combobox(input, list, { choose }) {
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  function show() {
    const filled = Boolean(list.firstElementChild) && input.value.trim() !== "";
    list.hidden = !filled;
    input.setAttribute("aria-expanded", String(filled));
  }

  function mark(option) {
    chosen()?.setAttribute("aria-selected", "false");
    input.removeAttribute("aria-activedescendant");
    if (!option) return;
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  const field = {
    chosen,
    isOpen: () => !list.hidden,
    first: () => mark(options()[0]),
    take: () => choose(chosen()),
    close() {
      list.replaceChildren();
      show();
      mark(null);
    },
  };

  input.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all = options();
    if (list.hidden || !all.length) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    const at = all.indexOf(chosen());
    mark(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length]);
  });
  input.addEventListener("input", () => { if (!input.value.trim()) field.close(); });
  input.addEventListener("blur", () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); });
  input.addEventListener("focus", show);
  list.addEventListener("htmx:afterSwap", show);
  // Before the field loses its focus, and so the list its place.
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    event.preventDefault();
    if (option) choose(option);
  });
  return field;
}
