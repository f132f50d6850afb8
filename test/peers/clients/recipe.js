// A page's receiver as people wrote it after the 2016 recipe: parses the string
// in "d", does not count a picture's first piece, counts arrivals whatever their
// position, is complete when the count reaches "size", and strings the pieces 0
// to "size" together. Prints "<pic_id> <sha256> <bytes>" for each.
// usage: node recipe.js URL TOPIC [string|object]
const { createHash } = require("node:crypto");
const mqtt = require("mqtt");

const [url, topic, envelope = "string"] = process.argv.slice(2);
const known = {};
const client = mqtt.connect(url, { clientId: `recipe-${process.pid}` });
client.on("connect", () => client.subscribe(topic, { qos: 1 }, () => console.log("subscribed")));
client.on("message", (_, payload) => {
  const body = JSON.parse(payload.toString());
  const piece = envelope === "string" ? JSON.parse(body.d) : body.d;
  let picture = known[piece.pic_id];
  if (picture == null) {
    picture = known[piece.pic_id] = { arrived: 0, last: piece.size, parts: {} };
    picture.parts[piece.pos] = piece.data;
    return;
  }
  picture.parts[piece.pos] = piece.data;
  picture.arrived += 1;
  if (picture.arrived !== picture.last) return;
  let text = "";
  for (let i = 0; i <= picture.last; i++) text += picture.parts[i];
  const jpeg = Buffer.from(text, "base64");
  console.log(`${piece.pic_id} ${createHash("sha256").update(jpeg).digest("hex")} ${jpeg.length} bytes`);
});
