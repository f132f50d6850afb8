import { ask, check, live, scenario, shot, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open({ colorScheme: "dark" });
  await page.goto(url);
  await live(page);
  const before = await ask("burst", { pictures: 2 });
  await until("the burst", async () => (await page.locator('.tiles li[data-state="done"]').count()) === 2);

  await ask("say", { name: "motion", payload: "ON" });
  await page.locator(".motion").waitFor();
  await ask("stop");
  const banner = page.locator("#banner");
  await banner.waitFor();
  await until("what was lost, since when, and why", async () => /Link lost since \d\d:\d\d:\d\d.*The broker does not answer/.test(await banner.textContent()));
  await until("when the next try is", async () => /Next try in \d+\ss/.test(await banner.textContent()));
  check(await page.locator(`.tiles li[data-pic="${before.id}-00"]`).isVisible(), "the pictures are gone with the link");
  await until("an honest word on what moved", async () => /moved when it was last heard of/.test(await page.textContent(".still")));
  check(!(await page.locator(".motion").isVisible()), "motion is told without a link");
  await page.getByRole("switch").click();
  await until("an honest switch", async () => /Not sent: there is no link/.test(await page.textContent(".trouble")));
  check((await page.getByRole("switch").getAttribute("aria-checked")) === "true", "the switch pretends");
  await shot(page, "link-lost");

  await ask("start");
  await live(page);
  check(!(await banner.isVisible()), "the banner stays");
  const after = await ask("burst", { pictures: 2 });
  await until("the burst after it", async () => (await page.locator(`.tiles li[data-pic^="${after.id}"][data-state="done"]`).count()) === 2);

  // A phone that wakes up with a dead connection finds out at once, not when the
  // next keep-alive is missed.
  await ask("freeze");
  const unheard = await ask("burst", { pictures: 2 });
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  const woke = Date.now();
  await until("the link to be made anew", async () => (await page.textContent("#link")) === "Connected" && (await page.textContent(".burst h3")).length > 0 && (await page.locator(`.burst a[href*="${unheard.id}"]`).count()) === 1, 25_000);
  console.log(`a dead connection is replaced ${Date.now() - woke} ms after the phone woke up`);

  // A broker that lets the page in and throws it out at once is not stormed.
  await ask("kick", true);
  await banner.waitFor();
  const before2 = await ask("dials");
  await new Promise((r) => setTimeout(r, 20_000));
  const dials = (await ask("dials")) - before2;
  console.log(`${dials} connections in 20 s to a broker that throws the page out`);
  check(dials >= 1 && dials <= 8, `${dials} connections in 20 s`);
  await ask("kick", false);
  await live(page);
}, { allow: [/WebSocket connection to .* failed/, /502/, /WebSocket is already in CLOSING/] });
