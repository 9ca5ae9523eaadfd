/* The composer: inserting placeholders by menu or by typing {{, the length of the subject, the live preview,
   and one submit for a double click. The pages work without it; nothing here decides anything. */
(function () {
  "use strict";

  const form = document.querySelector("[data-composer]");
  document.querySelectorAll("form[data-once]").forEach(sendOnce);
  document.addEventListener("input", filterGroups);
  if (!form) return;

  let lastField = form.querySelector("#id_body");
  let timer = 0;
  let suggestions = null;
  let selected = 0;

  /* Preview ---------------------------------------------------------------------------------------------------- */

  function preview() {
    if (suggestions) return; // a placeholder is half typed
    const frame = document.getElementById("cm-frame");
    if (frame && window.htmx) window.htmx.trigger(frame, "preview");
  }

  form.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-placeholders], [name=sender_name]")) {
      window.clearTimeout(timer);
      timer = window.setTimeout(preview, 450);
    }
    if (field.name === "subject") sayLength(field);
    if (field.matches("[data-placeholders]")) suggest(field);
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-preview]")) preview();
  });

  /* Which customer the message is shown for: kept in the hidden field of the preview. */
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-customer]");
    if (!button) return;
    let chosen = form.querySelector("input[name=customer]");
    if (!chosen) {
      chosen = document.createElement("input");
      chosen.type = "hidden";
      chosen.name = "customer";
      document.getElementById("cm-frame").append(chosen);
    }
    chosen.value = button.dataset.customer;
    document.getElementById("cm-found").replaceChildren();
    const search = form.querySelector("input[name=q]");
    if (search) search.value = "";
    preview();
  });

  /* Enter in the search must not save the campaign. */
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.name === "q") event.preventDefault();
  });

  /* Subject ---------------------------------------------------------------------------------------------------- */

  function sayLength(field) {
    const hint = form.querySelector("[data-subject-hint]");
    const length = Array.from(field.value.replace(/\{\{.*?\}\}/g, "Anna Bell")).length;
    const words = length > 60 ? hint.dataset.tooLong : length > 40 ? hint.dataset.long : hint.dataset.short;
    hint.textContent = length ? length + " " + words : "";
  }
  const subject = form.querySelector("#id_subject");
  if (subject) sayLength(subject);

  /* Placeholders ----------------------------------------------------------------------------------------------- */

  const known = Array.from(form.querySelectorAll("#cm-placeholders option")).map((option) => ({
    code: option.value, label: option.dataset.label, example: option.dataset.example, group: option.dataset.group,
  }));

  form.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-placeholders]")) lastField = event.target;
    else if (!event.target.closest(".cm-suggest")) closeSuggestions();
  });

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    if (!button) return;
    const menu = button.closest("details");
    if (menu) {
      menu.open = false;
      insert(lastField, button.dataset.insert, 0);
    } else choose(button);
  });

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details[data-menu][open], .cm-cancel[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeSuggestions();
    const menu = document.querySelector("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  /* In the open menu, arrows walk through the placeholders. */
  form.querySelectorAll("details[data-menu]").forEach((menu) => {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const buttons = Array.from(menu.querySelectorAll("button"));
      menu.open = true;
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const at = buttons.indexOf(document.activeElement) + step;
      buttons[Math.max(0, Math.min(buttons.length - 1, at))].focus();
    });
  });

  /* Put text at the caret, in place of `back` characters before it. */
  function insert(field, text, back) {
    field.focus();
    const end = field.selectionEnd;
    const start = back ? end - back : field.selectionStart;
    field.setRangeText(text, start, end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function closeSuggestions() {
    if (suggestions) suggestions.remove();
    suggestions = null;
  }

  /* "{{ fir" before the caret: what was typed after the braces, and how many characters that is. */
  function opened(field) {
    const before = field.value.slice(0, field.selectionEnd);
    const found = /\{\{\s*([\w.]*)$/.exec(before);
    return found && { text: found[1].toLowerCase(), length: found[0].length };
  }

  function suggest(field) {
    closeSuggestions();
    const typed = opened(field);
    if (!typed) return;
    const fits = known.filter((one) => (one.code + " " + one.label + " " + one.group).toLowerCase().includes(typed.text));
    if (!fits.length) return;
    suggestions = document.createElement("div");
    suggestions.className = "cm-menu-list cm-suggest";
    suggestions.setAttribute("role", "listbox");
    fits.slice(0, 8).forEach((one) => {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = -1;
      button.dataset.insert = one.code;
      button.setAttribute("role", "option");
      const label = document.createElement("span");
      label.textContent = one.label;
      const example = document.createElement("span");
      example.className = "rg-muted";
      example.textContent = one.example;
      button.append(label, example);
      suggestions.append(button);
    });
    field.after(suggestions);
    select(0);
  }

  function select(at) {
    const buttons = Array.from(suggestions.children);
    selected = (at + buttons.length) % buttons.length;
    buttons.forEach((button, i) => button.setAttribute("aria-selected", String(i === selected)));
    buttons[selected].scrollIntoView({ block: "nearest" });
  }

  function choose(button) {
    const typed = opened(lastField);
    closeSuggestions();
    insert(lastField, button.dataset.insert, typed ? typed.length : 0);
    closeSuggestions();
  }

  form.addEventListener("keydown", (event) => {
    if (!suggestions || !event.target.matches("[data-placeholders]")) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") select(selected + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter" || event.key === "Tab") choose(suggestions.children[selected]);
    else return;
    event.preventDefault();
  });

  /* Groups, and one submit ------------------------------------------------------------------------------------- */

  function filterGroups(event) {
    const id = event.target.dataset && event.target.dataset.filter;
    if (!id) return;
    const text = event.target.value.trim().toLowerCase();
    for (const row of document.getElementById(id).children) {
      row.hidden = Boolean(text) && !row.textContent.toLowerCase().includes(text) && !row.querySelector(":checked");
    }
  }

  function sendOnce(one) {
    one.addEventListener("submit", (event) => {
      if (one.dataset.sent) event.preventDefault();
      one.dataset.sent = "yes";
    });
    window.addEventListener("pageshow", () => delete one.dataset.sent);
  }
})();
