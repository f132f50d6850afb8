// The server's side of the page: what it keeps of the past.

const PATIENCE = 60_000; // ms

/** Fetches JSON; throws an Error whose message can be shown, with status where there is one. */
export async function get(path, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== "" && v !== undefined && v !== null));
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), PATIENCE);
  let res, body = null;
  try {
    res = await fetch(`api/${path}?${query}`, { headers: { Accept: "application/json" }, signal: stop.signal });
    body = await res.json().catch(() => null);
  } catch {
    throw Object.assign(new Error("The page's server does not answer."), { status: 0 });
  } finally {
    clearTimeout(late);
  }
  if (res.ok && body) return body;
  if (res.status === 401) location.reload(); // the session has ended: the login form
  throw Object.assign(new Error(`The server says: ${body?.error ?? `error ${res.status}`}.`), { status: res.status });
}

const url = (path, params) => `api/${path}?${new URLSearchParams(params)}`;
export const pictureURL = (camera, id) => url("picture", { camera, id });
export const zipURL = (camera, what) => url("zip", { camera, ...what });
