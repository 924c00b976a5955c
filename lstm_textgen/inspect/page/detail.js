// What is known of one character: guesses, surprise, and the chosen unit there.

const AROUND = 30;

function makeRows(list) {
  for (let i = 0; i < K; i++) {
    const row = document.createElement("li");
    row.append(...["i", "span", "span"].map((tag) => document.createElement(tag)));
    list.append(row);
  }
}

function makeValues() {
  for (const signal of data.signals) {
    const name = document.createElement("dt");
    name.textContent = signal.name;
    const value = document.createElement("dd");
    const bar = document.createElement("i");
    bar.className = signal.kind === "share" ? "share" : "signed";
    value.append(bar, document.createElement("span"));
    $("values").append(name, value);
  }
}

// The guesses after a character; *came* is what really came, to be set off.
function fillGuesses(list, at, came) {
  [...list.children].forEach((row, place) => {
    const [bar, sign, chance] = row.children;
    const there = at >= 0;
    const name = there ? data.names[data.guesses[at * K + place]] : "";
    const share = there ? data.chances[at * K + place] / 255 : 0;
    bar.style.transform = `scaleX(${share})`;
    sign.textContent = signOf(name);
    chance.textContent = there ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %` : "";
    row.className = there && name === came ? "hit" : "";
  });
}

function bitsText(at) {
  const bits = bitsAt(at);
  if (bits === null) return "Nothing stood before it.";
  const odds = bits < 0.01 ? 1 : 2 ** bits;
  const words = odds < 10 ? odds.toFixed(1) : Math.round(odds).toLocaleString("en");
  return `${bits.toFixed(1)} bits of surprise: a chance of 1 in ${words}`;
}

function drawDetail() {
  const at = view.at;
  $("here").dataset.at = at;
  $("here-char").textContent = signOf(chars[at]);
  $("here-where").textContent =
    `character ${(at + 1).toLocaleString("en")} of ${T.toLocaleString("en")}`;
  $("here-bits").textContent = bitsText(at);
  fillGuesses($("before"), at - 1, chars[at]);
  fillGuesses($("after"), at, chars[at + 1]);
  fillValues(at);
  drawStrip(at);
}

function fillValues(at) {
  const rows = $("values").querySelectorAll("dd");
  data.signals.forEach((signal, place) => {
    const [bar, text] = rows[place].children;
    const traced = view.traces && view.traces[signal.name];
    if (!traced) {
      bar.style.transform = "scaleX(0)";
      text.textContent = "–";
      return;
    }
    const value = valueOf(view.unit, signal, traced[at]);
    const part = signal.kind === "memory" ? value / scaleOf(view.unit) : value;
    bar.style.transform =
      signal.kind === "share"
        ? `scaleX(${part})`
        : `translateX(${part * 25}%) scaleX(${Math.abs(part) / 2})`; // from the middle
    text.textContent = (value < 0 ? "−" : " ") + Math.abs(value).toFixed(2);
  });
}

// All signals of the unit around the character, one row each, the text above.
function drawStrip(at) {
  const canvas = $("strip");
  const width = canvas.clientWidth;
  const rows = data.signals.length;
  const height = 20 + rows * 18;
  const context = fit(canvas, width, height);
  const left = 62;
  const step = (width - left) / (2 * AROUND + 1);
  context.clearRect(0, 0, width, height);
  context.font = `${Math.min(11, step * 1.6)}px ${MONO}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let place = 0; place <= 2 * AROUND; place++) {
    const t = at - AROUND + place;
    if (t < 0 || t >= T) continue;
    context.fillStyle = t === at ? colors.ink : colors.soft;
    if (chars[t] !== " ") context.fillText(signOf(chars[t]), left + (place + 0.5) * step, 10);
    data.signals.forEach((signal, row) => {
      const traced = view.traces && view.traces[signal.name];
      if (!traced) return;
      context.fillStyle = colors[signal.kind].paint[traced[t]];
      context.fillRect(left + place * step, 20 + row * 18, step + 0.4, 16);
    });
  }
  context.strokeStyle = colors.mark;
  context.strokeRect(left + AROUND * step - 0.5, 1, step + 1, height - 2);
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillStyle = colors.soft;
  data.signals.forEach((signal, row) => context.fillText(signal.name, 0, 29 + row * 18));
}

function drawUnitName() {
  const unit = view.unit;
  $("unit-name").textContent = `Unit ${nameOf(unit)}`;
  $("unit-name").dataset.unit = nameOf(unit);
  const words = [];
  const best = bestOf(unit);
  if (best) words.push(`follows: ${best.property.name} (AUC ${best.auc.toFixed(2)})`);
  if (data.halfLife) words.push(`half-life ${halfLifeText(unit)} characters`);
  if (data.saturation) {
    words.push(`gates shut or open ${Math.round(data.saturation[unit] * 100)} % of the time`);
  }
  $("unit-about").textContent = words.join("; ");
  $("coarse").hidden = !isCoarse(unit);
}

function say() {
  const at = view.at;
  const bits = bitsAt(at);
  const surprise = bits === null ? "" : `, ${bits.toFixed(1)} bits`;
  const traced = view.traces && view.traces[view.signal];
  const value = traced
    ? `, ${view.signal} ${valueOf(view.unit, signalNamed(view.signal), traced[at]).toFixed(2)}`
    : "";
  $("said").textContent = `${signOf(chars[at])}${surprise}${value}`;
}
