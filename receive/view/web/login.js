// The login form. A token after #token= in the address is used at once; browsers
// send what follows # to no server, and it does not stay in the address. The
// page may need it again, as its user's password at the broker: this tab keeps it.

const form = document.getElementById("login");
const input = document.getElementById("token");
const error = document.getElementById("error");
const button = form.querySelector("button");

async function login(token) {
  button.disabled = true;
  error.textContent = "";
  try {
    const res = await fetch("api/login", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
    });
    if (res.ok) {
      sessionStorage.setItem("pirwatch.token", token);
      location.replace(location.pathname);
      return;
    }
    const { error: why } = await res.json().catch(() => ({ error: `the server answered ${res.status}` }));
    error.textContent = `Not logged in: ${why}.`;
  } catch {
    error.textContent = "The server does not answer.";
  }
  button.disabled = false;
  input.select();
}

form.addEventListener("submit", (e) => {
  e.preventDefault();
  login(input.value);
});

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  history.replaceState(null, "", location.pathname);
  login(given);
}
addEventListener("hashchange", takeToken);
takeToken();
