// The page is complete without this file: it adds filtering and sorting, copy buttons, and opens what a link points into.
"use strict";

const tools = document.querySelector(".tools");
if (tools) {
  tools.hidden = false;
  const [search, show, sort] = tools.elements;
  const tally = tools.querySelector("output");
  const severity = [...document.querySelectorAll(".legend .key")].map((key) => key.classList[1]);
  // the worst outcome is 0; an empty cell comes last, as the largest number
  const rank = (row, head) => (head && head.closest("table").contains(row) ? severity.indexOf(row.cells[head.cellIndex].classList[0]) >>> 0 : 0);
  let chosen = null;
  const arrange = () => {
    const words = search.value.toLowerCase().replaceAll("_", " ").split(" ").filter(Boolean);
    const direction = sort.value === "order" ? 1 : -1;
    let shown = 0, all = 0;
    for (const body of document.querySelectorAll(".matrix tbody")) {
      const rows = [...body.rows].sort((a, b) => rank(a, chosen) - rank(b, chosen) || direction * (a.dataset[sort.value] - b.dataset[sort.value]) || a.dataset.order - b.dataset.order);
      for (const row of rows) {
        const text = row.dataset.text.toLowerCase();
        const kept = words.every((word) => text.includes(word)) && (!show.value || row.dataset[show.value] > 0);
        row.hidden = !kept;
        shown += kept;
        all += 1;
      }
      body.append(...rows);
    }
    tally.textContent = shown < all ? `${shown} of ${all}` : "";
  };
  tools.addEventListener("input", arrange);
  for (const head of document.querySelectorAll(".matrix thead tr:first-child th:not(.origin, .words)")) {
    const button = document.createElement("button");
    button.title = "worst first";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      chosen?.removeAttribute("aria-sort");
      chosen = chosen === head ? null : head;
      chosen?.setAttribute("aria-sort", "descending");
      arrange();
    });
    head.append(button);
  }
  tools.addEventListener("submit", (event) => event.preventDefault());
}

for (const source of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      document.execCommand("copy");  // pages opened from a file have no clipboard in some browsers
    }
    button.textContent = "copied";
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  source.after(button);
}

const reveal = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => (details.open = true)));
reveal();
