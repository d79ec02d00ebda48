// The page of one row: its turns, what every recipe decided about it, scores, neighbours, copies, answers.
import {ask, at, element, figure, say} from "/page.js";

let about = null, filterBy = null;

export function loadRow(told, byCluster) {
  [about, filterBy] = [told, byCluster];
  at("row").addEventListener("click", event => { if (event.target === at("row")) at("row").close(); });
}

export async function openRow(which) {
  let found;
  try {
    found = await ask("/row", which);
  } catch (error) {
    say(error.message);
    return;
  }
  at("row-body").replaceChildren(...sections(found));
  if (!at("row").open) at("row").showModal();
  at("row").scrollTop = 0;
}

const heading = text => element("h3", {}, text);
const link = (text, which) => element("button", {type: "button", class: "link", onclick: () => openRow(which)}, text);
const table = (head, lines, kind = "") => element("table", {class: `lines ${kind}`}, element("thead", {}, element("tr", {}, ...head.map(name => element("th", {}, name)))),
  element("tbody", {}, ...lines.map(cells => element("tr", {}, ...cells.map(cell => element("td", {}, cell))))));

function* sections(found) {
  yield element("div", {class: "bar-head"}, element("strong", {}, found.source), element("code", {}, found.row_id), element("span", {class: "spring"}),
    element("button", {type: "button", onclick: () => navigator.clipboard?.writeText(found.row_id)}, "Copy id"),
    element("button", {type: "button", onclick: () => at("row").close()}, "Close ", element("kbd", {}, "Esc")));
  yield facts(found);
  for (const turn of found.turns)
    yield element("div", {class: `turn ${turn.role === "assistant" ? "assistant" : ""}`},
      element("h4", {}, turn.role === "assistant" && !turn.is_trained ? "assistant, not trained on" : turn.role), element("div", {}, turn.content));
  if (found.tools) yield element("details", {}, element("summary", {}, "Tools"), element("pre", {}, found.tools));
  if (found.extra && found.extra !== "{}") yield element("details", {}, element("summary", {}, "Other fields of the record"), element("pre", {}, found.extra));
  const decisions = Object.entries(found.decisions);
  if (decisions.length) {
    yield heading("What each recipe decided");
    yield table(["recipe", "decision", "why, and what would flip it"], decisions.map(([recipe, decision]) => decided(recipe, decision)), "decisions");
  }
  yield* near(found);
  if (found.evaluations.length) {
    yield heading("Items of evaluations in it");
    yield table(["evaluation", "how", "passage"], found.evaluations.map(hit =>
      [`${hit.evaluation}, ${hit.item}`, `${hit.tier}, overlap ${figure(hit.overlap)}`, hit.evidence ?? ""]));
  }
  if (found.answers.length) {
    yield heading("Answers about it");
    yield table(["asked by", "answer"], found.answers.map(([file, answer]) =>
      [file, Object.entries(answer).map(([name, value]) => `${name} ${typeof value === "number" ? figure(value) : value}`).join("; ")]));
  }
  const scores = Object.entries(found.numbers).filter(([, value]) => value !== null);
  yield heading(`Scores (${scores.length})`);
  yield element("div", {class: "scores"}, ...scores.map(([name, value]) => element("div", {}, element("span", {}, name), element("span", {}, figure(value)))));
}

function facts(found) {
  const made = element("dl", {class: "facts"});
  const add = (name, ...value) => made.append(element("dt", {}, name), element("dd", {}, ...value));
  add("place", `row ${figure(found.position)} of its source`);
  add("size", `${figure(found.n_tokens)} tokens, ${figure(found.n_response_tokens)} of them trained on`);
  if (found.cluster !== undefined && found.cluster !== null)
    add("cluster", element("button", {type: "button", class: "link", onclick: () => { at("row").close(); filterBy(found.cluster); }},
      about.clusters[found.cluster] ?? String(found.cluster)));
  for (const name of Object.keys(about.categories)) if (found[name]) add(name, found[name]);
  for (const name of Object.keys(about.tags)) if (found[name]?.length) add(name, found[name].join(", "));
  return made;
}

function decided(recipe, decision) {
  if (!decision) return [recipe, "none yet", "it came after the recipe's last run"];
  const why = element("span", {}, decision.reason);
  if (decision.margin !== null) why.append(`; margin ${figure(decision.margin)}`);
  if (decision.flip) why.append(element("span", {class: "flip"}, `would flip it: ${decision.flip}`));
  return [recipe, element("span", {class: decision.kept ? "kept" : "dropped"}, decision.kept ? "kept" : decision.stage), why];
}

function* near(found) {
  const named = (row, id) => row.i === null ? `${id}, no longer in the pool` : link(row.prompt || id, {i: row.i});
  if (found.copies.length) {
    yield heading("Copies of it");
    yield table(["kind", "row", "source"], found.copies.map(copy =>
      [`${copy.kind}${copy.stands ? ", for which this row stands" : ", which stands for this row"}`, named(copy, copy.other), copy.source ?? ""]), "near");
  }
  if (found.neighbours.length) {
    yield heading("Nearest rows");
    yield table(["distance", "row", "source"], found.neighbours.map(row => [figure(row.distance), named(row, row.row_id), row.source ?? ""]), "near");
  }
}
