// The server's side of the page: what it keeps of the past.

/** Fetches JSON; throws an Error whose message can be shown, with status where there is one. */
export async function get(path, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== "" && v !== undefined && v !== null));
  let res;
  try {
    res = await fetch(`api/${path}?${query}`, { headers: { Accept: "application/json" } });
  } catch {
    throw Object.assign(new Error("The page's server does not answer."), { status: 0 });
  }
  const body = await res.json().catch(() => null);
  if (res.ok) return body;
  if (res.status === 401) location.reload(); // the session has ended: the login form
  throw Object.assign(new Error(`The server says: ${body?.error ?? `error ${res.status}`}.`), { status: res.status });
}

const url = (path, params) => `api/${path}?${new URLSearchParams(params)}`;
export const pictureURL = (camera, id) => url("picture", { camera, id });
export const zipURL = (camera, what) => url("zip", { camera, ...what });
