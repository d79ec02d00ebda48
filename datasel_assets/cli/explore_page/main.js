// Puts the parts together: what changes the filter asks the server once, and every part shows the answer.
import {ask, at, element, families, figure, rows, say} from "/page.js";
import {changed, clear, filter, fromAddress, onChange, parts, shown, tell} from "/state.js";
import {drawHistogram} from "/histogram.js";
import {draw, loadMap, showMask} from "/map.js";
import {loadFilters, render} from "/filters.js";
import {loadRow, openRow} from "/row.js";

const WAIT = 120, PAGE = 100;
let about = null, asked = 0, answer = null;

async function refresh() {
  const number = ++asked;
  document.body.ariaBusy = "true";
  const rest = shown.compare.length === 2 ? {compare: shown.compare} : {};
  try {
    const found = await ask("/view", {filter, column: shown.column, beside: shown.beside, sort: shown.sort || null,
      descending: shown.descending, start: shown.start, ...rest});
    if (number !== asked) return; // a later question is on its way
    answer = found;
    say("");
  } catch (error) {
    if (number === asked) say(error.message);
    return;
  } finally {
    if (number === asked) document.body.ariaBusy = "false";
  }
  show();
}

function show() {
  at("count").textContent = answer.rows === about.rows ? rows(about.rows) : `${figure(answer.rows)} of ${rows(about.rows)}`;
  at("chips").replaceChildren(...parts(about, figure).map(({words, remove}) =>
    element("span", {class: "chip"}, element("span", {title: words}, words), element("button", {type: "button", "aria-label": `Remove: ${words}`, onclick: remove}, "×"))));
  at("clear").hidden = !at("chips").children.length;
  if (document.activeElement !== at("search")) at("search").value = filter.text;
  at("column").value = shown.column;
  at("beside").value = shown.beside;
  at("beside-name").textContent = at("beside").selectedOptions[0]?.textContent ?? "";
  if (answer.histogram) drawHistogram(answer.histogram);
  if (about.has_map) showMask(answer.mask);
  render(answer, answer.compared ?? null);
  list();
}

function list() {
  at("sort").value = shown.sort;
  at("descending").hidden = !shown.sort;
  at("descending").textContent = shown.descending ? "largest first" : "smallest first";
  at("value-name").textContent = shown.sort;
  at("rows").classList.toggle("unsorted", !shown.sort);
  const first = shown.start + 1, last = shown.start + answer.page.length;
  at("where").textContent = answer.rows ? `${figure(first)}–${figure(last)} of ${figure(answer.rows)}` : "no rows";
  at("previous").disabled = shown.start === 0;
  at("next").disabled = last >= answer.rows;
  at("rows").tBodies[0].replaceChildren(...answer.page.map(row => element("tr", {
    tabIndex: 0, onclick: () => openRow({i: row.i}), onkeydown: event => { if (event.key === "Enter") openRow({i: row.i}); },
  }, element("td", {}, row.source), cell(row.prompt), cell(row.response), element("td", {class: "number"}, figure(row.n_tokens)),
  element("td", {class: "number"}, shown.sort ? figure(row.value) : ""))));
}

// The piece that was searched for is marked where the excerpt has it.
function cell(text) {
  const piece = filter.text.trim().toLowerCase(), where = piece ? (text ?? "").toLowerCase().indexOf(piece) : -1;
  const from = where > 60 ? where - 40 : 0, shownText = (from ? "… " : "") + (text ?? "").slice(from);
  if (where < 0) return element("td", {}, element("div", {}, text ?? ""));
  const start = where - from + (from ? 2 : 0);
  return element("td", {}, element("div", {}, shownText.slice(0, start), element("mark", {}, shownText.slice(start, start + piece.length)), shownText.slice(start + piece.length)));
}

async function showRule() {
  const keep = document.querySelector("input[name=way]:checked").value === "keep";
  try {
    const found = await ask("/rule", {filter, keep});
    at("yaml").textContent = found.yaml || "# nothing of this filter can be said in a recipe";
    at("unsaid").textContent = found.unsaid.length ? `The rule fits more rows than the filter: a recipe cannot say this of it: ${found.unsaid.join("; ")}.` : "";
    at("copied").textContent = "";
    if (!at("rule").open) at("rule").showModal();
  } catch (error) {
    say(error.message);
  }
}

function wire() {
  let timer = 0;
  at("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { filter.text = at("search").value; changed(); }, WAIT);
  });
  at("column").addEventListener("change", () => { shown.column = at("column").value; tell(); });
  at("beside").addEventListener("change", () => { shown.beside = at("beside").value; tell(); });
  at("sort").addEventListener("change", () => { shown.sort = at("sort").value; if (shown.sort) shown.column = shown.sort; shown.start = 0; tell(); });
  at("descending").addEventListener("click", () => { shown.descending = !shown.descending; shown.start = 0; tell(); });
  at("previous").addEventListener("click", () => { shown.start = Math.max(shown.start - PAGE, 0); tell(); });
  at("next").addEventListener("click", () => { shown.start += PAGE; tell(); });
  at("clear").addEventListener("click", clear);
  at("export").addEventListener("click", showRule);
  at("close-rule").addEventListener("click", () => at("rule").close());
  for (const way of document.querySelectorAll("input[name=way]")) way.addEventListener("change", showRule);
  at("copy").addEventListener("click", async () => {
    await navigator.clipboard?.writeText(at("yaml").textContent);
    at("copied").textContent = "copied";
  });
  at("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    draw();
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const typing = ["INPUT", "SELECT"].includes(document.activeElement?.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); at("search").focus(); }
    else if (event.key === "Escape" && !typing) clear();
    else if (event.key === "Escape") document.activeElement.blur();
    else if (["j", "k", "ArrowDown", "ArrowUp"].includes(event.key) && document.activeElement?.closest("#rows tbody")) {
      const row = document.activeElement, next = event.key === "j" || event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      if (next) { event.preventDefault(); next.focus(); }
    }
  });
}

async function start() {
  try {
    about = await ask("/about", {});
  } catch (error) {
    say(error.message);
    return;
  }
  at("folder").textContent = about.folder.split(/[\\/]/).at(-1);
  at("folder").title = about.folder;
  const row = fromAddress(about);
  families(at("column"), about.numbers, shown.column);
  families(at("sort"), about.numbers, shown.sort, "place in the source");
  at("beside").replaceChildren(element("option", {value: "pool"}, "the whole pool"), element("option", {value: "random"}, "as many random rows"),
    ...Object.keys(about.recipes).map(name => element("option", {value: name}, `recipe ${name}`)));
  loadRow(about, number => { filter.clusters = [number]; changed(); });
  loadFilters(about);
  wire();
  onChange(refresh);
  await Promise.all([refresh(), loadMap(about, openRow).then(() => { if (answer && about.has_map) showMask(answer.mask); })]);
  if (row) openRow({row_id: row});
}

start();
