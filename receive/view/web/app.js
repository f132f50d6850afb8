// The page's start: what the server says it stands on, the link to the broker,
// the views, and the one place that decides when something is drawn.

import { get } from "./api.js";
import { attr, h, show, text } from "./dom.js";
import { moment, span, time } from "./format.js";
import { Link } from "./link.js";
import { Store, TOPICS } from "./store.js";
import { eventView } from "./event.js";
import { eventsView } from "./events.js";
import { healthView } from "./health.js";
import { nowView } from "./now.js";
import { tuneView } from "./tune.js";

const VIEWS = { now: nowView, events: eventsView, event: eventView, health: healthView, tune: tuneView };
const main = document.getElementById("main");
const say = document.getElementById("say");

/** A token in the address is taken out of it, and kept for this tab. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  sessionStorage.setItem("pirwatch.token", given);
  sessionStorage.removeItem("pirwatch.password");
  history.replaceState(null, "", location.pathname);
}

/** The user and password for the broker: as typed in, else the token where the server names its user. */
function credentials(info) {
  const password = sessionStorage.getItem("pirwatch.password");
  if (password !== null) return [sessionStorage.getItem("pirwatch.user"), password];
  const token = sessionStorage.getItem("pirwatch.token");
  if (!info.user) sessionStorage.removeItem("pirwatch.token");
  return info.user && token ? [info.user, token] : ["", ""];
}

async function start() {
  takeToken();
  let info;
  try {
    info = await get("info");
  } catch (err) {
    main.replaceChildren(h("div", { class: "empty", role: "alert" }, h("p", { text: err.message }),
      h("button", { type: "button", class: "primary", onclick: () => location.reload(), text: "Try again" })));
    return;
  }
  const store = new Store(info.base);
  for (const name of info.cameras) store.camera(name);
  const app = {
    info, store, link: null,
    /** Tells a screen reader. */
    announce: (what) => text(say, what),
    /** Asks a camera for a setting; its echo answers. */
    set(camera, name, value) {
      if (!app.link.publish(`${info.base}/${camera.name}/${name}/set`, value)) return false;
      store.asked(camera, name, value);
      return true;
    },
    /** Sends a camera a command that has no echo. */
    command: (camera, name, value) => app.link.publish(`${info.base}/${camera.name}/${name}`, value),
    go: (route) => { location.hash = route; },
  };

  let view = null, wanted = false, title = "";
  const draw = () => {
    wanted = false;
    drawLink(app);
    const moves = app.link.state === "online" && [...store.cameras.values()].some((c) => c.motion === "ON" && c.status !== "offline");
    const named = moves ? `● ${title}` : title; // to be seen on a tab behind others
    if (document.title !== named) document.title = named;
    view?.update();
  };
  const redraw = () => {
    if (!wanted) requestAnimationFrame(draw);
    wanted = true;
  };
  app.redraw = redraw;
  store.changed = redraw;
  store.onEvent = (c, e, type) => app.announce(`${type === "manual" ? "Pictures by hand" : "Motion"} at ${c.name}, ${time(e.started ?? new Date())}`);

  app.link = new Link(Object.fromEntries(Object.entries(TOPICS).map(([t, qos]) => [`${info.base}/+/${t}`, qos])), {
    changed: () => {
      if (app.link.state === "denied") askBroker(app);
      if (app.link.state === "online") closeDialog();
      redraw();
    },
    connected: () => store.connected(),
    message: (...m) => store.message(...m),
  });

  const route = () => {
    const [name, ...args] = location.hash.slice(1).split("/").map((part) => { try { return decodeURIComponent(part); } catch { return ""; } });
    const known = Object.hasOwn(VIEWS, name) ? name : "now";
    view?.leave?.();
    main.replaceChildren();
    main.dataset.view = known;
    view = VIEWS[known](main, app, args);
    for (const a of document.querySelectorAll("nav a")) attr(a, "aria-current", a.dataset.view === (known === "event" ? "events" : known) ? "page" : null);
    title = `${known[0].toUpperCase()}${known.slice(1)} · pirwatch`;
    view.update();
    scrollTo(0, 0);
  };
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#token=")) {
      takeToken();
      location.reload();
      return;
    }
    route();
    main.focus({ preventScroll: true });
  });
  addEventListener("pagehide", () => view?.leave?.());
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); }); // its view has been left
  route();

  const logout = document.getElementById("logout");
  show(logout, info.login);
  logout.addEventListener("click", async () => {
    sessionStorage.clear();
    await fetch("api/logout", { method: "POST" }).catch(() => {});
    location.replace(location.pathname);
  });

  app.link.connect(...credentials(info));
  setInterval(() => { store.expire(); redraw(); }, 1000);
}

const pill = document.getElementById("link");
const banner = document.getElementById("banner");
const bannerText = h("span");
const bannerNext = h("span", { class: "soft", "aria-live": "off" });
const bannerTry = h("button", { type: "button", class: "quiet", text: "Try now" });
banner.append(bannerText, bannerNext, bannerTry);
let asked = 0, reason = "";

/** Says in words whether what is shown is still true. */
function drawLink(app) {
  const { link } = app;
  bannerTry.onclick = () => link.retry();
  const words = { connecting: "Connecting…", online: "Connected", lost: "Link lost", denied: "Not admitted" };
  text(pill, words[link.state]);
  attr(pill, "data-state", link.state);
  attr(document.body, "data-link", link.state);
  const lost = link.state === "lost";
  show(banner, lost);
  if (!lost) { reason = ""; asked = 0; return; }
  if (asked !== link.since) { // once a loss: is it the server, or the broker behind it?
    asked = link.since;
    get("info").then(() => { reason = "The broker does not answer."; }, (err) => { reason = err.message; }).finally(() => app.redraw());
  }
  text(bannerText, `Link lost since ${moment(new Date(link.since))}. ${link.why || reason} What is shown may be old.`);
  const wait = (link.nextTry - Date.now()) / 1000;
  text(bannerNext, link.nextTry && wait > 0 ? `Next try in ${span(Math.ceil(wait))}.` : "Trying…");
  show(bannerTry, link.nextTry && wait > 1);
}

let dialog = null;

function closeDialog() {
  dialog?.remove();
  dialog = null;
}

/** The broker's own login: kept for this tab alone, and never in the address. */
function askBroker(app) {
  closeDialog();
  const user = h("input", { id: "mqtt-user", autocomplete: "username", autocapitalize: "none", spellcheck: "false", value: app.link.user ?? "" });
  const password = h("input", { id: "mqtt-password", type: "password", autocomplete: "current-password" });
  dialog = h("dialog", { class: "panel", "aria-labelledby": "mqtt-title" },
    h("h2", { id: "mqtt-title", text: "The broker's login" }),
    h("p", { text: app.link.why }),
    h("form", {
      onsubmit: (e) => {
        e.preventDefault();
        sessionStorage.setItem("pirwatch.user", user.value);
        sessionStorage.setItem("pirwatch.password", password.value);
        closeDialog();
        app.link.connect(user.value, password.value);
      },
    },
    h("label", { for: "mqtt-user", text: "MQTT user" }), user,
    h("label", { for: "mqtt-password", text: "Password" }), password,
    h("button", { type: "submit", class: "primary", text: "Connect" })));
  document.body.append(dialog);
  dialog.addEventListener("cancel", (e) => e.preventDefault());
  dialog.showModal();
  user.focus();
}

start();
