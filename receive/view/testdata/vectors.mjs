// Runs the page's reassembler over the vectors that the Go one passes too.
// Usage: node vectors.mjs CHUNK.JS VECTORS.JSON
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , module, file] = process.argv;
const { Assembler, Refused } = await import(pathToFileURL(module));
const { vectors } = JSON.parse(readFileSync(file, "utf8"));
let failed = 0, steps = 0;
const fail = (v, i, message) => { failed++; console.log(`${v.name}, step ${i}: ${message}`); };

for (const v of vectors) {
  const a = new Assembler({ timeout: 120_000, ...v.limits });
  let now = 0;
  v.steps.forEach((step, i) => {
    steps++;
    if (step.payload === undefined) {
      now += step.wait_ms;
      const got = a.expire(now).map((p) => ({ pic_id: p.picID, have: p.have, size: p.size, missing: p.missing }));
      const want = (step.incomplete ?? []).map((p) => ({ pic_id: p.pic_id, have: p.have, size: p.size, missing: p.missing ?? [] }));
      if (JSON.stringify(got) !== JSON.stringify(want)) fail(v, i, `incomplete ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
      return;
    }
    let outcome, reason, done;
    try {
      const r = a.add(now, step.payload);
      outcome = r.done ? "done" : r.duplicate ? "twice" : "kept";
      done = r.done;
    } catch (err) {
      if (!(err instanceof Refused)) throw err;
      outcome = "refused";
      reason = err.reason;
    }
    if (outcome !== step.outcome || reason !== step.reason) {
      fail(v, i, `${outcome} ${reason ?? ""}, want ${step.outcome} ${step.reason ?? ""}`);
    } else if (done) {
      const jpeg = Buffer.from(done.jpeg).toString("base64");
      if (jpeg !== step.jpeg || done.sha256 !== step.sha256 || done.picID !== step.pic_id) fail(v, i, `picture ${done.picID} ${done.sha256}`);
    }
  });
}
console.log(`${vectors.length} vectors, ${steps} steps, ${failed} failed`);
process.exit(failed || !steps ? 1 : 0);
