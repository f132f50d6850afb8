// The function "keep the newest": a picture, or the summary from last_event.
const camera = msg.camera ?? msg.topic.split("/").at(-2);
const newest = flow.get("newest") ?? {};
const seen = newest[camera] ?? {};
if (msg.pic_id) {
  newest[camera] = { ...seen, picture: msg.payload.toString("base64"), pic_id: msg.pic_id, taken: msg.taken };
} else {
  newest[camera] = { ...seen, event: msg.payload };
}
const cameras = Object.keys(newest);
if (cameras.length > 32) delete newest[cameras[0]];
flow.set("newest", newest);
return null;
