// The page for people. What clients have sent reaches the document as text
// nodes and in no other way.

/** Lines of the timeline in the document. */
const ROWS = 500;
/** Entries in memory, for filters to look through. */
const KEPT = 2000;
/** Milliseconds between two verdicts, and before the stream is tried again. */
const PAUSE = 1500;

const GROUPS = {
  frames: ["recv", "sent"],
  faults: ["fault", "fail", "note"],
  script: ["mark", "signal", "log"],
  connections: ["tcp", "upgrade", "open", "ping", "pong", "close-in", "close-out", "closed", "listening"],
  beats: ["beat-in", "beat-out"],
  http: ["request", "http"],
};
/** Groups that are shown at first. */
const shown = new Set(["frames", "faults", "script", "connections"]);

const $ = (id) => document.getElementById(id);

function el(name, className, ...children) {
  const node = document.createElement(name);
  node.className = className;
  node.append(...children);
  return node;
}

function button(words, act) {
  const node = el("button", "", words);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

// The timeline

const entries = [];
let waiting = [];
let paused = false;
let unseen = 0;
let missed = 0;
let drawing = 0;

function groupOf(entry) {
  if (entry.http) return "http";
  return Object.keys(GROUPS).find((group) => GROUPS[group].includes(entry.kind));
}

function isWanted(entry) {
  if (entry.kind === "missed") return true;
  const conn = $("conn").value.trim().toLowerCase();
  const text = $("text").value.trim().toLowerCase();
  return shown.has(groupOf(entry))
    && (!conn || conn === whereOf(entry))
    && (!text || textOf(entry).toLowerCase().includes(text));
}

function whereOf(entry) {
  if (entry.http) return `http ${entry.http}`;
  return entry.conn ? `${entry.conn}` : "";
}

/** Headers and body of a frame as they stand on the wire; else its words. */
function textOf(entry) {
  if (!entry.command) return entry.text ?? "";
  const headers = entry.headers.map(([name, value]) => `${name}:${value}`);
  const body = entry.body ?? (entry.body_b64 ? `base64 ${entry.body_b64}` : "");
  const more = entry.cut ? `… ${entry.size} octets` : "";
  return [entry.command, ...headers, "", body + more].join("\n");
}

/** What of an entry fits into one line: the words that tell it from others
 * first, and what is the same in many behind them. */
function briefOf(entry) {
  if (entry.command) return frameBrief(entry);
  if (entry.kind === "tcp") return ["a connection was accepted"];
  if (entry.kind === "open") return [entry.subprotocol ?? "no subprotocol"];
  if (entry.kind === "upgrade") return [entry.path, " ", dim(lineOf(entry.headers))];
  return [entry.text.slice(entry.text.indexOf(" ") + 1)];
}

const FIRST = ["destination", "receipt-id", "message", "code"];

function frameBrief(entry) {
  const telling = entry.headers.filter(([name]) => FIRST.includes(name));
  const others = entry.headers.filter(([name]) => !FIRST.includes(name));
  const body = entry.body ?? (entry.size ? `[${entry.size} octets]` : "");
  return [telling.map(([, value]) => value).join("  "), body.slice(0, 200), dim(lineOf(others))]
    .filter(Boolean).flatMap((part) => [part, "  "]);
}

function lineOf(headers) {
  return headers.map(([name, value]) => `${name}:${value}`).join("  ").slice(0, 400);
}

function dim(words) {
  return el("span", "dim", words);
}

function kindOf(entry) {
  if (!entry.command) return entry.kind;
  return `${entry.kind === "recv" ? "→" : "←"} ${entry.command}`;
}

function row(entry) {
  const error = entry.command === "ERROR" ? "error" : "";
  const summary = el("summary", "",
    el("time", "", entry.at?.toFixed(3) ?? ""),
    el("span", "conn", whereOf(entry)),
    el("span", "kind", kindOf(entry)),
    el("span", "brief", ...briefOf(entry)));
  const details = el("details", "", summary, el("pre", "", textOf(entry)));
  entry.row = el("li", `${groupOf(entry) ?? ""} ${entry.kind} ${error}`, details);
  return entry.row;
}

function take(entry) {
  if (entry.was) setAside(entry);
  entries.push(entry);
  if (entries.length > KEPT) entries.shift();
  if (paused) {
    unseen += 1;
  } else {
    waiting.push(entry);
    // A page in the background is not drawn.
    if (waiting.length > ROWS) waiting.shift();
  }
  draw();
}

/** A connection turns out to speak plain HTTP: it has another number now. */
function setAside({ was, http }) {
  const first = entries.findLast((e) => e.conn === was && e.kind === "tcp");
  if (!first) return;
  first.http = http;
  if (!isWanted(first)) first.row?.remove();
}

function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    const log = $("log");
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(...waiting.filter(isWanted).map(row));
    waiting = [];
    while (log.childElementCount > ROWS) log.firstElementChild.remove();
    if (atEnd && !paused) log.scrollTop = log.scrollHeight;
    $("pause").textContent = paused ? `Go on${unseen ? ` (${unseen})` : ""}` : "Pause";
    $("missed").hidden = !missed;
    $("missed").textContent = `${missed} entries were missed: this page was slower than the broker.`;
  });
}

function redraw() {
  const old = paused ? entries.slice(0, entries.length - unseen) : entries;
  $("log").replaceChildren();
  waiting = old.filter(isWanted).slice(-ROWS);
  draw();
}

function clear() {
  entries.length = unseen = missed = 0;
  redraw();
}

function pause() {
  paused = !paused;
  unseen = 0;
  $("pause").setAttribute("aria-pressed", paused);
  if (paused) draw(); else redraw();
}

// Sessions

const cards = new Map();

function many(n, word) {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

function showState(state) {
  const { name, seed, rules } = state.scenario;
  $("scenario").textContent = name || "no scenario";
  $("facts").textContent = [
    state.proxy ? "proxy" : "broker", `seed ${seed}`, many(rules, "rule"),
    many(state.sessions, "session"), `${state.entries} entries`,
  ].join(" · ");
  $("signals").replaceChildren(...state.signals.map((signal) => {
    const option = el("option", "");
    option.value = signal;
    return option;
  }));
  $("hidden").textContent = state.hidden ? `and ${state.hidden} more`
    : state.connections.length ? "" : "Nobody is connected.";
  const there = new Set(state.connections.map((c) => c.conn));
  for (const [conn, card] of cards) {
    if (!there.has(conn)) {
      card.remove();
      cards.delete(conn);
    }
  }
  // A card stays the same element: whoever is about to press its button keeps
  // the focus.
  state.connections.forEach((c, i) => {
    if (!cards.has(c.conn)) cards.set(c.conn, newCard(c.conn));
    const card = cards.get(c.conn);
    fill(card, c);
    const place = $("sessions").children[i] ?? null;
    if (place !== card) $("sessions").insertBefore(card, place);
  });
}

function newCard(conn) {
  const only = button("Only this", () => {
    $("conn").value = conn;
    redraw();
  });
  const kick = button("Kick", () => post(`kick/${conn}`));
  only.setAttribute("aria-label", `Show only connection ${conn}`);
  kick.setAttribute("aria-label", `Kick connection ${conn}`);
  kick.className = "danger";
  const head = el("div", "bar", el("b", "name"), el("span", "badge"), only, kick);
  return el("li", "", head, el("p", "peer"), el("ul", "subs"));
}

function fill(card, c) {
  const part = (selector) => card.querySelector(selector);
  const ms = (n) => (n ? `${n} ms` : "none");
  part(".name").textContent = `${c.conn} ${c.identity ?? ""}`;
  part(".badge").textContent = c.phase + (c.state ? ` · ${c.state}` : "");
  part(".badge").className = `badge ${{ connected: "good", suspended: "warn" }[c.phase] ?? "note"}`;
  part(".peer").textContent = [
    c.peer,
    c.version && `STOMP ${c.version}`,
    `${c.frames_in} in, ${c.frames_out} out`,
    c.heart_beat && `beats ${ms(c.heart_beat.every_ms)}, silent at most ${ms(c.heart_beat.tolerance_ms)}`,
    c.waiting && `${c.waiting} waiting`,
    c.blackhole && `black hole: ${c.blackhole}`,
  ].filter(Boolean).join(" · ");
  const subs = c.subscriptions ?? [];
  part(".subs").replaceChildren(...subs.map((sub) => el("li", "",
    el("code", "", sub.destination), " ", [
      `id ${sub.id}`, sub.ack, sub.selector && `where ${sub.selector}`,
      sub.unacked && `${sub.unacked} unacknowledged`, sub.queued && `${sub.queued} queued`,
    ].filter(Boolean).join(" · "))));
  if (c.hidden) part(".subs").append(el("li", "", `and ${c.hidden} more`));
}

// Verdicts

const TONES = { held: "good", failed: "bad", inconclusive: "bad" };
let judging = 0;

/** Asks for the verdicts in a moment: it costs the broker a walk through its transcript. */
function judge() {
  judging ||= setTimeout(async () => {
    judging = 0;
    try {
      showReport(await (await fetch("/control/report")).json());
    } catch {
      // The badge says already that the broker does not answer.
    }
  }, PAUSE);
}

function showReport({ verdicts, fails, words }) {
  const all = [
    ...verdicts,
    ...fails.map((fail) => ({ id: "fail", asked: fail, outcome: "failed", words: "" })),
  ];
  $("verdicts").replaceChildren(...all.map(({ id, asked, outcome, words }) => el("li", "",
    el("div", "bar",
      el("span", `badge ${TONES[outcome] ?? "note"}`, outcome.replaceAll("-", " ")), el("b", "", id)),
    el("p", "asked", asked),
    el("p", "words", words))));
  const count = (outcome) => all.filter((v) => v.outcome === outcome).length;
  $("score").replaceChildren(...["failed", "inconclusive", "not-reached", "held"]
    .filter(count)
    .map((o) => el("span", `badge ${TONES[o] ?? "note"}`, `${count(o)} ${o.replaceAll("-", " ")}`)));
  $("result").textContent = all.length ? words.split("\n").at(-1) : "The scenario asserts nothing.";
}

// Control

async function post(path, body = "") {
  try {
    const answer = await fetch(`/control/${path}`, { method: "POST", body });
    say(Object.entries(await answer.json()).map(([k, v]) => `${k}: ${v}`).join(", "), answer.ok);
  } catch {
    say("The broker does not answer.", false);
  }
}

function say(words, good) {
  $("answer").textContent = words;
  $("answer").className = good ? "" : "bad";
}

/** Calls `act` with the fields of a form and the button that was pressed. */
function onSubmit(id, act) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act(Object.fromEntries(new FormData(event.target)), event.submitter?.value);
  });
}

onSubmit("signal", ({ name }, verb) => post(`${verb || "signal"}/${encodeURIComponent(name)}`));
// In the body, not in the path: it may be a token.
onSubmit("expire", ({ name }) => post("expire", name));
onSubmit("publish", ({ destination, body }) =>
  post(`publish?destination=${encodeURIComponent(destination)}`, body));
onSubmit("reload", ({ scenario }) => post("reload", scenario));
onSubmit("filter", () => redraw());
$("filter").addEventListener("input", redraw);
$("pause").addEventListener("click", pause);
$("clear").addEventListener("click", clear);
$("stop").addEventListener("click", () => {
  if (confirm("Stop the broker? All connections end.")) post("stop");
});
for (const group of Object.keys(GROUPS)) {
  const toggle = button(group, () => {
    if (!shown.delete(group)) shown.add(group);
    toggle.setAttribute("aria-pressed", shown.has(group));
    redraw();
  });
  toggle.setAttribute("aria-pressed", shown.has(group));
  $("kinds").append(toggle);
}

// The stream

let now = 0;

function link(words, tone) {
  $("link").textContent = words;
  $("link").className = `badge ${tone}`;
}

function listen() {
  const stream = new EventSource(`/control/events?tail=${ROWS}`);
  const on = (name, act) => stream.addEventListener(name, ({ data }) => act(JSON.parse(data)));
  on("message", (entry) => {
    take(entry);
    // Our own questions must not lead to further ones.
    if (groupOf(entry) !== "http" && groupOf(entry) !== "beats" && entry.kind !== "tcp") judge();
  });
  on("state", (state) => {
    if (state.now < now) clear();
    now = state.now;
    showState(state);
  });
  on("missed", (event) => {
    missed += event.missed;
    take({ kind: "missed", text: `missed ${event.missed} entries` });
  });
  on("reset", () => {
    now = 0;
    clear();
    judge();
    say("Another broker runs here now.", true);
  });
  stream.onopen = () => link("live", "good");
  stream.onerror = () => {
    link("no broker, trying again", "bad");
    // Refused for good, for example because too many watch.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, PAUSE);
  };
}

judge();
listen();
