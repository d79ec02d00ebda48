// The filters beside the rows: what there is to choose from, and how many rows of the filter have it.
import {at, element, families, figure} from "/page.js";
import {changed, filter, shown} from "/state.js";

let about = null;

export function loadFilters(told) {
  about = told;
  render(told.shares);
}

const group = (title, ...children) => element("fieldset", {}, element("legend", {}, title), ...children);

export function render(shares, compared = null) {
  const focused = document.activeElement?.id, body = at("filters"), scrolled = body.scrollTop;
  body.replaceChildren(
    ...(Object.keys(about.recipes).length ? [decisions(compared)] : []),
    group("Source", element("div", {class: "scroll"}, ...Object.keys(shares.sources).map(name => choice(name, shares.sources[name])))),
    bounds(),
    ...(about.clusters.length ? [clusters()] : []),
    ...Object.keys(about.categories).map(categories),
    ...Object.keys(about.tags).map(tags),
  );
  body.scrollTop = scrolled;
  if (focused) at(focused)?.focus();
}

function choice(name, count) {
  const box = element("input", {type: "checkbox", id: `source-${name}`, checked: filter.sources.includes(name), onchange: () => {
    filter.sources = box.checked ? [...filter.sources, name] : filter.sources.filter(other => other !== name);
    changed();
  }});
  return element("label", {class: "option", title: name}, box, element("span", {}, name), element("small", {}, figure(count)));
}

function decisions(compared) {
  const [one, other] = [shown.compare[0] ?? "", shown.compare[1] ?? ""];
  const select = (id, value, names, label) => {
    const made = element("select", {id, "aria-label": label}, element("option", {value: ""}, "–"),
      ...names.map(name => element("option", {value: name, title: about.recipes[name]?.doc ?? ""}, `${name} (${figure(about.shares.kept[name])})`)));
    made.value = value;
    made.addEventListener("change", () => {
      filter.decisions = {};
      shown.compare = [id === "recipe" ? made.value : one, id === "recipe" ? "" : made.value].filter(Boolean);
      if (shown.compare.length === 1) filter.decisions[shown.compare[0]] = "kept";
      changed();
    });
    return made;
  };
  const names = Object.keys(about.recipes);
  const made = group("Recipe and its decision", element("div", {}, select("recipe", one, names, "Recipe")));
  if (one) {
    const decision = element("select", {id: "decision", "aria-label": "Decision"},
      ...["kept", "dropped", ...about.recipes[one].stages.filter(stage => stage !== "kept")].map(stage =>
        element("option", {value: stage}, stage === "kept" || stage === "dropped" ? stage : `dropped: ${stage}`)));
    decision.prepend(element("option", {value: ""}, "any"));
    decision.value = filter.decisions[one] ?? "";
    decision.addEventListener("change", () => {
      if (decision.value) filter.decisions[one] = decision.value;
      else delete filter.decisions[one];
      changed();
    });
    made.append(element("div", {}, decision), element("legend", {class: "second"}, "compared with"),
      select("other", other, names.filter(name => name !== one), "Compared with"));
  }
  if (compared) {
    const four = [["both", "both keep", "kept", "kept"], ["one", `only ${one}`, "kept", "dropped"],
      ["other", `only ${other}`, "dropped", "kept"], ["neither", "neither", "dropped", "dropped"]];
    made.append(element("div", {class: "four"}, ...four.map(([key, words, first, second]) => element("button", {
      type: "button", id: `four-${key}`, ariaPressed: String(filter.decisions[one] === first && filter.decisions[other] === second),
      onclick: () => { filter.decisions = {[one]: first, [other]: second}; changed(); },
    }, element("strong", {}, figure(compared[key])), words))));
  }
  return made;
}

function bounds() {
  const made = group("Scores between");
  for (const [name, limits] of Object.entries(filter.bounds)) {
    const end = side => {
      const box = element("input", {type: "number", step: "any", id: `${side}-${name}`, "aria-label": `${name}, ${side === "low" ? "at least" : "at most"}`,
        placeholder: side === "low" ? "at least" : "at most", value: limits[side] ?? ""});
      box.addEventListener("change", () => {
        filter.bounds[name] = {...filter.bounds[name], [side]: box.value === "" ? null : Number(box.value)};
        changed();
      });
      return box;
    };
    const gone = element("button", {type: "button", "aria-label": `Remove ${name}`, onclick: () => { delete filter.bounds[name]; changed(); }}, "×");
    made.append(element("div", {class: "bound"}, element("span", {class: "name"}, name), gone, element("div", {class: "pair"}, end("low"), end("high"))));
  }
  const more = element("select", {id: "add-bound", "aria-label": "Add a score"});
  families(more, about.numbers.filter(name => !(name in filter.bounds)), "", "add a score…");
  more.addEventListener("change", () => {
    filter.bounds[more.value] = {low: null, high: null};
    shown.column = more.value;
    changed();
  });
  made.append(more);
  return made;
}

function clusters() {
  const more = element("select", {id: "add-cluster", "aria-label": "Cluster"}, element("option", {value: ""}, "any cluster"),
    ...about.clusters.map((title, number) => element("option", {value: String(number)}, `${number}: ${title}`)));
  more.addEventListener("change", () => {
    filter.clusters = [...new Set([...filter.clusters, Number(more.value)])];
    changed();
  });
  return group("Cluster", more);
}

function categories(name) {
  const more = element("select", {id: `add-${name}`, "aria-label": name}, element("option", {value: ""}, "any"),
    ...about.categories[name].map(value => element("option", {value}, value)));
  more.value = filter.categories[name]?.[0] ?? "";
  more.addEventListener("change", () => {
    if (more.value) filter.categories[name] = [more.value];
    else delete filter.categories[name];
    changed();
  });
  return group(`Category by ${name.split(".")[1]}`, more);
}

function tags(name) {
  const list = element("datalist", {id: `list-${name}`}, ...about.tags[name].map(([tag, count]) => element("option", {value: tag}, `${tag} (${count})`)));
  const box = element("input", {id: `add-${name}`, list: list.id, placeholder: "a tag, then Enter", autocomplete: "off", "aria-label": name});
  box.addEventListener("change", () => {
    if (!box.value.trim()) return;
    filter.tags[name] = [...new Set([...(filter.tags[name] ?? []), box.value.trim()])];
    changed();
  });
  return group(`Tag by ${name.split(".")[1]}`, box, list);
}
