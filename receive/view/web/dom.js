// Building the page. What comes from the wire only ever becomes text: nothing
// here, and nothing that uses it, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function build(node, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "text") node.textContent = value;
    else if (value === true) node.setAttribute(key, "");
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Makes an element: attributes, on… listeners, text; children are nodes or strings. */
export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);

/** The same in SVG. */
export const s = (tag, props, ...children) => build(document.createElementNS(SVG, tag), props, children);

/** Sets text only where it changed, so that screen readers and selections are left in peace. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** Sets or removes an attribute, only where it changed. */
export function attr(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Shows or hides. */
export function show(node, on) {
  if (node.hidden === Boolean(on)) node.hidden = !on;
}

/** Makes the children of parent be one node for each item, in order, moving none that need not move: a focus stays where it is. */
export function keyed(parent, items, keyOf, make, update) {
  const old = parent.keyed ?? new Map();
  const wanted = new Map();
  for (const item of items) if (!wanted.has(keyOf(item))) wanted.set(keyOf(item), item);
  for (const [key, part] of old) if (!wanted.has(key)) (part.node ?? part).remove();
  const parts = new Map();
  let place = parent.firstChild;
  for (const [key, item] of wanted) {
    const part = old.get(key) ?? make(item);
    parts.set(key, part);
    update?.(part, item);
    const node = part.node ?? part;
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  parent.keyed = parts;
}

let ids = 0;
/** A fresh id: names from the wire never become ids. */
export const freshID = () => `x${++ids}`;

/** Points an image at a URL, or hides it. */
export function picture(img, url, alt) {
  show(img, Boolean(url));
  if (url) {
    if (img.getAttribute("src") !== url) img.setAttribute("src", url);
    attr(img, "alt", alt);
  } else if (img.hasAttribute("src")) img.removeAttribute("src");
}

/** Lays a box (x, y, width, height in fractions) over a picture. */
export function placeBox(node, box) {
  const ok = Array.isArray(box) && box.length === 4 && box.every((v) => Number.isFinite(v)) && box[2] > 0 && box[3] > 0;
  show(node, ok);
  if (!ok) return;
  const cut = (v) => Math.min(1, Math.max(0, v));
  const [x, y] = [cut(box[0]), cut(box[1])];
  node.style.left = `${x * 100}%`;
  node.style.top = `${y * 100}%`;
  node.style.width = `${Math.min(1 - x, box[2]) * 100}%`;
  node.style.height = `${Math.min(1 - y, box[3]) * 100}%`;
}

const ICONS = {
  play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z", next: "M9 5l7 7-7 7", back: "M15 5l-7 7 7 7",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", down: "M12 4v11m-5-5l5 5 5-5M5 20h14",
  bin: "M5 7h14M9 7V4h6v3m-8 0l1 13h8l1-13", undo: "M9 7l-4 4 4 4m-4-4h9a5 5 0 0 1 0 10h-3", square: "M5 6h14v12H5z",
};
/** A small drawing beside a word. */
export const icon = (name) => s("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
