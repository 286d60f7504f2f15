"use strict";
// Headings become buttons that sort their table; values that are missing stay last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.ariaSort ? heading.ariaSort === "ascending" : column > 0;
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const sign = descending ? -1 : 1;
      const key = (row) => {
        const value = row.cells[column];
        if (value.dataset.sort !== undefined) return Number(value.dataset.sort);
        return value.classList.contains("absent") ? null : value.textContent;
      };
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        if (typeof x === "string" || typeof y === "string") {
          return sign * String(x).localeCompare(String(y));
        }
        return sign * (x - y);
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
