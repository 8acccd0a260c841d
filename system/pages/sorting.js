"use strict";
// A click on the head of a column sorts its table: numbers by value, words in alphabetical order, blanks last.
const words = new Intl.Collator("en", {numeric: true});

function textOf(row, column) {
  return row.cells[column].textContent.trim();
}

function ordered(rows, column, sign) {
  const isBlank = row => ["", "–", "-"].includes(textOf(row, column));
  const filled = rows.filter(row => !isBlank(row));
  const values = new Map(filled.map(row => [row, parseFloat(textOf(row, column).replace(/(\d),(?=\d{3})/g, "$1"))]));
  const areNumbers = filled.every(row => Number.isFinite(values.get(row)));
  const compare = (one, other) => areNumbers
    ? values.get(one) - values.get(other)
    : words.compare(textOf(one, column), textOf(other, column));
  return [...filled.sort((one, other) => sign * compare(one, other)), ...rows.filter(isBlank)];
}

function sortBy(head) {
  const body = head.closest("table").tBodies[0];
  const order = head.ariaSort === "ascending" ? "descending" : "ascending";
  body.append(...ordered([...body.rows], head.cellIndex, order === "ascending" ? 1 : -1));
  for (const other of head.parentNode.cells) other.ariaSort = "none";
  head.ariaSort = order;
}

for (const head of document.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sortBy(head));
  head.append(button);
  head.ariaSort = "none";
}
