// The MQTT link: MQTT.js over the server's websocket, with our own reconnect so
// that the page can tell since when the link is down and when the next try is.

const FIRST = 1000, LONGEST = 15000; // ms between tries
const PROBE = 4000; // ms in which the broker must answer when the page comes back into sight
const SETTLED = 20_000; // ms that a link must have held for the next loss to count as a first one

export class Link {
  state = "connecting"; // connecting, online, lost, denied
  since = Date.now();
  nextTry = 0;
  why = "";
  #client = null;
  #pause = FIRST;
  #timer = 0;
  #heard = 0; // packets of the broker's
  #subs;

  /** topics: {filter: qos}; changed() after each change of state; connected() before anything comes; message(topic, payload, retained). */
  constructor(topics, { changed, connected, message }) {
    this.#subs = topics;
    this.connected = connected;
    this.changed = changed;
    this.message = message;
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#wake(); });
  }

  /** Connects, and again after every loss. */
  connect(user, password) {
    this.user = user;
    this.password = password;
    this.#open();
  }

  /** Tries now instead of waiting for the next try. */
  retry() {
    if (this.state === "lost" && this.nextTry) this.#open();
  }

  /** After a sleep: tries now where the link is lost, and asks the broker where it seems to hold: it may have died unnoticed. */
  #wake() {
    if (this.state !== "online") return this.retry();
    const client = this.#client, before = this.#heard;
    client.sendPing();
    setTimeout(() => {
      if (client !== this.#client || this.#heard !== before) return;
      this.#set("connecting");
      this.#open();
    }, PROBE);
  }

  /** Publishes; false while the link is down: a command that comes late is worse than none. */
  publish(topic, payload, qos = 1) {
    if (this.state !== "online") return false;
    this.#client.publish(topic, payload, { qos });
    return true;
  }

  #set(state, why = "") {
    if (this.state !== state) this.since = Date.now();
    this.state = state;
    this.why = why;
    this.changed();
  }

  #open() {
    clearTimeout(this.#timer);
    this.nextTry = 0;
    this.#close();
    const url = new URL("mqtt", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    const client = globalThis.mqtt.connect(url.href, {
      clientId: `page-${[...crypto.getRandomValues(new Uint32Array(2))].map((n) => n.toString(36)).join("")}`, // 23 at most, as MQTT 3.1.1 asks
      username: this.user || undefined, password: (this.user && this.password) || undefined,
      protocolVersion: 4, clean: true, keepalive: 30, connectTimeout: 15000, reconnectPeriod: 0,
      timerVariant: "native", resubscribe: false, queueQoSZero: false,
    });
    this.#client = client;
    let why = "";
    client.on("connect", () => {
      if (client !== this.#client) return;
      this.connected();
      client.subscribe(Object.fromEntries(Object.entries(this.#subs).map(([f, qos]) => [f, { qos }])), (err, _, suback) => {
        if (client !== this.#client) return;
        const codes = (err?.packet ?? suback)?.granted ?? [];
        if (err && !codes.some((code) => code < 0x80)) { // a user who may read some topics sees those
          why = codes.length ? "The broker does not let this user read any of the cameras' topics." : String(err.message);
          client.end(true);
          return;
        }
        this.#set("online");
      });
    });
    client.on("packetreceive", () => this.#heard++);
    client.on("message", (topic, payload, packet) => {
      if (client === this.#client) this.message(topic, payload, packet.retain);
    });
    client.on("error", (err) => {
      if (client !== this.#client) return;
      if (err?.code === 4 || err?.code === 5) {
        this.#close();
        this.#set("denied", this.user ? "The broker refuses this user and password." : "The broker asks for a user and a password.");
        return;
      }
      why ||= String(err?.message ?? err).slice(0, 200);
    });
    client.on("close", () => {
      if (client !== this.#client) return;
      this.#close();
      if (this.state === "online" && Date.now() - this.since > SETTLED) this.#pause = FIRST;
      const wait = Math.round(this.#pause * (0.5 + Math.random() / 2));
      this.#pause = Math.min(LONGEST, this.#pause * 2);
      this.nextTry = Date.now() + wait;
      this.#timer = setTimeout(() => this.#open(), wait);
      this.#set("lost", why);
    });
  }

  #close() {
    const old = this.#client;
    this.#client = null;
    if (!old) return;
    old.on("error", () => {});
    old.end(true);
  }
}
