// Receives pieces with MQTT.js and puts pictures together as docs/clients.md
// tells a stranger to; prints "<pic_id> <sha256> <bytes>" for each.
// usage: node receive.js URL TOPIC [standard|string|object]
const { createHash } = require("node:crypto");
const mqtt = require("mqtt");

const [url, topic, envelope = "standard"] = process.argv.slice(2);
const pictures = new Map();
const client = mqtt.connect(url, { clientId: `js-${process.pid}` });
client.on("connect", () => client.subscribe(topic, { qos: 1 }, () => console.log("subscribed")));
client.on("message", (_, payload) => {
  let piece = JSON.parse(payload.toString());
  if (envelope !== "standard") piece = envelope === "string" ? JSON.parse(piece.d) : piece.d;
  const { data, pic_id, pos, size } = piece;
  if (!pictures.has(pic_id)) pictures.set(pic_id, new Map());
  const pieces = pictures.get(pic_id);
  pieces.set(pos, data);
  // The recipe's size is the index of the last piece.
  const count = envelope === "standard" ? size : size + 1;
  if (pieces.size !== count) return;
  const text = Array.from({ length: count }, (_, i) => pieces.get(i)).join("");
  const jpeg = Buffer.from(text, "base64");
  console.log(`${pic_id} ${createHash("sha256").update(jpeg).digest("hex")} ${jpeg.length} bytes`);
});
