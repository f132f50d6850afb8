import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ask, check, live, scenario, shot, until, url } from "./lib.mjs";

scenario(async (open) => {
  const old = await ask("burst", { pictures: 6, hours: 30 });
  await ask("burst", { camera: 1, pictures: 3, hours: 29 });
  const page = await open();
  await page.goto(`${url}#events`);
  await live(page);
  await until("two events", async () => (await page.locator(".event").count()) === 2);
  await until("covers", () => page.locator(".cover img").evaluateAll((l) => l.length === 2 && l.every((i) => i.naturalWidth === 640)));
  const first = page.locator(".event").nth(1);
  check(/front.*Sensor and picture\s· 6\.2\ss\s· 3\.1\s%\s· 6\spictures/s.test(await first.textContent()), `event's line: ${await first.textContent()}`);

  // One more happens while the page is open.
  await ask("burst", { pictures: 4 });
  await until("the new event", async () => (await page.locator(".event").count()) === 3);
  check((await page.locator(".day").count()) >= 2, "events are not grouped by day");

  // By camera and by day.
  await page.getByLabel("Camera").selectOption("back");
  await until("the other camera's event", async () => (await page.locator(".event").count()) === 1 && /back/.test(await page.textContent(".event")));
  await page.getByLabel("Camera").selectOption("");
  const day = new Date(Date.now() - 26 * 3600e3).toISOString().slice(0, 10);
  await page.getByLabel("Up to").fill(day);
  await until("the day's events", async () => (await page.locator(".event").count()) === 2);

  // The film: its best picture first; it plays from beginning to end, with the box, and keys step through it.
  await page.locator(".event").filter({ hasText: "front" }).locator("a").click();
  await until("the strip", async () => (await page.locator(".strip li").count()) === 6);
  const shown = page.locator(".player .shot");
  check((await shown.getAttribute("data-pic")) === `${old.id}-03`, "the best picture is not shown first");
  const seen = new Set();
  await page.getByRole("button", { name: "Play" }).click();
  await until("the film's end", async () => {
    seen.add(await shown.getAttribute("data-pic"));
    return seen.has(`${old.id}-05`) && (await page.getByRole("button", { name: "Play" }).count()) === 1;
  });
  check(seen.has(`${old.id}-00`) && seen.size >= 5, `the film showed ${[...seen]}`);
  check(await page.locator(".player .box").isVisible(), "no box on the last picture");
  await page.getByRole("button", { name: "Show the detector's box" }).click();
  await until("no box", async () => !(await page.locator(".player .box").isVisible()));
  await page.locator("h1").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  await until("a step by key", async () => (await shown.getAttribute("data-pic")) === `${old.id}-01`);
  check(/^2 of 6/.test(await page.textContent(".player figcaption")), "caption");

  // The archive's picture is the camera's, and the ZIP holds the event.
  const src = await shown.evaluate((img) => img.src);
  const jpeg = await (await page.request.get(src)).body();
  check(createHash("sha256").update(jpeg).digest("hex") === old.pictures[`${old.id}-01`], "the archive's picture differs");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Event as ZIP" }).click()]);
  const zip = readFileSync(await download.path());
  check(zip.readUInt32LE(0) === 0x04034b50 && zip.includes(jpeg) && zip.includes(`${old.id}.json`), "the ZIP lacks the picture or the summary");

  // A day of ours that touches two of the archive's, which counts in UTC, has two
  // ZIPs; they fit on a phone.
  const midnight = new Date().setUTCHours(-24, 0, 0, 0);
  for (const t of [midnight - 20 * 60e3, midnight + 20 * 60e3]) await ask("burst", { camera: 1, pictures: 2, hours: (Date.now() - t) / 3600e3 });
  const phone = await open({ viewport: { width: 360, height: 740 }, timezoneId: "Pacific/Auckland" });
  await phone.goto(`${url}#events`);
  await until("two ZIPs for a day", () => phone.locator(".downloads").evaluateAll((l) => l.some((d) => d.children.length === 2)));
  check(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the screen");
  await shot(phone, "events-two-days");

  // The address can be opened again.
  await page.reload();
  await until("the film again", async () => (await page.locator(".strip li").count()) === 6);
  await page.goto(`${url}#event/front/no-such-event`);
  await until("an honest answer", async () => /No pictures of this event/.test(await page.textContent(".player .blank")));
});
