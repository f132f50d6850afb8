import { ask, check, live, scenario, shot, until, url } from "./lib.mjs";

// The drawn scene's tree stands in the right part of the picture, above this line.
const LEFT = 0.6, BELOW = 0.75;
const inTree = ([x, y, w, h]) => x >= LEFT && y + h <= BELOW;

scenario(async (open) => {
  let begun = Date.parse(await ask("begun"));
  const seconds = (t, from = begun) => `${((t - from) / 1000).toFixed(1)} s`;
  const page = await open();
  await page.goto(`${url}#tune`);
  await live(page);
  const other = await open({ viewport: { width: 360, height: 740 } });
  await other.goto(`${url}#tune`);
  await live(other);

  /** The closed events since a time, oldest first, each with its boxes. */
  const events = async (since) => {
    const res = await page.request.get(new URL(`api/events?camera=front&from=${new Date(since).toISOString()}`, url).href);
    const closed = (await res.json()).events.filter((e) => e.summary?.phase === "closed");
    return closed.map(({ summary: s }) => ({ start: Date.parse(s.started_at), end: Date.parse(s.ended_at), boxes: Object.values(s.boxes ?? {}) })).reverse();
  };
  const what = (e) => (e.boxes.length === 0 ? "something" : e.boxes.every(inTree) ? "tree" : "somebody");
  const ofTree = (e) => what(e) === "tree";
  /** Who walks through the scene 3 s after its start, by which its clock is known. */
  const visitor = (list) => list.find((e) => what(e) === "somebody");
  const told = (list) => list.map((e) => `${what(e)} after ${seconds(e.start)}`).join(", ");

  // Set to its most sensitive in the page, the detector takes the windy tree for somebody.
  await page.getByLabel("Sensitivity").focus();
  await page.keyboard.press("End");
  await until("sensitivity 100 in the second browser", async () => (await other.locator("output").textContent()) === "100");
  const bare = await until("two alarms of the tree", async () => {
    const list = await events(begun);
    return list.filter(ofTree).length >= 2 && list;
  }, 180_000);
  console.log(`without a mask: ${told(bare)}`);
  check(visitor(bare), "nobody walked through");
  const alarming = bare.findLast(ofTree).end - visitor(bare).start;

  // A mask over it, drawn in one stroke, shows in a second browser.
  await until("the picture", () => page.locator(".shot").isVisible());
  await page.getByRole("button", { name: "Draw ignore area" }).click();
  const box = await page.locator(".surface").boundingBox();
  const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
  const path = [[0.8, 0.003], [0.998, 0.003], [0.998, BELOW], [LEFT, BELOW], [LEFT, 0.003], [0.78, 0.003]];
  await page.mouse.move(...at(path[0]));
  await page.mouse.down();
  for (const p of path.slice(1)) await page.mouse.move(...at(p), { steps: 12 });
  const drawn = Date.now();
  await page.mouse.up();
  await other.locator(".shape.ignore").waitFor({ state: "attached", timeout: 5000 });
  console.log(`the mask shows in a second browser after ${Date.now() - drawn} ms`);
  await shot(page, "daemon-mask");

  // It survives a restart of the daemon, which serves the page: both are told and healed.
  begun = Date.parse(await ask("restart"));
  await live(page);
  await live(other);
  await until("the mask after the restart", async () => (await other.locator(".shape.ignore").count()) === 1);
  await other.reload();
  await live(other);
  await until("the mask after a reload", async () => (await other.locator(".shape.ignore").count()) === 1);

  // With the daemon its scene has begun anew, and is the same again: somebody walks
  // through and is told, the tree blows as it did and is not.
  const again = await until("somebody outside the mask", async () => visitor(await events(begun)), 90_000);
  await ask("broker");
  await live(page);
  await live(other);
  await until("the camera's score again", async () => (await page.locator(".legend strong").first().textContent()) !== "–", 90_000);
  await until("the tree's turn to be over", () => Date.now() > again.start + alarming + 5000, 180_000);
  const masked = await events(begun);
  console.log(`with the mask, until ${seconds(Date.now(), again.start)} after somebody: ${told(masked)}`);
  check(masked.every((e) => what(e) === "somebody" && e.start - again.start < 15_000), "more than somebody is told in spite of the mask");

  // Without the mask it is told again.
  await other.getByRole("button", { name: "Delete Ignore 1" }).click();
  await until("no mask", async () => (await page.locator(".shape").count()) === 0);
  const deleted = Date.now();
  const last = await until("the tree to be told again", async () => (await events(deleted)).find(ofTree), 180_000);
  console.log(`told again ${seconds(last.start, deleted)} after the mask was deleted`);
}, { allow: [/WebSocket/, /502/, /ERR_CONNECTION_REFUSED/, /ERR_/] });
