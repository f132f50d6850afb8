import { ask, check, live, scenario, shot, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open();
  await page.goto(url);
  await live(page);
  await page.waitForSelector(".camera");

  // A burst appears, and what is shown is what the camera sent, to the byte.
  const sent = await ask("burst", { pictures: 4 });
  for (const [id, sum] of Object.entries(sent.pictures)) {
    const tile = page.locator(`.tiles li[data-pic="${id}"]`);
    await until(`picture ${id}`, async () => (await tile.getAttribute("data-state")) === "done");
    check((await tile.getAttribute("data-sha256")) === sum, `picture ${id} has another hash`);
    check(await tile.locator("img").evaluate((img) => img.decode().then(() => img.naturalWidth === 640)), `picture ${id} does not decode`);
  }
  // What moved: the best picture, when it is over. Is it still there: no.
  const shown = page.locator(".camera .shot");
  await until("the best picture", async () => (await shown.getAttribute("data-pic")) === `${sent.id}-02`);
  check((await shown.getAttribute("data-sha256")) === sent.pictures[`${sent.id}-02`], "the best picture has another hash");
  check(/^Best picture of the event\s· \d\d:\d\d:\d\d, (now|\d+\ss ago)$/.test(await page.textContent(".camera figcaption")), `caption: ${await page.textContent(".camera figcaption")}`);
  await until("the event's line", async () => /Sensor and picture.*4 of 4\spictures/.test(await page.textContent(".burst")));
  await until("how long it has been quiet", async () => /^Quiet for \d+\ss\.$/.test(await page.textContent(".still")));

  // While it moves: the newest picture, and for how long.
  const going = await ask("burst", { pictures: 3, open: true });
  await until("the newest picture", async () => (await shown.getAttribute("data-pic")) === `${going.id}-02`);
  await until("how long it has been moving", async () => /^Moving for \d+\ss$/.test(await page.textContent(".motion")));
  check((await page.title()) === "● Now · pirwatch", `the title does not tell the motion: ${await page.title()}`);
  await ask("say", { name: "motion", payload: "OFF" });

  // An incomplete picture is told, with its pieces counted; asking again sends the command.
  const torn = await ask("burst", { pictures: 2, skip: 3 });
  const part = page.locator(`.tiles li[data-pic="${torn.id}-01"]`);
  await until("the picture to begin", async () => (await part.getAttribute("data-state")) === "coming");
  const bar = part.locator("progress");
  await until("its pieces", async () => Number(await bar.getAttribute("max")) - (await bar.evaluate((b) => b.value)) === 3);
  await page.evaluate(() => { const now = performance.now.bind(performance); performance.now = () => now() + 61_000; });
  await until("the picture to be told incomplete", async () => (await part.getAttribute("data-state")) === "lost");
  check(/1 incomplete/.test(await page.textContent(".burst")), "the event does not tell the incomplete picture");
  await part.getByRole("button", { name: "Ask again" }).click();
  await until("resend", async () => (await ask("commands")).includes(`resend {"pic_id":"${torn.id}-01"}`));
  await until("the picture to be awaited", async () => (await part.getAttribute("data-state")) === "coming");
  await page.evaluate(() => { const now = performance.now.bind(performance); performance.now = () => now() + 61_000; });
  await until("the asking to be told in vain", async () => (await part.getAttribute("data-state")) === "lost");

  // The switch and the button.
  const armed = page.getByRole("switch");
  check((await armed.getAttribute("aria-checked")) === "true", "not armed at first");
  await armed.click();
  await until("disarmed", async () => /Disarmed/.test(await armed.textContent()));
  check((await ask("commands")).includes("armed/set OFF"), "armed/set was not sent");
  await armed.focus();
  await page.keyboard.press("Space");
  await until("armed", async () => /: Armed/.test(await armed.textContent()));
  await page.getByRole("button", { name: "Take pictures" }).click();
  await until("a burst by hand", async () => /By hand.*2 of 2\spictures/.test(await page.textContent(".burst")));
  check((await ask("commands")).includes("capture PRESS"), "capture was not sent");
  await until("the button to be ready again", async () => (await page.getByRole("button", { name: "Take pictures" }).getAttribute("aria-busy")) === null);

  // Motion, live picture, offline.
  await ask("say", { name: "motion", payload: "ON" });
  await page.locator(".motion").waitFor();
  await until("why there are no pictures of it", async () => /pauses after an event/.test(await page.textContent(".still")));
  await ask("live");
  await page.getByRole("button", { name: "Live" }).click();
  await until("the live picture", async () => (await shown.getAttribute("alt")) === "Live picture of front");
  await ask("say", { name: "status", payload: "offline" });
  await until("offline", async () => /Offline since/.test(await page.textContent(".state")));
  check(!(await page.locator(".motion").isVisible()), "motion is shown of an offline camera");
  await shot(page, "now-offline");

  // What a camera was at when it went is not still going on.
  await ask("say", { name: "status", payload: "online" });
  await ask("burst", { pictures: 2, open: true });
  await until("the event now", async () => /^Event now/.test(await page.textContent(".burst h3")));
  await ask("say", { name: "status", payload: "offline" });
  await until("the event to be past", async () => /^Last event/.test(await page.textContent(".burst h3")));
  await page.click('nav a[data-view="events"]');
  await until("events", async () => (await page.locator(".event").count()) >= 4);
  check(!/·\snow\s·/.test(await page.locator(".event").first().textContent()), `an event of an offline camera goes on: ${await page.locator(".event").first().textContent()}`);
  await page.locator(".event a").first().click();
  await until("its facts", async () => /Trigger/.test(await page.textContent("dl.facts")));
  check(!/still going on/.test(await page.textContent("dl.facts")), "an event of an offline camera is still going on");
});
