// What an owner should know is wrong with a camera, in words.

/** One sentence after the other; "" where all is well as far as the camera says. */
export function troubles(app, c) {
  const f = c.health ?? {};
  const out = [];
  if (c.unanswered) {
    out.push(app.link.state !== "online" ? "Not sent: there is no link to the broker."
      : `The camera did not answer (${{ armed: "arming", capture: "taking pictures" }[c.unanswered] ?? c.unanswered}).`);
  }
  if (c.status === "online") {
    if (typeof f.camera === "string" && !["ok", "starting", "off", "idle"].includes(f.camera)) out.push(`Camera ${f.camera.slice(0, 40)}${f.camera_error ? `: ${String(f.camera_error).slice(0, 200)}` : ""}.`);
    if (["chattering", "stuck", "missing"].includes(f.sensor)) out.push(`Motion sensor ${f.sensor}.`);
    if (typeof f.disk === "string" && f.disk !== "ok") out.push(`Disk ${f.disk.slice(0, 40)}.`);
    if (f.queue_pictures > 20) out.push(`${f.queue_pictures} pictures wait for the broker.`);
  }
  return out.join(" ");
}
