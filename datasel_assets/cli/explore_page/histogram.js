// The histogram of a column: the rows of the filter as bars, others beside them as an outline; dragging sets bounds.
import {at, element, figure} from "/page.js";
import {changed, filter, shown} from "/state.js";

const SVG = "http://www.w3.org/2000/svg";
const [W, H, LEFT, BOTTOM, TOP] = [640, 216, 4, 22, 8];
let drawn = null;

function shape(tag, attributes, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

const across = i => LEFT + (W - 2 * LEFT) * i / (drawn.edges.length - 1);

export function drawHistogram(found) {
  drawn = found;
  const svg = shape("svg", {viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `Histogram of ${found.column}: ${figure(found.here.known)} rows with a value, median ${figure(found.here.quantiles[2])}`});
  const share = side => found[side].counts.map(count => count / Math.max(found[side].known, 1));
  const [here, beside] = [share("here"), share("beside")];
  const most = Math.max(...here, ...beside, 1e-9);
  const up = value => H - BOTTOM - (H - BOTTOM - TOP) * value / most;
  here.forEach((value, i) => {
    const bar = shape("rect", {class: "bar", x: across(i) + .5, y: up(value), width: Math.max(across(i + 1) - across(i) - 1, .5),
      height: H - BOTTOM - up(value)});
    bar.append(shape("title", {}, `${edge(i)} to ${edge(i + 1)}: ${figure(found.here.counts[i])} rows, ${(100 * value).toFixed(1)} %; `
      + `beside them ${(100 * beside[i]).toFixed(1)} %`));
    svg.append(bar);
  });
  const path = beside.map((value, i) => `${i ? "L" : `M${across(0)},${H - BOTTOM}L`}${across(i)},${up(value)}L${across(i + 1)},${up(value)}`);
  svg.append(shape("path", {class: "outline", "vector-effect": "non-scaling-stroke", d: `${path.join("")}L${across(beside.length)},${H - BOTTOM}`}));
  svg.append(shape("line", {class: "axis", x1: 0, x2: W, y1: H - BOTTOM, y2: H - BOTTOM}));
  const bounds = filter.bounds[found.column];
  if (bounds) {
    const [from, to] = [bounds.low === null ? 0 : placeOf(bounds.low), bounds.high === null ? W : placeOf(bounds.high)];
    svg.append(shape("rect", {class: "brushed", x: from, y: 0, width: Math.max(to - from, 2), height: H - BOTTOM}));
  }
  const box = at("histogram");
  box.replaceChildren(svg);
  // Text is laid out in pixels: the picture is stretched.
  const labels = element("div", {class: "ticks"});
  for (const i of [0, Math.round(here.length / 4), Math.round(here.length / 2), Math.round(3 * here.length / 4), here.length]) labels.append(element("span", {}, edge(i)));
  box.append(labels);
  svg.addEventListener("pointerdown", begin);
  quantiles(found);
}

function edge(i) {
  const last = drawn.edges.length - 1, text = figure(drawn.edges[i]);
  return i === 0 && drawn.below ? `≤ ${text}` : i === last && drawn.above ? `≥ ${text}` : text;
}

function placeOf(value) {
  const edges = drawn.edges, last = edges.length - 1;
  return across(Math.min(Math.max((value - edges[0]) / (edges[last] - edges[0]), 0), 1) * last);
}

function begin(event) {
  const svg = event.currentTarget, rect = svg.getBoundingClientRect();
  const bin = e => Math.min(Math.max(Math.floor((e.clientX - rect.left) / rect.width * (drawn.edges.length - 1)), 0), drawn.edges.length - 2);
  const from = bin(event), mark = svg.appendChild(shape("rect", {class: "brushed", y: 0, height: H - BOTTOM}));
  const span = e => [Math.min(from, bin(e)), Math.max(from, bin(e)) + 1];
  const move = e => {
    const [a, b] = span(e);
    mark.setAttribute("x", across(a));
    mark.setAttribute("width", across(b) - across(a));
  };
  move(event);
  svg.setPointerCapture(event.pointerId);
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerup", e => {
    const [a, b] = span(e), last = drawn.edges.length - 1;
    filter.bounds[shown.column] = {
      low: a === 0 && drawn.below ? null : drawn.edges[a],
      high: b === last && drawn.above ? null : drawn.edges[b],
    };
    changed();
  }, {once: true});
}

function quantiles(found) {
  const line = (name, side) => element("tr", {}, element("th", {}, name),
    ...[side.known, ...side.quantiles, side.mean, side.unknown].map(value => element("td", {}, figure(value))));
  at("quantiles").tBodies[0].replaceChildren(
    element("tr", {}, ...["", "known", "5 %", "25 %", "median", "75 %", "95 %", "mean", "unknown"].map(name => element("th", {}, name))),
    line("this filter", found.here), line(at("beside-name").textContent, found.beside));
}
