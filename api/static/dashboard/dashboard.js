// Keys, rows, explanations and the theme. Everything can be reached without it.
"use strict";

const PAGES = { r: "/ui/rankings", b: "/ui/backtests", i: "/ui/index", s: "/ui/strategies", d: "/ui/data" };
let isGoing = false;

const rows = () => [...document.querySelectorAll("tr.row")];
const isTyping = (element) => element instanceof Element && element.closest("input, select, textarea, [contenteditable]") !== null;

function move(step) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(document.activeElement?.closest("tr.row"));
  const next = all[Math.min(Math.max(here + step, 0), all.length - 1)];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function open(row) {
  if (row?.dataset.href) location.assign(row.dataset.href);
}

function explain(button) {
  if (!button) return;
  const below = button.closest("tr").nextElementSibling;
  const opens = below.hidden;
  below.hidden = !opens;
  button.setAttribute("aria-expanded", String(opens));
  if (opens) htmx.trigger(button, "explain");
}

function switchTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  document.dispatchEvent(new CustomEvent("theme"));
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  if (target.closest("#theme")) switchTheme();
  else if (target.closest("#help")) document.getElementById("keys").showModal();
  else if (target.closest("button.why")) explain(target.closest("button.why"));
  else if (target.closest("tr.row") && !target.closest("a, button") && !String(getSelection())) open(target.closest("tr.row"));
  if (!target.closest(".search")) document.getElementById("found")?.replaceChildren();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.getElementById("q");
  const found = [...document.querySelectorAll("#found a")];
  if (event.target === search || found.includes(event.target)) {
    const here = found.indexOf(event.target);
    if (event.key === "Escape") { document.getElementById("found").replaceChildren(); search.blur(); }
    else if (event.key === "ArrowDown" && found.length) { found[Math.min(here + 1, found.length - 1)].focus(); event.preventDefault(); }
    else if (event.key === "ArrowUp" && here >= 0) { (found[here - 1] ?? search).focus(); event.preventDefault(); }
    return;
  }
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const row = document.activeElement?.closest("tr.row");
  if (isGoing && PAGES[event.key]) location.assign(PAGES[event.key]);
  else if (event.key === "/") { search.focus(); search.select(); }
  else if (event.key === "j" || event.key === "ArrowDown" && row) move(1);
  else if (event.key === "k" || event.key === "ArrowUp" && row) move(-1);
  else if (event.key === "Enter" && row === document.activeElement) open(row);
  else if (event.key === "e") explain(row?.querySelector("button.why"));
  else if (event.key === "t") switchTheme();
  else if (event.key === "?") document.getElementById("keys").showModal();
  else if (event.key !== "g") { isGoing = false; return; }
  isGoing = event.key === "g";
  event.preventDefault();
});

// An address says what was chosen and nothing else: no empty choice, and the newest day goes without saying.
document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, elt } = event.detail;
  if (elt.id !== "filters") return;
  const newest = elt.querySelector("[name=as_of]")?.max;
  for (const [name, value] of [...parameters.entries()]) if (!value || (name === "as_of" && value === newest)) parameters.delete(name);
});

// What the server refuses inside of a page is said where it was asked for.
document.addEventListener("htmx:responseError", (event) => {
  const target = event.detail.target;
  if (target instanceof Element) target.textContent = "The server refused this. Reload the page.";
});
document.addEventListener("htmx:sendError", (event) => {
  const target = event.detail.target;
  if (target instanceof Element) target.textContent = "The server does not answer. Is it running?";
});
