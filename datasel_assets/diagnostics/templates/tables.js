"use strict";
// Tables that are sorted by a click on a heading and filtered by a word. All text is set as text, never as markup.
for (const frame of document.querySelectorAll(".wide")) {
  const table = frame.querySelector("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  let above = frame;
  while (above && above.tagName !== "H2") above = above.previousElementSibling;
  const name = above ? above.textContent : document.title;
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", name);
  if (rows.length < 3) continue;
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const number = Number(text.replace(/,/g, ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const order = (one, other) => (typeof one === typeof other ? (one > other) - (one < other) : typeof one === "number" ? -1 : 1);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const number = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const down = before === "none" ? number : before === "ascending";
      for (const each of heads) each.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row, place) => [key(row, column), place, row]);
      keyed.sort(([one, first], [other, second]) => {
        if (one === null || other === null) return (one === null) - (other === null) || first - second;
        return (down ? order(other, one) : order(one, other)) || first - second;
      });
      body.append(...keyed.map(([, , row]) => row));
    });
  });
  if (rows.length < 8) continue;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const found = document.createElement("output");
  input.type = "search";
  label.className = "filter";
  label.append("Show only rows with ", input, " ", found);
  frame.before(label);
  input.addEventListener("input", () => {
    const word = input.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(word);
    const left = rows.filter((row) => !row.hidden).length;
    found.textContent = word ? `${left} of ${rows.length} rows` : "";
  });
}
