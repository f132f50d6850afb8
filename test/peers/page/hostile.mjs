import { ask, check, live, scenario, until, url } from "./lib.mjs";

const NAME = `<img src=x onerror="document.title='pwned'">`;

scenario(async (open) => {
  const page = await open();
  await page.addInitScript(() => { // counts the bytes that the page keeps as blobs
    globalThis.blobs = new Map();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (b) => { const u = createObjectURL.call(URL, b); globalThis.blobs.set(u, b.size); return u; };
    URL.revokeObjectURL = (u) => { globalThis.blobs.delete(u); revokeObjectURL.call(URL, u); };
  });
  await page.goto(url);
  await live(page);
  await until("both cameras", async () => (await page.locator("article.camera").count()) === 2);
  const clean = async (where) => {
    check(!(await page.title()).includes("pwned"), `${where}: a stranger's script ran`);
    check((await page.locator('img[src="x"], main script').count()) === 0, `${where}: a stranger's markup became elements`);
  };
  await ask("hostile");
  await until("the name as text", async () => (await page.locator("h2").allTextContents()).includes(NAME));
  await ask("burst", { camera: 1, pictures: 2 });
  await until("its pictures", async () => (await page.locator(".camera").filter({ hasText: "onerror" }).locator('li[data-state="done"]').count()) === 2);
  await clean("now");
  for (const view of ["events", "health", "tune"]) {
    await page.click(`nav a[data-view="${view}"]`);
    await until(view, async () => (await page.textContent("main")).includes("onerror") || (await page.locator("option", { hasText: "onerror" }).count()) > 0);
    await clean(view);
  }
  await page.goto(`${url}#tune/${encodeURIComponent(NAME)}`);
  await page.goto(`${url}#events`);
  await page.locator(".event").filter({ hasText: "onerror" }).first().locator("a").click();
  await until("its film", async () => (await page.textContent("main")).includes(NAME));
  await clean("event");
  for (const route of ["#event", "#event/%/%", "#nothing", "#__proto__", "#constructor", "#events/%E0%A4%A", "#tune/x/y/z"]) {
    await page.goto(url + route);
    await until(route, async () => (await page.locator("main > *").count()) > 0);
  }

  // A flood: the page stays responsive, and its memory bounded.
  await page.goto(`${url}#now`);
  await live(page);
  const heap = () => page.evaluate(async () => performance.memory.usedJSHeapSize);
  const before = await heap();
  await page.evaluate(() => {
    globalThis.slowest = 0;
    let last = performance.now();
    setInterval(() => { const now = performance.now(); globalThis.slowest = Math.max(globalThis.slowest, now - last - 20); last = now; }, 20);
  });
  const flood = ask("flood");
  await flood;
  const sent = await ask("burst", { pictures: 2 });
  await until("an honest camera's burst after the flood", async () => (await page.locator(`.tiles li[data-pic^="${sent.id}"][data-state="done"]`).count()) === 2, 120_000);
  const armed = page.locator(".camera").filter({ hasNotText: "onerror" }).getByRole("switch");
  const start = Date.now();
  await armed.click();
  await until("the switch", async () => /Disarmed/.test(await armed.textContent()));
  const slowest = await page.evaluate(() => globalThis.slowest);
  const grown = (await heap()) - before;
  const tiles = await page.locator(".tiles li").count();
  console.log(`flood of 10000 pieces: longest pause ${Math.round(slowest)} ms, heap grew ${(grown / 1e6).toFixed(1)} MB, switch answered after ${Date.now() - start} ms, ${tiles} tiles`);
  check(slowest < 10_000, `the page stood still for ${slowest} ms`);
  check(grown < 100e6, `the heap grew by ${grown} bytes`);
  check(tiles <= 210, `${tiles} tiles`);

  // Whole pictures of many strange cameras do not pile up either.
  const told = await ask("whole", { cameras: 30, megabytes: 5 });
  await until("the last of them", async () => (await page.locator("h2").allTextContents()).includes(told));
  const held = await until("what is kept to be bounded", async () => {
    const sum = await page.evaluate(() => [...globalThis.blobs.values()].reduce((a, b) => a + b, 0));
    return sum < 80e6 && sum;
  }, 30_000);
  console.log(`of 150 MB of whole pictures ${(held / 1e6).toFixed(0)} MB are kept`);
});
