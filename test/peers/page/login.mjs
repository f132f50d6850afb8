import { check, live, scenario, shot, until, url } from "./lib.mjs";

scenario(async (open) => {
  const page = await open({ viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  await page.goto(url);
  check(!(await page.content()).includes("app.js"), "the page is shown without a login");
  await page.getByLabel("Token or password").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await until("the refusal", async () => /not the token or password/.test(await page.textContent("#error")));
  await shot(page, "login");
  await page.getByLabel("Token or password").fill("correct horse battery");
  await page.keyboard.press("Enter");

  // The broker has its own login.
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await until("what the broker asks", async () => /asks for a user and a password/.test(await dialog.textContent()));
  await page.getByLabel("MQTT user").fill("owner");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Connect" }).click();
  await until("the broker's refusal", async () => /refuses this user and password/.test(await dialog.textContent()));
  await shot(page, "broker-login");
  await page.getByLabel("Password").fill("night owl 3am");
  await page.keyboard.press("Enter");
  await live(page);
  await until("the empty page", async () => /No camera has spoken/.test(await page.textContent(".empty")));

  // A reload needs neither again; logging out needs both.
  await page.reload();
  await live(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token or password").waitFor();
  check((await page.evaluate(() => sessionStorage.length)) === 0, "credentials stay after logging out");
  check((await page.request.get(`${url}api/info`)).status() === 401, "the session outlives logging out");

  // A link with the login in its fragment.
  await page.goto(`${url}#token=correct+horse+battery`);
  await page.getByRole("dialog").waitFor();
  check(!page.url().includes("horse"), "the token stays in the address");
}, { allow: [/401/, /manifest/i] });
