import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ask, check, live, scenario, shot, until, url } from "./lib.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Lets axe-core look at what is shown; serious faults fail. */
async function accessible(page, name) {
  const faults = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`);
  });
  for (const f of faults) console.log(`${name}: ${f}`);
  check(!faults.some((f) => /^(serious|critical)/.test(f)), `${name}: serious accessibility faults`);
}

scenario(async (open) => {
  await ask("day");
  const last = await ask("burst", { pictures: 6, hours: 0.05 });
  for (const [theme, width, height] of [["dark", 360, 740], ["light", 360, 740], ["dark", 1280, 800], ["light", 1280, 800]]) {
    // axe-core comes from outside; the page's own policy would refuse it, as it should.
    const page = await open({ colorScheme: theme, viewport: { width, height }, bypassCSP: true, hasTouch: width < 400, deviceScaleFactor: width < 400 ? 2 : 1 });
    await page.addInitScript(axe);
    await page.addInitScript(() => {
      const log = [];
      for (let i = 200; i > 0; i--) {
        log.push({ t: Date.now() - i * 60e3, on: i > 120 && i < 128 ? 0 : 1, q: i > 115 && i < 132 ? 132 - i : 0, d: i < 118 ? 2 : 0, s: Math.floor((200 - i) / 40), c: 46 + 4 * Math.sin(i / 20) + Math.sin(i), f: 9.6 + 0.3 * Math.sin(i / 3) });
      }
      for (const name of ["front-door", "garden"]) if (!localStorage.getItem(`pirwatch.health.${name}`)) localStorage.setItem(`pirwatch.health.${name}`, JSON.stringify(log));
    });
    const name = (view) => `${view}-${width}-${theme}`;
    await page.goto(url);
    await live(page);
    await until("both cameras", async () => (await page.locator(".camera").count()) === 2);
    await ask("burst", { pictures: 7, skip: 5, open: true });
    await until("pictures", async () => (await page.locator('.tiles li[data-state="done"]').count()) >= 6);
    await page.waitForFunction(() => [...document.images].every((i) => i.hidden || !i.src || i.complete));
    await shot(page, name("now"));
    await accessible(page, name("now"));

    await page.click('nav a[data-view="events"]');
    await until("events", async () => (await page.locator(".event").count()) >= 10);
    await page.waitForFunction(() => [...document.images].every((i) => i.hidden || i.loading === "lazy" || i.complete));
    await page.waitForLoadState("networkidle");
    await shot(page, name("events"));
    await accessible(page, name("events"));

    await page.goto(`${url}#event/front-door/${last.id}/${last.id}-03`);
    await until("the film", async () => (await page.locator(".strip li").count()) === 6);
    await page.waitForLoadState("networkidle");
    await shot(page, name("event"));
    await accessible(page, name("event"));

    await page.click('nav a[data-view="health"]');
    await page.waitForSelector(".chart .line");
    await shot(page, name("health"));
    await accessible(page, name("health"));

    await page.click('nav a[data-view="tune"]');
    await until("the score", async () => ((await page.getAttribute(".plot .line", "points")) ?? "").split(" ").length > 6);
    await page.getByRole("button", { name: /Edit corners/ }).first().click();
    await shot(page, name("tune"));
    await accessible(page, name("tune"));

    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    check(!wide, `${name("tune")}: wider than the screen`);
    await page.context().close();
  }
}, { allow: [/bypass/i] });
