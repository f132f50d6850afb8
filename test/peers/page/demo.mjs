import { createHash } from "node:crypto";
import { check, live, scenario, shot, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open({ colorScheme: "dark" });
  await page.goto(url);
  await live(page);
  check(!page.url().includes("token"), "the token stays in the address");
  await page.waitForSelector("article.camera");

  const phone = await open({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true });
  await phone.goto(url);
  await live(phone);

  // The first event comes by itself; what is shown is what the camera took, to the byte.
  const tiles = page.locator('.tiles li[data-state="done"][data-sha256]');
  await until("pictures of an event", async () => (await tiles.count()) >= 7, 90_000);
  await until("the box over what moves", async () => await page.locator(".screen .box").isVisible() && await phone.locator(".screen .box").isVisible(), 60_000);
  await shot(page, "demo-now-1280-dark");
  await shot(phone, "demo-now-360-light");
  const [id, sum] = await tiles.nth(2).evaluate((li) => [li.dataset.pic, li.dataset.sha256]);
  const kept = await until("the camera's own copy", async () => {
    const res = await page.request.get(new URL(`api/picture?camera=demo&id=${id}`, url).href);
    return res.ok() && (await res.body());
  });
  check(createHash("sha256").update(kept).digest("hex") === sum, "the picture shown is not the one the camera kept");
  // The switch and the button are obeyed.
  const armed = page.getByRole("switch");
  await armed.click();
  await until("disarmed here and there", async () => /Disarmed/.test(await armed.textContent()) && /Disarmed/.test(await phone.getByRole("switch").textContent()));
  await page.getByRole("button", { name: "Take pictures" }).click();
  await until("a burst by hand", async () => /By hand.*[1-9] of/.test(await page.textContent(".burst")));
  await armed.click();
  await until("armed again", async () => /: Armed/.test(await armed.textContent()));

  // Its past is there too, and plays.
  await page.click('nav a[data-view="events"]');
  await until("a closed event with its cover", () => page.locator(".event").evaluateAll((l) => l.some((e) => /\d\ss\s·/.test(e.textContent) && e.querySelector("img")?.naturalWidth > 0)), 60_000);
  await shot(page, "demo-events-1280-dark");
  await page.locator(".event", { hasText: /Picture|Sensor/ }).last().locator("a").click();
  await until("the strip", async () => (await page.locator(".strip li").count()) >= 4);
  await page.locator(".strip li").nth(3).locator("button").click();
  await until("a box", () => page.locator(".player .box").isVisible());
  await shot(page, "demo-event-1280-dark");
  await page.click('nav a[data-view="tune"]');
  await page.getByRole("button", { name: "Draw ignore area" }).click();
  const box = await page.locator(".surface").boundingBox();
  const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
  await page.mouse.move(...at(0.72, 0.05));
  await page.mouse.down();
  for (const p of [[0.92, 0.03], [0.99, 0.3], [0.96, 0.48], [0.8, 0.52], [0.66, 0.42], [0.65, 0.2], [0.71, 0.06]]) await page.mouse.move(...at(...p), { steps: 6 });
  await page.mouse.up();
  await until("the mask's echo", async () => (await page.locator(".shape.ignore").count()) === 1 && (await page.textContent(".row .soft[role=status]")) === "");
  await until("the score, and somebody in it", async () => {
    const points = ((await page.getAttribute(".plot .line", "points")) ?? "").split(" ").map((p) => Number(p.split(",")[1]));
    return points.length > 20 && Math.min(...points) < 60 && await page.locator(".box").isVisible();
  }, 90_000);
  await shot(page, "demo-tune-1280-dark");
  await page.click('nav a[data-view="health"]');
  await until("health", async () => /Motion sensor\s*ok/.test(await page.textContent("main")));
}, { allow: [/401/] });
