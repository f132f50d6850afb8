// Drawing masks and zones on the picture: with a finger or mouse as one stroke
// or point by point, and with the keyboard from a rectangle. Positions are
// fractions of the picture.

import { attr, h, icon, keyed, s, show, text } from "./dom.js";
import { masksOf } from "./store.js";

const MAX_POINTS = 24;
const NEAR = 0.025; // of the picture: closer than this is the same point
const STEP = 0.01; // of the picture, for an arrow key

const WORDS = {
  ignore: { name: "Ignore", what: "Changes here do not count: a tree, a road, a flag." },
  watch: { name: "Watch", what: "Where there are watch zones, only changes inside them count." },
  privacy: { name: "Privacy", what: "Painted black before a picture leaves the camera." },
};

/** surface lies over the picture; save(masks) publishes. */
export function maskEditor(surface, save) {
  let masks = masksOf(null), kind = "ignore", drawing = null, chosen = null, dragging = null, stroke = false;
  let history = [], known = false; // what the camera has; until it is known nothing can replace it

  const svg = s("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", class: "shapes", "aria-hidden": "true" });
  const shapes = s("g");
  const draft = s("polyline", { class: "draft" });
  svg.append(shapes, draft);
  const handles = h("div", { class: "handles" });
  surface.append(svg, handles);

  const kinds = h("div", { class: "segments", role: "radiogroup", "aria-label": "What to draw" });
  const radios = Object.keys(WORDS).map((k) => {
    const input = h("input", { type: "radio", name: "mask-kind", value: k, onchange: () => { kind = k; draw(); } });
    input.checked = k === kind;
    kinds.append(h("label", null, input, h("span", { text: WORDS[k].name })));
    return input;
  });
  const what = h("p", { class: "soft" });
  const pen = h("button", { type: "button", class: "primary", onclick: () => { drawing = drawing ? null : []; chosen = null; draw(); } });
  const close = h("button", { type: "button", class: "quiet", text: "Close shape", onclick: () => finish() });
  const rect = h("button", { type: "button", class: "quiet", onclick: () => add([[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]], true) }, icon("square"), "Add a rectangle");
  const undo = h("button", { type: "button", class: "quiet", onclick: () => { masks = history.pop(); chosen = null; commit(false); } }, icon("undo"), "Undo");
  const list = h("ul", { class: "shapelist", "aria-label": "Masks and zones" });
  const hint = h("p", { class: "soft", role: "status" });
  const tools = h("div", { class: "masktools" }, kinds, what, h("div", { class: "controls" }, pen, close, rect, undo), hint, list);

  const all = () => Object.keys(WORDS).flatMap((k) => masks[k].map((points, i) => ({ kind: k, i, points, key: `${k}${i}` })));
  const copy = () => structuredClone(masks);

  function remember() {
    history.push(copy());
    if (history.length > 30) history.shift();
  }

  function commit(keep = true) {
    if (keep === false) dragging = null;
    for (const k of Object.keys(masks)) masks[k] = masks[k].map((p) => p.map(([x, y]) => [round(x), round(y)]));
    save(masks);
    draw();
  }

  function add(points, select) {
    remember();
    masks[kind].push(points);
    drawing = null;
    chosen = select ? `${kind}${masks[kind].length - 1}` : null;
    commit();
  }

  function remove(shape) {
    remember();
    masks[shape.kind].splice(shape.i, 1);
    chosen = null;
    commit();
  }

  function finish() {
    const points = drawing ?? [];
    drawing = null;
    if (points.length >= 3 && area(points) > 0.0004) add(points, false);
    else draw();
  }

  const at = (e) => {
    const r = surface.getBoundingClientRect();
    return [clamp((e.clientX - r.left) / r.width), clamp((e.clientY - r.top) / r.height)];
  };

  surface.addEventListener("pointerdown", (e) => {
    if (!known || e.button !== 0 || e.target.closest("button")) return;
    const p = at(e);
    if (!drawing) {
      const hit = all().reverse().find((x) => inside(p, x.points));
      chosen = hit?.key ?? null;
      draw();
      return;
    }
    e.preventDefault();
    surface.setPointerCapture(e.pointerId);
    if (drawing.length >= 3 && near(p, drawing[0], 0.03)) return finish();
    drawing.push(p);
    stroke = false;
    draw();
  });
  surface.addEventListener("pointermove", (e) => {
    if (!drawing?.length || !surface.hasPointerCapture(e.pointerId)) return;
    const p = at(e);
    if (near(p, drawing.at(-1), NEAR / 2)) return;
    stroke = true;
    if (drawing.length < 1000) drawing.push(p);
    draw();
  });
  surface.addEventListener("pointerup", (e) => {
    if (!drawing || !surface.hasPointerCapture(e.pointerId)) return;
    surface.releasePointerCapture(e.pointerId);
    if (!stroke) return draw();
    stroke = false;
    drawing = simplify(drawing, MAX_POINTS);
    finish();
  });
  surface.addEventListener("pointercancel", () => { drawing = drawing ? [] : null; stroke = false; draw(); });
  const escape = (e) => {
    if (e.key !== "Escape" || (!drawing && !chosen)) return;
    drawing = null;
    chosen = null;
    draw();
  };
  document.addEventListener("keydown", escape);

  function handle() {
    let i = 0, shape = null;
    const node = h("button", { type: "button", class: "handle" });
    const put = (p) => { masks[shape.kind][shape.i][i] = p; };
    node.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      e.preventDefault();
      node.focus();
      node.setPointerCapture(e.pointerId);
      remember();
      dragging = shape.key;
    });
    node.addEventListener("pointermove", (e) => {
      if (!node.hasPointerCapture(e.pointerId)) return;
      put(at(e));
      draw();
    });
    node.addEventListener("pointerup", () => { if (dragging) { dragging = null; commit(); } });
    node.addEventListener("keydown", (e) => {
      const [x, y] = shape.points[i];
      const step = e.shiftKey ? STEP * 5 : STEP;
      const to = { ArrowLeft: [x - step, y], ArrowRight: [x + step, y], ArrowUp: [x, y - step], ArrowDown: [x, y + step] }[e.key];
      if (to) {
        e.preventDefault();
        remember();
        put(to.map(clamp));
        commit();
      } else if (e.key === "Delete" || e.key === "Backspace") {
        e.preventDefault();
        if (shape.points.length <= 3) return remove(shape);
        remember();
        masks[shape.kind][shape.i].splice(i, 1);
        commit();
      }
    });
    return {
      node,
      update(to, n) {
        [shape, i] = [to, n];
        node.style.left = `${shape.points[i][0] * 100}%`;
        node.style.top = `${shape.points[i][1] * 100}%`;
        attr(node, "aria-label", `Corner ${i + 1} of ${shape.points.length}; arrow keys move it, Delete removes it`);
      },
    };
  }

  function row() {
    let shape = null;
    const name = h("span");
    const edit = h("button", { type: "button", class: "quiet", onclick: () => { drawing = null; chosen = chosen === shape.key ? null : shape.key; draw(); } });
    const bin = h("button", { type: "button", class: "quiet", onclick: () => remove(shape) }, icon("bin"));
    const node = h("li", null, h("span", { class: "swatch" }), name, edit, bin);
    return {
      node,
      update(to) {
        shape = to;
        const full = `${WORDS[shape.kind].name} ${shape.i + 1}`;
        attr(node, "data-kind", shape.kind);
        text(name, full);
        text(edit, chosen === shape.key ? "Done" : "Edit corners");
        attr(edit, "aria-label", `${chosen === shape.key ? "Done editing" : "Edit corners of"} ${full}`);
        attr(bin, "aria-label", `Delete ${full}`);
      },
    };
  }

  function draw() {
    const shown = all();
    attr(surface, "data-drawing", drawing ? "yes" : null);
    keyed(shapes, shown, (x) => x.key, (x) => s("polygon", { class: `shape ${x.kind}` }), (node, x) => {
      attr(node, "points", x.points.map((p) => p.join(",")).join(" "));
      attr(node, "data-chosen", x.key === chosen ? "yes" : null);
    });
    attr(draft, "points", (drawing ?? []).map((p) => p.join(",")).join(" "));
    const editing = shown.find((x) => x.key === chosen);
    keyed(handles, editing ? editing.points.map((_, i) => ({ i, key: `${chosen}/${i}` })) : [], (x) => x.key, handle, (part, x) => part.update(editing, x.i));
    keyed(list, shown, (x) => x.key, row, (part, x) => part.update(x));
    text(what, WORDS[kind].what);
    text(pen, drawing ? "Stop drawing" : `Draw ${WORDS[kind].name.toLowerCase()} area`);
    attr(pen, "aria-pressed", drawing ? "true" : "false");
    for (const b of [pen, rect]) attr(b, "disabled", !known);
    show(close, drawing?.length >= 3);
    show(undo, history.length > 0);
    text(hint, !known ? "The camera has not told its masks yet." : drawing ? "Draw around the area in one stroke, or tap corner by corner and close the shape." : editing ? "Drag the corners, or use the arrow keys." : "");
    for (const r of radios) r.checked = r.value === kind;
  }

  draw();
  return {
    tools,
    leave: () => document.removeEventListener("keydown", escape),
    /** Takes what the camera says, unless a hand is on it; null: it has said nothing. */
    show(from) {
      if (dragging || drawing) return;
      if (known === (from !== null) && (!known || JSON.stringify(from) === JSON.stringify(masks))) return;
      known = from !== null;
      masks = masksOf(from);
      history = []; // another hand's: undoing over it would undo that, too
      if (chosen && !all().some((x) => x.key === chosen)) chosen = null;
      draw();
    },
  };
}

const clamp = (v) => Math.min(1, Math.max(0, v));
const round = (v) => Math.round(v * 1e4) / 1e4;
const near = (a, b, d) => Math.hypot(a[0] - b[0], a[1] - b[1]) < d;

function area(points) {
  let sum = 0;
  points.forEach(([x, y], i) => {
    const [u, v] = points[(i + 1) % points.length];
    sum += x * v - u * y;
  });
  return Math.abs(sum) / 2;
}

function inside([x, y], points) {
  let odd = false;
  points.forEach(([ax, ay], i) => {
    const [bx, by] = points[(i + 1) % points.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  });
  return odd;
}

/** Fewer points for the same outline (Douglas and Peucker, 1973), until at most n are left. */
export function simplify(points, n) {
  let out = points;
  for (let tolerance = 0.004; out.length > 3 && (tolerance === 0.004 || out.length > n); tolerance *= 1.5) out = peucker(points, tolerance);
  if (out.length > 3 && near(out[0], out.at(-1), NEAR)) out = out.slice(0, -1);
  return out;
}

function peucker(points, tolerance) {
  if (points.length < 3) return points;
  const [a, b] = [points[0], points.at(-1)];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  let far = 0, at = 0;
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const d = length < 1e-9 ? Math.hypot(x - a[0], y - a[1]) : Math.abs((b[0] - a[0]) * (a[1] - y) - (a[0] - x) * (b[1] - a[1])) / length;
    if (d > far) [far, at] = [d, i];
  }
  if (far <= tolerance) return [a, b];
  return [...peucker(points.slice(0, at + 1), tolerance).slice(0, -1), ...peucker(points.slice(at), tolerance)];
}
