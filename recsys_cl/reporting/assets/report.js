"use strict";
// A table is sorted by the button in a column's head, falling first; again, the other way round. What has no value stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key;
    const order = (x, y) => (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y) * (down ? -1 : 1);
    const rows = [...table.tBodies[0].rows];
    const known = rows.filter((row) => key(row) !== undefined).sort((a, b) => order(key(a), key(b)));
    table.tBodies[0].append(...known, ...rows.filter((row) => key(row) === undefined));
  }));
}
// Where columns have several depths, one is shown; the buttons exist only where this script runs.
for (const table of document.querySelectorAll("table[data-depth]")) {
  const cells = [...table.querySelectorAll("[data-k]")];
  const bar = document.createElement("p");
  bar.className = "depths";
  bar.append("Length of the lists ");
  const show = (depth) => {
    cells.forEach((cell) => { cell.hidden = cell.dataset.k !== depth; });
    bar.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", button.textContent === depth));
  };
  for (const depth of [...new Set(cells.map((cell) => cell.dataset.k))]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = depth;
    button.addEventListener("click", () => show(depth));
    bar.append(button);
  }
  table.closest(".scroll").before(bar);
  show(table.dataset.depth);
}
// What a mark says is shown at once, on a touch too; while it is, the browser's own slower tooltip has nothing to say.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
let told = null;
const hush = () => {
  if (told) told.title.textContent = told.text;
  told = null;
  tip.hidden = true;
};
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest("svg.chart .told use, svg.chart .told path");
  const title = mark?.querySelector("title");
  if (told?.title === title) return;
  hush();
  if (!title) return;
  told = { title, text: title.textContent };
  title.textContent = "";
  tip.textContent = told.text;
  tip.hidden = false;
  const at = mark.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(at.left + at.width / 2 - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${at.top > tip.offsetHeight + 12 ? at.top - tip.offsetHeight - 8 : at.bottom + 8}px`;
});
document.addEventListener("scroll", hush, { passive: true });
