// What all parts of the page use: questions to the server, elements whose text is never markup, figures in words.
const token = document.querySelector("meta[name=token]").content;

export const at = id => document.getElementById(id);

export function say(text) {
  at("said").textContent = text;
}

export async function ask(path, body, bytes = false) {
  let reply;
  try {
    reply = await fetch(path, {
      method: "POST",
      headers: {"Content-Type": "application/json", "X-Datasel-Token": token},
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer: is it still running?");
  }
  if (!reply.ok) throw new Error((await reply.text()).trim());
  return bytes ? reply.arrayBuffer() : reply.json();
}

// Children are elements or text; a text becomes a text node and nothing else.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

export function figure(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export const rows = count => `${count.toLocaleString("en")} ${count === 1 ? "row" : "rows"}`;

// Options of a select by family: text.response_mtld stands under text.
export function families(select, names, chosen, first = null) {
  select.replaceChildren();
  if (first !== null) select.append(element("option", {value: ""}, first));
  const groups = new Map();
  for (const name of names) {
    const family = name.includes(".") ? name.split(".")[0] : "row";
    if (!groups.has(family)) groups.set(family, select.appendChild(element("optgroup", {label: family})));
    groups.get(family).append(element("option", {value: name}, name));
  }
  select.value = chosen ?? "";
}
