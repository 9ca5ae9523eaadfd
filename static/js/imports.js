// Importing: a file dropped or chosen, a column left out, and rows that are mended with the keyboard.
"use strict";

(() => {
  // django-unfold writes a chosen file's name into a text field of its own widget, which these fields have none of.
  for (const input of document.querySelectorAll("input[type=file]")) input.hasChangeListener = true;

  const upload = document.querySelector("[data-upload]");
  if (upload) {
    const drop = upload.querySelector("[data-drop]");
    const input = drop.querySelector("input[type=file]");
    const name = drop.querySelector("[data-file-name]");
    const tooLarge = upload.querySelector("[data-too-large]");
    const limit = Number(upload.dataset.limitMb) * 1024 * 1024;

    const show = () => {
      const file = input.files[0];
      name.textContent = file ? file.name : name.dataset.none;
      drop.classList.toggle("im-chosen", Boolean(file));
      tooLarge.hidden = !file || file.size <= limit;
    };
    input.addEventListener("change", show);
    for (const kind of ["dragenter", "dragover"]) {
      drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("im-over"); });
    }
    for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("im-over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      show();
    });
    // A file dropped beside the box would replace the page.
    for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());

    upload.addEventListener("submit", (event) => {
      if (!tooLarge.hidden) { event.preventDefault(); tooLarge.scrollIntoView({ block: "center" }); return; }
      upload.querySelector("button[type=submit]").disabled = true;
      if (input.files.length) upload.querySelector("[data-sending]").hidden = false;
    });
    // Coming back with the back button finds the form as it was left, and usable.
    window.addEventListener("pageshow", () => {
      upload.querySelector("button[type=submit]").disabled = false;
      upload.querySelector("[data-sending]").hidden = true;
      show();
    });
  }

  for (const column of document.querySelectorAll("[data-column]")) {
    const select = column.querySelector("select");
    const mark = () => column.classList.toggle("im-left-out", !select.value);
    select.addEventListener("change", mark);
    mark();
  }

  const mend = document.querySelector("[data-mend]");
  if (mend) {
    const status = mend.querySelector("[data-saved]");
    const wrong = () => [...mend.querySelectorAll("[aria-invalid]")];
    mend.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      const all = [...mend.querySelectorAll("tbody input")];
      const at = all.indexOf(event.target);
      const next = all.slice(at + 1).find((field) => field.hasAttribute("aria-invalid"));
      (next || mend.querySelector("button[type=submit]") || event.target).focus();
      if (next) next.select();
    });
    document.body.addEventListener("htmx:afterRequest", (event) => {
      if (!event.target.matches || !event.target.matches("tr[data-row]")) return;
      const good = event.detail.successful;
      event.target.classList.toggle("im-mended", good);
      status.textContent = good ? status.dataset.word : status.dataset.trouble;
      status.classList.toggle("wk-bad", !good);
    });
    const first = wrong()[0];
    if (first && window.matchMedia("(min-width: 900px)").matches) first.focus({ preventScroll: true });
  }
})();
