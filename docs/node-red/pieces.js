// The function "put the pieces together". Its message is a piece from the topic
// <base>/<camera>/chunk, or the clock's "tick". It sends pictures, requests for
// what did not come, and words about what was refused or given up.
const assembler = context.get("assembler");
const now = hooks.performance.now();

if (msg.topic === "tick") {
  const asked = context.get("asked");
  for (const lost of assembler.expire(now)) {
    const topic = context.get("from").get(lost.picID);
    const again = topic !== undefined && (asked.get(lost.picID) ?? 0) < 2;
    if (again) {
      remember(asked, lost.picID, (asked.get(lost.picID) ?? 0) + 1);
      node.send([null, { topic, payload: { pic_id: lost.picID } }, null]);
    }
    node.send([null, null, { payload: `${lost.picID}: ${lost.have} of ${lost.size} pieces came; ${again ? "asked for it again" : "given up"}` }]);
  }
  return null;
}

const levels = msg.topic.split("/");
const camera = levels.at(-2);
let result;
try {
  result = assembler.add(now, msg.payload);
} catch (err) {
  return [null, null, { payload: `${msg.topic}: refused: ${err.message}` }];
}
remember(context.get("from"), result.picID, [...levels.slice(0, -1), "resend"].join("/"));
const done = result.done;
if (!done) return null;
const day = (done.taken || new Date().toISOString()).slice(0, 10);
// What becomes a path comes from the network: only plain names are taken.
if (![camera, done.picID].every((name) => /^[A-Za-z0-9_-]{1,128}$/.test(name)) || !/^\d{4}-\d\d-\d\d$/.test(day)) {
  return [null, null, { payload: `${msg.topic}: refused: names that cannot be a file's` }];
}
node.status({ fill: "green", shape: "dot", text: `${done.picID}, ${done.jpeg.length} bytes` });
return [{
  topic: msg.topic, payload: Buffer.from(done.jpeg), camera, pic_id: done.picID, event_id: done.eventID,
  taken: done.taken, box: done.box, sha256: done.sha256, filename: `${env.get("FOLDER")}/${camera}/${day}/${done.picID}.jpg`,
}, null, null];

/** Sets a value in a map that forgets its oldest entries beyond 256. */
function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > 256) map.delete(map.keys().next().value);
}
