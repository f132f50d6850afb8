import { ask, check, live, scenario, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open();
  await page.goto(url);
  await live(page);
  const motion = page.locator(".motion");
  await until("motion", () => motion.isVisible(), 90_000);
  await until("its end", async () => !(await motion.isVisible()), 90_000);

  // A mask over everything, drawn in one stroke, shows in a second browser within a second.
  const other = await open({ viewport: { width: 360, height: 740 } });
  await other.goto(`${url}#tune`);
  await live(other);
  const page2 = await open();
  await page2.goto(`${url}#tune`);
  await live(page2);
  await until("the picture", () => page2.locator(".shot").isVisible());
  await page2.getByRole("button", { name: "Draw ignore area" }).click();
  const box = await page2.locator(".surface").boundingBox();
  const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
  await page2.mouse.move(...at([0.5, 0.003]));
  await page2.mouse.down();
  for (const p of [[0.998, 0.003], [0.998, 0.997], [0.002, 0.997], [0.002, 0.003], [0.48, 0.003]]) await page2.mouse.move(...at(p), { steps: 12 });
  await page2.mouse.up();
  const drawn = Date.now();
  await until("the mask in the second browser", async () => (await other.locator(".shape.ignore").count()) === 1);
  console.log(`a mask shows in a second browser after ${Date.now() - drawn} ms`);

  // It silences the scene: somebody walks through every 20 s or so.
  let seen = false;
  const quiet = Date.now() + 35_000;
  await until("the silence to be long enough", async () => {
    seen ||= await motion.isVisible();
    return Date.now() > quiet;
  }, 60_000);
  check(!seen, "motion in spite of the mask");

  // It survives a restart of the daemon, which serves the page: both are told and healed.
  await ask("restart");
  await live(page);
  await live(other);
  await until("the mask after the restart", async () => (await other.locator(".shape.ignore").count()) === 1);
  await other.reload();
  await live(other);
  await until("the mask after a reload", async () => (await other.locator(".shape.ignore").count()) === 1);

  // Without it motion comes again, through a restart of the broker.
  await ask("broker");
  await live(page);
  await until("the camera to be back", async () => (await page.textContent(".state")) === "Online", 90_000);
  await live(other);
  await other.getByRole("button", { name: "Delete Ignore 1" }).click();
  await until("no mask", async () => (await other.locator(".shape").count()) === 0);
  await live(page);
  await until("motion again", () => motion.isVisible(), 90_000);
}, { allow: [/WebSocket/, /502/, /ERR_CONNECTION_REFUSED/, /ERR_/] });
