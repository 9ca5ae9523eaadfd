// Duplicates by key: each button and choice says its own in data-key. What is typed into a field is left alone.
"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!wanted) return;
  event.preventDefault();
  wanted.focus();
  wanted.click();
});

// Whoever stays keeps their own, until somebody has chosen otherwise.
const chosen = new Set();
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.closest("[data-pair]")) return;
  if (input.name !== "survivor") { chosen.add(input.name); return; }
  for (const other of document.querySelectorAll(`[data-pair] [name^="choice_"][value="${input.value}"]`)) {
    if (!chosen.has(other.name)) other.checked = true;
  }
}, true);

document.documentElement.dataset.keys = "ready";
