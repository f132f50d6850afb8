import { ask, check, live, scenario, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  await ask("live");
  await page.goto(`${url}#tune`);
  await live(page);
  const other = await open({ viewport: { width: 360, height: 740 }, hasTouch: true });
  await other.goto(`${url}#tune/front`);
  await live(other);

  // Opening the view asks for the score, and it is plotted against the threshold.
  await until("tune", async () => (await ask("commands")).includes("tune ON"));
  await until("the plot", async () => ((await page.getAttribute(".plot .line", "points")) ?? "").split(" ").length > 3);
  check(((await page.getAttribute(".plot .limit", "points")) ?? "").length > 0, "no threshold in the plot");
  await until("the picture", async () => await page.locator(".shot").isVisible());

  // One browser leaves the view, which ends the score; the other asks for it again.
  await other.goto(`${url}#now`);
  const asked = await until("the other's tune OFF", async () => {
    const tunes = (await ask("commands")).filter((c) => c.startsWith("tune "));
    return tunes.includes("tune OFF") && tunes.length;
  });
  await until("the score to be asked for again", async () => (await ask("commands")).filter((c) => c.startsWith("tune ")).slice(asked).includes("tune ON"), 30_000);
  await until("the score again", async () => (await page.locator(".legend strong").first().textContent()) !== "–");
  await other.goto(`${url}#tune/front`);

  // A mask drawn in one stroke shows in the other browser within a second of its echo.
  const surface = page.locator(".surface");
  await until("the camera's mask", async () => (await page.locator(".shape").count()) === 1);
  await page.getByRole("button", { name: "Draw ignore area" }).click();
  const box = await surface.boundingBox();
  const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
  await page.mouse.move(...at(0.1, 0.1));
  await page.mouse.down();
  for (const [x, y] of [[0.3, 0.1], [0.35, 0.3], [0.3, 0.5], [0.1, 0.5], [0.1, 0.11]]) await page.mouse.move(...at(x, y), { steps: 8 });
  await page.mouse.up();
  await until("the mask to be sent", async () => (await ask("commands")).some((c) => c.startsWith("masks/set ")));
  const sent = JSON.parse((await ask("commands")).find((c) => c.startsWith("masks/set ")).slice(10));
  check(sent.ignore.length === 2 && sent.ignore[1].length >= 4 && sent.ignore[1].length <= 24, `sent ${JSON.stringify(sent)}`);
  check(sent.ignore[1].flat().every((v) => v >= 0 && v <= 1), "not fractions");
  await until("the mask in the other browser", async () => (await other.locator(".shape").count()) === 2);
  await until("its echo", async () => (await page.locator(".row .soft[role=status]").textContent()) === "");

  // Point by point; then the keyboard moves a corner, deletes, and undoes.
  await page.locator("label", { hasText: "Watch" }).click();
  await page.getByRole("button", { name: "Draw watch area" }).click();
  for (const p of [[0.5, 0.5], [0.8, 0.5], [0.8, 0.9], [0.5, 0.9]]) await page.mouse.click(...at(...p));
  await page.getByRole("button", { name: "Close shape" }).click();
  await until("a zone", async () => (await other.locator(".shape.watch").count()) === 1);
  await page.getByRole("button", { name: "Edit corners of Watch 1" }).click();
  await page.locator(".handle").first().focus();
  await page.keyboard.press("ArrowLeft");
  await until("the corner to move", async () => (await other.getAttribute(".shape.watch", "points"))?.startsWith("0.49,0.5 "));
  await page.getByRole("button", { name: "Delete Watch 1" }).click();
  await until("no zone", async () => (await other.locator(".shape.watch").count()) === 0);
  await page.getByRole("button", { name: "Undo" }).click();
  await until("the zone again", async () => (await other.locator(".shape.watch").count()) === 1);

  // Sensitivity, trigger and pause are echoed; a refused one is told and undone.
  await page.getByLabel("Sensitivity").focus();
  await page.keyboard.press("ArrowRight");
  await until("sensitivity", async () => (await other.locator("output").textContent()) === "51");
  await page.getByLabel("Trigger").selectOption("both");
  await until("trigger", async () => (await other.getByLabel("Trigger").inputValue()) === "both");
  await page.getByLabel("Pause after an event").fill("13");
  await page.keyboard.press("Enter");
  await until("the refusal to be told", async () => /did not confirm/.test(await page.textContent(".trouble")));
  await until("the old value", async () => (await page.getByLabel("Pause after an event").inputValue()) === "10");

  // A retained mask of nonsense does no harm.
  await ask("say", { name: "masks", payload: '{"ignore":[[["a",1],[2,3],null]],"privacy":"x"}' });
  await until("no shapes", async () => (await page.locator(".shape").count()) === 0);
  // Before a camera has told its masks none can be drawn: they would replace those it has.
  await ask("say", { name: "masks", payload: "" });
  await until("no drawing", () => page.getByRole("button", { name: /^Draw/ }).isDisabled());
  check(await page.getByRole("button", { name: "Add a rectangle" }).isDisabled(), "a rectangle could replace the camera's masks");
  await page.click('nav a[data-view="now"]');
  await until("tune to be ended", async () => (await ask("commands")).includes("tune OFF"));
});
