"use strict";
(() => {
  const { runs, fixes } = JSON.parse(document.getElementById("data").textContent);
  const GRADES = ["FAILED", "FLAKY", "INCONCLUSIVE", "NON-STRICT", "KNOWN", "UNIMPLEMENTED", "INFO", "OK"];
  const HUES = { OK: "ok", FAILED: "failed", "NON-STRICT": "nonstrict", INFO: "info", UNIMPLEMENTED: "unimpl", KNOWN: "known", INCONCLUSIVE: "inconclusive", FLAKY: "flaky" };
  const LEVELS = ["MUST", "IMPLIED", "SHOULD", "DE-FACTO", "MAY", "UNDEFINED"];
  const AREAS = {
    FRM: "frames", ENC: "escapes", BDY: "bodies", HDR: "headers", LIM: "limits", LNG: "lingering", SRV: "frames out of place",
    CON: "connecting", VER: "versions", HBT: "heart-beats", SND: "SEND", SUB: "SUBSCRIBE and subprotocols", ACM: "ack modes", UNS: "UNSUBSCRIBE",
    ACK: "ACK", NAK: "NACK", TXN: "transactions", DIS: "DISCONNECT", MSG: "MESSAGE", RCT: "receipts", ERR: "ERROR",
    HSK: "opening handshake", CTL: "control frames", TXT: "text", CLS: "close codes", RCN: "reconnecting", TYP: "text and binary",
    MAP: "STOMP in WebSocket messages", END: "the end", EXT: "extensions", DLX: "contact-centre dialect",
  };
  const hue = (grade) => `var(--${HUES[grade] || "info"})`;
  const $ = (id) => document.getElementById(id);

  // Text is never read as markup: whatever a broker says is data.
  function make(tag, attributes, ...inside) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "style") node.style.cssText = value;
      else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    for (const one of inside.flat(3)) if (one !== null && one !== undefined) node.append(one);
    return node;
  }
  const tagged = (grade, title, words) => make("span", { class: "g", style: `--hue:${hue(grade)}`, title }, words || grade);

  // ---- scoreboard
  function board(run) {
    const count = (grade, level) => run.cases.filter((c) => c.grade === grade && (!level || c.level === level)).length;
    const used = GRADES.filter((g) => count(g));
    const bar = make("div", { class: "bar", role: "img", "aria-label": used.map((g) => `${count(g)} ${g}`).join(", ") });
    for (const g of [...used].reverse()) {
      bar.append(make("i", { style: `width:${(100 * count(g)) / run.cases.length}%;background:${hue(g)}`, title: `${count(g)} ${g}` }));
    }
    const tally = make("div", { class: "tally" }, used.map((g) => make("span", { style: `color:${hue(g)}` }, make("b", {}, String(count(g))), ` ${g}`)));
    const short = { FAILED: "failed", FLAKY: "flaky", INCONCLUSIVE: "unclear", "NON-STRICT": "non-strict", KNOWN: "known", UNIMPLEMENTED: "absent", INFO: "info", OK: "ok" };
    const table = make("table", {},
      make("thead", {}, make("tr", {}, make("th", {}), used.map((g) => make("th", {}, short[g])))),
      make("tbody", {}, LEVELS.filter((l) => run.cases.some((c) => c.level === l)).map((l) =>
        make("tr", {}, make("th", {}, l), used.map((g) => make("td", { style: count(g, l) && `color:${hue(g)}` }, count(g, l) ? String(count(g, l)) : "·"))))));
    const caps = run.caps && typeof run.caps === "object" ? Object.entries(run.caps) : [];
    const facts = [
      ["can", caps.filter(([, v]) => v === true).map(([k]) => k.replace(/^v(\d)_(\d)$/, "$1.$2")).join(", ")],
      ["coverage", run.coverage ? `${run.coverage.exercised} of ${run.coverage.requirements} requirements asked, ${run.coverage.passive} watched in all traffic` : ""],
      ["run", run.how ? [run.how.day, `profile ${run.how.profile}`, `${(run.how.took_ms / 1000).toFixed(1)} s`, run.how.repeat > 1 ? `${run.how.repeat} times` : ""].filter(Boolean).join(", ") : ""],
    ].filter(([, words]) => words);
    return make("article", { class: "board" },
      make("h2", {}, run.name), make("div", { class: "who" }, [run.side, run.target].filter(Boolean).join(" · ")),
      bar, tally, table, make("dl", {}, facts.flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v)])));
  }

  // ---- the dialogue of a case
  const octets = (hex) => Uint8Array.from((hex || "").match(/../g) || [], (h) => parseInt(h, 16));
  const NAMES = { 0: "\\0", 9: "\\t", 13: "\\r", 10: "\\n" };
  function text(bytes) {
    const pre = make("pre");
    let plain = "";
    const flush = () => { if (plain) pre.append(plain); plain = ""; };
    const mark = (words) => { flush(); pre.append(make("i", {}, words)); };
    let at = 0;
    while (at < bytes.length) {
      const o = bytes[at];
      const length = o < 0x80 ? 1 : o >= 0xc2 && o < 0xe0 ? 2 : o >= 0xe0 && o < 0xf0 ? 3 : o >= 0xf0 && o < 0xf5 ? 4 : 0;
      let letter = null;
      if (length > 1) try { letter = new TextDecoder("utf-8", { fatal: true }).decode(bytes.slice(at, at + length)); } catch { /* shown as octets */ }
      if (o === 10) { mark("\\n"); plain += "\n"; at += 1; }
      else if (o in NAMES) { mark(NAMES[o]); at += 1; }
      else if (o >= 32 && o < 127) { plain += String.fromCharCode(o); at += 1; }
      else if (letter) { plain += letter; at += length; }
      else { mark(`\\x${o.toString(16).padStart(2, "0").toUpperCase()}`); at += 1; }
    }
    flush();
    return pre;
  }
  function hexdump(bytes) {
    const lines = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const row = [...bytes.slice(at, at + 16)];
      const hex = row.map((o) => o.toString(16).padStart(2, "0")).join(" ").padEnd(47);
      lines.push(`${at.toString(16).padStart(4, "0")}  ${hex}  ${row.map((o) => (o >= 32 && o < 127 ? String.fromCharCode(o) : ".")).join("")}`);
    }
    return lines.join("\n");
  }
  const COMMAND = /^(CONNECT|STOMP|SEND|SUBSCRIBE|UNSUBSCRIBE|ACK|NACK|BEGIN|COMMIT|ABORT|DISCONNECT|CONNECTED|MESSAGE|RECEIPT|ERROR)\r?\n/;
  function say(entry, next) {
    const bytes = octets(entry.octets);
    // What is read as a STOMP frame is shown there, and not once more above.
    const same = entry.layer === "ws" && next && next.layer === "stomp" && next.conn === entry.conn;
    const stomp = entry.layer === "ws" && entry.dir === "out" && COMMAND.exec(String.fromCharCode(...bytes.slice(0, 16)));
    const what = make("div", { class: "what" }, `${entry.layer} `, make("b", {}, entry.what), bytes.length ? ` ${bytes.length + (entry.more || 0)} octets` : "",
      stomp ? make("span", {}, " · stomp ", make("b", {}, stomp[1])) : null);
    const body = make("div", {}, what);
    if (bytes.length && !same) body.append(text(bytes));
    if (entry.more) body.append(make("div", { class: "none" }, `… and ${entry.more} octets more`));
    if (bytes.length) {
      const hex = make("details", {}, make("summary", {}, "hex"));
      hex.addEventListener("toggle", () => { if (hex.open && !hex.querySelector("pre")) hex.append(make("pre", { class: "hex" }, hexdump(bytes))); });
      body.append(hex);
    }
    return make("div", { class: `say ${entry.dir}` }, make("span", { class: "t" }, (entry.t_us / 1000).toFixed(1)), make("span", { title: entry.dir === "out" ? "from the judge" : "to the judge" }, entry.dir === "out" ? "→" : "←"), body);
  }
  function talk(entries) {
    const box = make("div", { class: "talk" });
    let conn = null;
    const several = new Set(entries.map((e) => e.conn)).size > 1;
    entries.slice(0, 400).forEach((entry, at) => {
      if (several && entry.conn !== conn) box.append(make("div", { class: "conn" }, `connection ${(conn = entry.conn)}`));
      box.append(say(entry, entries[at + 1]));
    });
    if (entries.length > 400) box.append(make("div", { class: "conn" }, `… and ${entries.length - 400} more`));
    return box;
  }
  function details(one, run, several) {
    const row = (key, value, kind) => (value ? make("dl", { class: kind }, make("dt", {}, key), make("dd", {}, value)) : null);
    const split = /^expected (.*?), got ([^]*)$/.exec(one.observed || "");
    const bad = !["OK", "INFO", "UNIMPLEMENTED"].includes(one.grade);
    const box = make("div", {});
    if (several) box.append(make("h3", {}, run.name, " ", tagged(one.grade)));
    box.append(
      ...[
        split ? row("expected", split[1]) : null,
        row("observed", split ? split[2] : one.observed || (one.grade === "OK" ? "what the rule asks for" : "")),
        one.known ? row("known", `${one.known.grade}: ${one.known.reason}${one.known.issue ? ` (${one.known.issue})` : ""}`) : null,
        one.repeats && one.repeats.length ? row("repeats", one.repeats.join(", ")) : null,
        bad && fixes[one.requirement] ? row("a fix", fixes[one.requirement], "fix") : null,
        one.endings.length ? row("endings", one.endings.join(", ")) : null,
        one.duration_ms !== undefined && one.duration_ms !== null ? row("took", `${one.duration_ms} ms`) : null,
      ].filter(Boolean));
    if (one.dialogue && one.dialogue.length) box.append(make("h3", {}, "dialogue (ms)"), talk(one.dialogue));
    return box;
  }

  // ---- cases
  const rows = new Map();
  runs.forEach((run, at) => run.cases.forEach((one) => {
    if (!rows.has(one.id)) rows.set(one.id, { id: one.id, one, at: [] });
    rows.get(one.id).at[at] = one;
  }));
  const all = [...rows.values()];
  const several = runs.length > 1;
  const columns = several ? `minmax(0, 150px) repeat(${runs.length}, ${runs.length > 4 ? 74 : 92}px)` : "118px minmax(0, 200px)";
  document.documentElement.style.setProperty("--cols", columns);

  function card(row) {
    const grade = (one, at) => (one ? tagged(one.grade, runs[at].name, several && { UNIMPLEMENTED: "ABSENT", INCONCLUSIVE: "UNCLEAR" }[one.grade]) : make("span", { class: "none" }, "–"));
    const id = make("span", { class: "id" }, row.id);
    const observed = runs.map((_, at) => row.at[at]).find((o) => o && o.observed && GRADES.indexOf(o.grade) < 5) || row.at.find((o) => o && o.observed);
    const rule = make("span", { class: "rule" }, row.one.rule, observed ? make("small", {}, observed.observed) : null);
    const cells = runs.map((_, at) => grade(row.at[at], at));
    const node = make("details", { class: several ? "case matrix" : "case", id: row.id },
      make("summary", {}, several ? [id, cells] : [cells, id], rule));
    node.addEventListener("toggle", () => {
      if (!node.open || node.querySelector(".more")) return;
      const fact = (key, value, kind) => [make("dt", {}, key), make("dd", { class: kind }, value)];
      node.append(make("div", { class: "more" },
        make("dl", {}, fact("rule", `${row.one.rule} (${row.one.level}, ${row.one.section})`), fact("test", row.one.expected, "test")),
        runs.flatMap((run, at) => (row.at[at] ? [details(row.at[at], run, several)] : []))));
    });
    return node;
  }

  // ---- filters
  const wanted = { grades: new Set(), level: "", area: "", text: "" };
  const area = (one) => `${one.requirement.split("-")[0]} ${one.area}`;
  const named = (key) => { const [family, short] = key.split(" "); return `${family === short ? family : `${family}-${short}`} ${AREAS[short] || ""}`; };
  const fits = (row) =>
    (!wanted.level || row.one.level === wanted.level) && (!wanted.area || area(row.one) === wanted.area) &&
    (!wanted.grades.size || row.at.some((o) => o && wanted.grades.has(o.grade))) &&
    (!wanted.text || [row.id, row.one.rule, ...row.at.map((o) => (o ? o.observed : ""))].join("\n").toLowerCase().includes(wanted.text));
  function show() {
    const box = $("cases");
    box.replaceChildren();
    const seen = all.filter(fits);
    $("count").textContent = `${seen.length} of ${all.length} cases`;
    if (several && seen.length) box.append(make("div", { class: "heads" }, make("span", {}), runs.map((r) => make("span", { title: r.name }, r.name)), make("span", {})));
    let last = null;
    seen.forEach((row, at) => {
      if (area(row.one) !== last) box.append(make("h2", { class: "area" }, named((last = area(row.one)))));
      const node = card(row);
      if (!seen[at + 1] || area(seen[at + 1].one) !== last) node.classList.add("last");
      box.append(node);
    });
    const state = new URLSearchParams();
    if (wanted.grades.size) state.set("grade", [...wanted.grades].join(","));
    for (const key of ["level", "area", "text"]) if (wanted[key]) state.set(key, wanted[key]);
    try { history.replaceState(null, "", `#${state}`); } catch { /* a page without an address */ }
  }
  function options(select, label, values, words) {
    select.append(make("option", { value: "" }, label), ...values.map((v) => make("option", { value: v }, words ? words(v) : v)));
  }
  const present = GRADES.filter((g) => all.some((row) => row.at.some((o) => o && o.grade === g)));
  for (const grade of present) {
    const count = all.filter((row) => row.at.some((o) => o && o.grade === grade)).length;
    const chip = make("button", { class: "chip", type: "button", style: `--hue:${hue(grade)}`, "aria-pressed": "false", "data-grade": grade }, `${grade} ${count}`);
    chip.addEventListener("click", () => {
      if (!wanted.grades.delete(grade)) wanted.grades.add(grade);
      chip.setAttribute("aria-pressed", String(wanted.grades.has(grade)));
      show();
    });
    $("grades").append(chip);
  }
  options($("level"), "every level", LEVELS.filter((l) => all.some((row) => row.one.level === l)));
  options($("area"), "every area", [...new Set(all.map((row) => area(row.one)))], named);
  for (const key of ["level", "area"]) $(key).addEventListener("change", (e) => { wanted[key] = e.target.value; show(); });
  $("text").addEventListener("input", (e) => { wanted.text = e.target.value.trim().toLowerCase(); show(); });
  $("reset").addEventListener("click", () => { restore(new URLSearchParams()); show(); });

  function restore(state) {
    wanted.grades = new Set((state.get("grade") || "").split(",").filter(Boolean));
    for (const key of ["level", "area", "text"]) $(key).value = wanted[key] = state.get(key) || "";
    wanted.text = wanted.text.toLowerCase();
    for (const chip of $("grades").children) chip.setAttribute("aria-pressed", String(wanted.grades.has(chip.dataset.grade)));
  }

  // ---- the page
  const names = runs.map((r) => r.name).join(", ");
  document.title = `STOMP conformance: ${names}`;
  $("lead").textContent = several ? `${all.length} cases over ${runs.length} targets. Open a case for its dialogue and what a fix looks like.` : "Open a case for its dialogue, octet by octet, and what a fix looks like.";
  $("boards").append(...runs.map(board));
  $("foot").textContent = `${runs[0] ? runs[0].tool : "stomp-conformance"}. This page is one file: it fetches nothing.`;
  restore(new URLSearchParams(location.hash.slice(1)));
  show();
  const open = new URLSearchParams(location.hash.slice(1)).get("text");
  if (open) { const exact = document.getElementById([...rows.keys()].find((id) => id.toLowerCase() === open.toLowerCase())); if (exact) exact.open = true; }
})();
