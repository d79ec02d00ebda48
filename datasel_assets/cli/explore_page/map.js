// Rows as points on two axes, coloured by cluster; dragging filters, a click opens the nearest row.
import {ask, at, rows} from "/page.js";
import {changed, filter} from "/state.js";

const PAD = 10, NEAR = 8, NAMED = 7;
const HUES = [205, 28, 130, 355, 265, 55, 185, 320, 90, 235, 15, 160];
let x = null, y = null, cluster = null, mask = null, titles = [], frame = null, openRow = null;

export async function loadMap(about, open) {
  at("map-card").hidden = !about.has_map;
  if (!about.has_map) return;
  const bytes = await ask("/map", {}, true), n = about.rows;
  [x, y, cluster] = [new Float32Array(bytes, 0, n), new Float32Array(bytes, 4 * n, n), new Int32Array(bytes, 8 * n, n)];
  titles = about.clusters;
  openRow = open;
  let [a, b, c, d] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    if (Number.isNaN(x[i])) continue;
    if (x[i] < a) a = x[i];
    if (x[i] > b) b = x[i];
    if (y[i] < c) c = y[i];
    if (y[i] > d) d = y[i];
  }
  frame = b > a && d > c ? {a, b, c, d} : {a: a - 1, b: b + 1, c: c - 1, d: d + 1};
  at("points").addEventListener("pointerdown", begin);
  at("points").addEventListener("pointermove", hover);
  at("points").addEventListener("pointerleave", () => { at("place").value = ""; });
  new ResizeObserver(draw).observe(at("map"));
}

// One bit a row, the first in the lowest bit of the first byte.
export function showMask(text) {
  const bytes = atob(text);
  mask = i => (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1;
  draw();
}

const size = () => at("map").getBoundingClientRect();
const toX = (value, box) => PAD + (box.width - 2 * PAD) * (value - frame.a) / (frame.b - frame.a);
const toY = (value, box) => box.height - PAD - (box.height - 2 * PAD) * (value - frame.c) / (frame.d - frame.c);
const fromX = (place, box) => frame.a + (frame.b - frame.a) * (place - PAD) / (box.width - 2 * PAD);
const fromY = (place, box) => frame.c + (frame.d - frame.c) * (box.height - PAD - place) / (box.height - 2 * PAD);

function surface(id, box) {
  const canvas = at(id), scale = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

export function draw() {
  if (!frame || !mask) return;
  const box = size(), context = surface("points", box), dark = matchesDark();
  const dot = x.length > 30000 ? 1.6 : x.length > 8000 ? 2 : 2.6;
  const faint = dark ? "#39424c" : "#d4dae1";
  const groups = new Map();
  let shown = 0;
  context.fillStyle = faint;
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) continue;
    if (mask(i)) {
      shown++;
      const hue = cluster[i] < 0 ? -1 : HUES[cluster[i] % HUES.length];
      if (!groups.has(hue)) groups.set(hue, []);
      groups.get(hue).push(i);
    } else {
      context.fillRect(toX(x[i], box) - dot / 2, toY(y[i], box) - dot / 2, dot, dot);
    }
  }
  for (const [hue, members] of groups) {
    context.fillStyle = hue < 0 ? (dark ? "#9aa6b2" : "#5f6b78") : `hsl(${hue} ${dark ? "65% 62%" : "62% 44%"})`;
    for (const i of members) context.fillRect(toX(x[i], box) - dot / 2, toY(y[i], box) - dot / 2, dot, dot);
  }
  name(context, box, dark);
  const brush = surface("brush", box);
  if (filter.box) outline(brush, toX(filter.box.x[0], box), toY(filter.box.y[1], box), toX(filter.box.x[1], box), toY(filter.box.y[0], box));
  at("map-legend").textContent = `${rows(shown)} of the filter, the others in grey; coloured by cluster`;
}

// Names of the clusters with the most rows of the filter, where they do not cover each other.
function name(context, box, dark) {
  const found = new Map();
  for (let i = 0; i < x.length; i++) {
    if (cluster[i] < 0 || Number.isNaN(x[i]) || !mask(i)) continue;
    const sum = found.get(cluster[i]) ?? [0, 0, 0];
    found.set(cluster[i], [sum[0] + 1, sum[1] + x[i], sum[2] + y[i]]);
  }
  const taken = [];
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  for (const [number, [count, sumX, sumY]] of [...found].sort((one, other) => other[1][0] - one[1][0] || one[0] - other[0])) {
    if (taken.length === NAMED) break;
    const text = (titles[number] ?? String(number)).split(" · ").slice(0, 2).join(" · "), width = context.measureText(text).width;
    const cx = Math.min(Math.max(toX(sumX / count, box), width / 2 + 4), box.width - width / 2 - 4), cy = toY(sumY / count, box);
    if (taken.some(([ox, oy, w]) => Math.abs(ox - cx) < (w + width) / 2 + 6 && Math.abs(oy - cy) < 16)) continue;
    taken.push([cx, cy, width]);
    context.strokeStyle = dark ? "#191e24" : "#ffffff";
    context.fillStyle = dark ? "#e4e8ec" : "#1f2933";
    context.strokeText(text, cx, cy);
    context.fillText(text, cx, cy);
  }
}

function matchesDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function outline(context, left, top, right, bottom) {
  context.strokeStyle = "#4b9fd5";
  context.fillStyle = "#4b9fd522";
  context.lineWidth = 1.5;
  context.fillRect(left, top, right - left, bottom - top);
  context.strokeRect(left, top, right - left, bottom - top);
}

const place = event => { const box = size(); return [event.clientX - box.left, event.clientY - box.top, box]; };

function nearest(px, py, box) {
  let best = -1, least = NEAR * NEAR;
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i]) || !mask(i)) continue;
    const dx = toX(x[i], box) - px, dy = toY(y[i], box) - py, far = dx * dx + dy * dy;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

function hover(event) {
  if (event.buttons || !mask) return;
  const i = nearest(...place(event));
  at("place").value = i < 0 ? "" : cluster[i] < 0 ? "no cluster" : titles[cluster[i]] ?? `cluster ${cluster[i]}`;
}

function begin(event) {
  const [px, py, box] = place(event), canvas = event.currentTarget;
  let last = [px, py];
  const move = e => {
    last = place(e).slice(0, 2);
    outline(surface("brush", box), px, py, ...last);
  };
  canvas.setPointerCapture(event.pointerId);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", () => {
    canvas.removeEventListener("pointermove", move);
    if (Math.hypot(last[0] - px, last[1] - py) < 4) {
      const i = nearest(px, py, box);
      draw();
      if (i >= 0) openRow({i});
      return;
    }
    const ordered = (a, b) => a < b ? [a, b] : [b, a];
    filter.box = {x: ordered(fromX(px, box), fromX(last[0], box)), y: ordered(fromY(py, box), fromY(last[1], box))};
    changed();
  }, {once: true});
}
