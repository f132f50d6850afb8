import { check, live, scenario, until, url } from "./lib.mjs";

const all = Number(process.argv[3]);

scenario(async (open) => {
  const page = await open({ viewport: { width: 360, height: 740 } });
  await page.goto(`${url}#events`);
  await live(page);
  const cards = page.locator(".event");
  const older = page.getByRole("button", { name: "Older events" });
  await until("the first events", async () => (await cards.count()) >= 40);
  for (;;) {
    await until("the button, or the end", async () => (await older.isVisible()) || (await cards.count()) >= all);
    if (!(await older.isVisible())) break;
    const before = await cards.count();
    await older.click();
    await until("older events", async () => (await cards.count()) > before);
  }
  const links = await cards.locator("a").evaluateAll((l) => l.map((a) => a.hash));
  check(links.length === all && new Set(links).size === all, `${links.length} events, ${new Set(links).size} different, of ${all}`);
  const slow = await page.evaluate(async () => {
    let worst = 0, last = performance.now();
    const end = last + 4000;
    while (last < end) {
      await new Promise((r) => setTimeout(r, 10));
      const now = performance.now();
      [worst, last] = [Math.max(worst, now - last - 10), now];
    }
    return worst;
  });
  console.log(`${links.length} events on a phone: longest pause in 4 s ${Math.round(slow)} ms`);

  // A server that never answers is told, and asked again.
  const stuck = await open();
  await stuck.clock.install();
  await stuck.route("**/api/events*", () => {});
  await stuck.goto(`${url}#events`);
  await until("the waiting", async () => /Loading/.test(await stuck.textContent(".empty[role=status]")));
  await stuck.clock.runFor(61_000);
  await until("the truth", async () => { await stuck.clock.runFor(100); return /does not answer/.test(await stuck.textContent(".empty[role=status]")); }, 20_000);
  await stuck.unroute("**/api/events*");
  await stuck.getByRole("button", { name: "Try again" }).click();
  await until("the events after all", async () => { await stuck.clock.runFor(100); return (await stuck.locator(".event").count()) >= 40; });
}, { allow: [/ERR_ABORTED/, /WebSocket is closed before/] }); // the clock that jumped
