// What the scenarios share: the browser, waiting, and asking the Go test to do
// something (see page_test.go).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const url = process.argv[2];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test for a deed, and returns its answer. */
export async function ask(deed, arg = {}) {
  process.stdout.write(`ASK ${deed} ${JSON.stringify(arg)}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`no answer to ${deed}`);
  return JSON.parse(value);
}

export function check(ok, message) {
  if (!ok) throw new Error(message);
}

/** Polls until fn returns something true, and returns it. */
export async function until(what, fn, limit = 60_000) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      last = await fn();
      if (last) return last;
    } catch (err) {
      last = err;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}; last: ${last}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

export async function shot(page, name, options) {
  mkdirSync(process.env.PAGE_SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.PAGE_SHOTS, `${name}.png`), ...options });
}

/** Runs a scenario; what the page's console complains of fails it. */
export async function scenario(run, { allow = [] } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.PAGE_CHROMIUM, headless: true, timeout: 120_000,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const complaints = [], strangers = [];
  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC", ...options });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(`${m.text()} ${m.location()?.url ?? ""}`); });
    page.on("pageerror", (err) => complaints.push(`uncaught: ${err.stack}`));
    page.on("request", (r) => { if (!r.url().startsWith(new URL(url).origin) && !/^(blob|data):/.test(r.url())) strangers.push(r.url()); });
    return page;
  };
  let failure = null, page = null;
  try {
    await run(async (options) => (page = await open(options)));
    const bad = complaints.filter((c) => !allow.some((re) => re.test(c)));
    check(bad.length === 0, `the console says:\n${bad.join("\n")}`);
    check(strangers.length === 0, `requests to others: ${strangers.join(" ")}`);
  } catch (err) {
    failure = err;
    console.error(err.stack);
    if (complaints.length) console.error(`the console says:\n${complaints.slice(0, 20).join("\n")}`);
    if (page) await shot(page, `failed-${process.argv[1].split("/").pop()}`, {}).catch(() => {});
  }
  await browser.close();
  process.exit(failure ? 1 : 0);
}

/** Waits until the page says that it is connected. */
export const live = (page) => until("the link", async () => (await page.textContent("#link")) === "Connected");

/** The SHA-256 of what an image element shows, computed by the browser itself. */
export const hashOf = (page, selector) => page.evaluate(async (sel) => {
  const src = document.querySelector(sel)?.src;
  if (!src) return "";
  const data = await new Promise((ok, no) => { // fetch may not read blob: under the page's policy
    const r = new XMLHttpRequest();
    r.open("GET", src);
    r.responseType = "arraybuffer";
    r.onload = () => ok(r.response);
    r.onerror = () => no(new Error("cannot read the picture"));
    r.send();
  }).catch(() => null);
  if (!data) return "";
  const sum = await crypto.subtle.digest("SHA-256", data);
  return [...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, "0")).join("");
}, selector);
