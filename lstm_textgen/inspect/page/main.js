// What is looked at, and what changes it: pointer, keys, lists, the address.

const view = {
  unit: data.first, signal: data.memory, kind: "signed", sort: "interest",
  at: Math.min(T - 1, 40), pinned: false, traces: null, levels: null,
};

const waiting = new Set();

// Whatever is asked for between two frames is drawn once.
function draw(...what) {
  if (!waiting.size) requestAnimationFrame(drawNow);
  what.forEach((job) => waiting.add(job));
}

function drawNow() {
  const wanted = [...waiting];
  waiting.clear();
  wanted.forEach((job) => job());
}

function drawAll() {
  draw(drawText, drawMark, drawDetail, drawUnits, drawUnitName, drawKey);
}

function drawKey() {
  const context = fit($("key-canvas"), 120, 12);
  for (let level = 0; level < 255; level++) {
    context.fillStyle = colors[view.kind].paint[level];
    context.fillRect((level * 120) / 255, 0, 1, 12);
  }
  const most = view.kind === "memory" ? scaleOf(view.unit).toFixed(1) : "1";
  $("key-low").textContent = view.kind === "share" ? "0" : `−${most}`;
  $("key-high").textContent = most;
}

function moveTo(at, { shown = false } = {}) {
  if (at < 0 || at >= T || at === view.at) return;
  view.at = at;
  if (shown) {
    reveal(at);
    say();
  }
  draw(drawMark, drawDetail);
}

async function choose(unit, { at = view.at, signal = view.signal } = {}) {
  if (unit < 0 || unit >= UNITS) return;
  view.unit = unit;
  view.traces = null;
  const traces = await levels(unit);
  if (view.unit !== unit) return; // another one was chosen meanwhile
  view.traces = traces;
  moveTo(at, { shown: true });
  shadeBy(signal);
}

function shadeBy(name) {
  view.signal = name;
  view.kind = signalNamed(name).kind;
  const traced = view.traces && view.traces[name];
  view.levels = traced || null;
  $("signal").value = name;
  drawAll();
  keepAddress();
}

function sortBy(name) {
  view.sort = name;
  $("sort").value = name;
  sortUnits();
  layUnits();
  $("units").scrollTop = 0;
  draw(drawUnits);
  keepAddress();
}

function pin(pinned) {
  view.pinned = pinned;
  $("pinned").hidden = !pinned;
  keepAddress();
}

// The address names what is looked at, so that it can be passed on.
function keepAddress() {
  const parts = [`unit=${nameOf(view.unit)}`, `at=${view.at}`, `signal=${view.signal}`];
  if (view.sort !== "interest") parts.push(`sort=${view.sort}`);
  try {
    history.replaceState(null, "", `#${parts.join("&")}`);
  } catch {
    // a page in a frame without an address of its own
  }
}

async function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const unit = unitOf(wanted.get("unit"));
  const at = Number(wanted.get("at") ?? view.at);
  const signal = signalNamed(wanted.get("signal")) ? wanted.get("signal") : view.signal;
  const sort = wanted.get("sort");
  if (sort && sorts().some(([name]) => name === sort)) sortBy(sort);
  await choose(unit < 0 ? view.unit : unit, { at: Number.isInteger(at) ? at : 0, signal });
  revealTile();
}

function lay() {
  layText();
  layUnits();
  drawAll();
}

function fillList(list, entries) {
  for (const [value, text] of entries) list.append(new Option(text, value));
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (/^(SELECT|INPUT|SUMMARY|A)$/.test(event.target.tagName)) return;
  const inTiles = event.target === $("units");
  const columns = tiles.columns;
  const turn = (step) => choose(tileBeside(step)).then(revealTile);
  const go = (at) => moveTo(at, { shown: true });
  const moves = {
    ArrowLeft: () => (inTiles ? turn(-1) : go(view.at - 1)),
    ArrowRight: () => (inTiles ? turn(1) : go(view.at + 1)),
    ArrowUp: () => (inTiles ? turn(-columns) : go(lineBeside(view.at, -1))),
    ArrowDown: () => (inTiles ? turn(columns) : go(lineBeside(view.at, 1))),
    Home: () => go(0),
    End: () => go(T - 1),
    "[": () => turn(-1),
    "]": () => turn(1),
    s: () => {
      const names = sorts().map(([name]) => name);
      sortBy(names[(names.indexOf(view.sort) + 1) % names.length]);
    },
    Enter: () => pin(!view.pinned),
    Escape: () => pin(false),
  };
  data.signals.forEach((signal, place) => {
    moves[place + 1] = () => shadeBy(signal.name);
  });
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  move();
}

function listen() {
  const hover = (event) => view.pinned || moveTo(charAt(event));
  $("text").addEventListener("pointermove", hover);
  $("text").addEventListener("click", (event) => {
    const at = charAt(event);
    if (at < 0) return;
    pin(!(view.pinned && at === view.at));
    moveTo(at);
    keepAddress();
  });
  $("text").addEventListener("scroll", () => draw(drawText));
  $("units").addEventListener("scroll", () => draw(drawUnits));
  $("units").addEventListener("click", (event) => choose(tileAt(event)));
  $("signal").addEventListener("change", () => shadeBy($("signal").value));
  $("sort").addEventListener("change", () => sortBy($("sort").value));
  $("layer").addEventListener("change", () => sortBy(view.sort));
  $("find").addEventListener("change", () => choose(unitOf($("find").value)).then(revealTile));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", readAddress);
  new ResizeObserver(lay).observe($("text"));
  new ResizeObserver(lay).observe($("units"));
  DARK.addEventListener("change", () => {
    mixColors();
    drawAll();
  });
}

async function start() {
  await unpackAll();
  fillList($("signal"), data.signals.map(({ name, title }) => [name, title]));
  fillList($("sort"), sorts());
  fillList($("layer"), [["", "all"], ...Array.from({ length: data.layers }, (_, n) => [n, n])]);
  [$("before"), $("after")].forEach(makeRows);
  makeValues();
  fillTables();
  mixColors();
  measureCell();
  sortUnits();
  layText();
  layUnits();
  await readAddress();
  listen();
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  $("broken").hidden = false;
  $("broken").textContent = `This page needs a newer browser (${error.message}).`;
  throw error;
});
