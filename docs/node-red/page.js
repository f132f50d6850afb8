// The function "make the page": each camera's newest picture and last event.
const escape = (v) => String(v ?? "").replace(/[&<>"']/g, (c) => `&#${c.codePointAt(0)};`);
const newest = flow.get("newest") ?? {};
const cards = Object.entries(newest).map(([camera, { picture, pic_id, taken, event }]) => `<section>
<h2>${escape(camera)}</h2>
${picture ? `<figure><img alt="${escape(pic_id)}" src="data:image/jpeg;base64,${picture}"><figcaption>${escape(taken)}</figcaption></figure>` : "<p>No picture yet.</p>"}
${event ? `<p>Last event: ${escape(event.started_at)}, ${escape(event.trigger)}, ${escape(event.phase)}, ${escape(event.published)} of ${escape(event.frames)} pictures. <code>${escape(event.event_id)}</code></p>` : ""}
</section>`);
msg.headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
msg.payload = `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>pirwatch</title>
<style>body{font:16px system-ui,sans-serif;margin:1rem auto;max-width:50rem;padding:0 1rem}figure{margin:0}img{max-width:100%}</style>
<h1>pirwatch</h1>${cards.join("\n") || "<p>Nothing has come yet.</p>"}</html>`;
return msg;
