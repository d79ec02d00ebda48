// What is looked at: the filter, the shown column, the order. Kept in the address, so that a view can be sent on.
export const filter = {text: "", sources: [], bounds: {}, clusters: [], categories: {}, tags: {}, decisions: {}, box: null};
export const shown = {column: "", beside: "pool", sort: "", descending: true, start: 0, compare: []};

const listeners = [];
export const onChange = listener => listeners.push(listener);

export function changed() {
  shown.start = 0;
  tell();
}

export function tell() {
  history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify({...filter, show: shown}))}`);
  for (const listener of listeners) listener();
}

export function fromAddress(about) {
  let found;
  try {
    found = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}");
  } catch {
    found = {};
  }
  for (const key of Object.keys(filter)) if (found[key] !== undefined) filter[key] = found[key];
  for (const key of Object.keys(shown)) if (found.show?.[key] !== undefined) shown[key] = found.show[key];
  if (!about.numbers.includes(shown.column)) shown.column = about.numbers[0];
  if (!about.numbers.includes(shown.sort)) shown.sort = "";
  return found.row;
}

export function clear() {
  Object.assign(filter, {text: "", sources: [], bounds: {}, clusters: [], categories: {}, tags: {}, decisions: {}, box: null});
  changed();
}

// The parts of the filter in words, each with what takes it away.
export function parts(about, figure) {
  const found = [];
  const add = (words, remove) => found.push({words, remove: () => { remove(); changed(); }});
  if (filter.text) add(`text has “${filter.text}”`, () => { filter.text = ""; });
  if (filter.sources.length) add(`source ${filter.sources.join(" or ")}`, () => { filter.sources = []; });
  for (const [name, {low, high}] of Object.entries(filter.bounds)) {
    const words = low === null ? `${name} ≤ ${figure(high)}` : high === null ? `${name} ≥ ${figure(low)}`
      : `${figure(low)} ≤ ${name} ≤ ${figure(high)}`;
    add(words, () => { delete filter.bounds[name]; });
  }
  for (const number of filter.clusters)
    add(about.clusters[number] ?? `cluster ${number}`, () => { filter.clusters = filter.clusters.filter(n => n !== number); });
  for (const name of Object.keys(filter.categories))
    add(`${name}: ${filter.categories[name].join(" or ")}`, () => { delete filter.categories[name]; });
  for (const [name, tags] of Object.entries(filter.tags)) for (const tag of tags)
    add(`tag ${tag}`, () => { filter.tags[name] = tags.filter(other => other !== tag); if (!filter.tags[name].length) delete filter.tags[name]; });
  for (const [recipe, decision] of Object.entries(filter.decisions))
    add(`${recipe}: ${decision}`, () => { delete filter.decisions[recipe]; });
  if (filter.box) add("a part of the map", () => { filter.box = null; });
  return found;
}
