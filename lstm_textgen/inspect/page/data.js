// What travels with the page, decoded.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const chars = Array.from(data.text); // by code points, as they were counted
const T = chars.length;
const K = data.guessCount;
const UNITS = data.layers * data.hidden;
const NONE = 255;

const nameOf = (unit) => `${Math.floor(unit / data.hidden)}:${unit % data.hidden}`;

function unitOf(name) {
  const match = /^\s*(\d+):(\d+)\s*$/.exec(name || "");
  if (!match) return -1;
  const [layer, unit] = [Number(match[1]), Number(match[2])];
  return layer < data.layers && unit < data.hidden ? layer * data.hidden + unit : -1;
}

const SEEN = { "\n": "↵", "\t": "⇥", " ": "␣" };
const signOf = (text) => SEEN[text] || text;

async function inflate(base64) {
  const raw = atob(base64);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

async function unpackAll() {
  const names = ["bits", "chances", "guesses", "means", "opening", "auc"];
  const parts = await Promise.all(names.map((name) => inflate(data[name])));
  names.forEach((name, place) => (data[name] = parts[place]));
  data.guesses = new Uint16Array(data.guesses.buffer);
}

const bitsAt = (at) => (data.bits[at] === NONE ? null : data.bits[at] / data.bitsScale);
const aucOf = (property, unit) => data.auc[property * UNITS + unit] / 254;

// A level is a color, 0 to 255: of a share 255 is 1; of a number with a sign 127 is 0.
const signalNamed = (name) => data.signals.find((signal) => signal.name === name);
const isCoarse = (unit) => !(unit in data.traces);
const scaleOf = (unit) => (isCoarse(unit) ? data.coarseScale : data.scale)[unit];
const levelsOf = new Map();

async function levels(unit) {
  if (levelsOf.has(unit)) return levelsOf.get(unit);
  const decoded = isCoarse(unit) ? coarse(unit) : await exact(unit);
  if (levelsOf.size > 200) levelsOf.delete(levelsOf.keys().next().value);
  levelsOf.set(unit, decoded);
  return decoded;
}

async function exact(unit) {
  const bytes = await inflate(data.traces[unit]);
  const signals = {};
  data.shipped.forEach((name, place) => {
    signals[name] = bytes.subarray(place * T, (place + 1) * T);
  });
  if (data.cell === "lstm") signals.hidden = hiddenOf(signals, data.scale[unit]);
  return signals;
}

// What an LSTM gives out follows from its output gate and its memory.
function hiddenOf(signals, scale) {
  const hidden = new Uint8Array(T);
  for (let t = 0; t < T; t++) {
    const memory = ((signals.memory[t] - 127) / 127) * scale;
    hidden[t] = Math.round((signals.output[t] / 255) * Math.tanh(memory) * 127) + 127;
  }
  return hidden;
}

function coarse(unit) {
  const spread = new Uint8Array(T);
  const from = unit * data.points;
  for (let t = 0; t < T; t++) {
    spread[t] = data.means[from + Math.floor((t * data.points) / T)];
  }
  return { [data.memory]: spread };
}

function valueOf(unit, signal, level) {
  if (signal.kind === "share") return level / 255;
  const part = (level - 127) / 127;
  return signal.kind === "memory" ? part * scaleOf(unit) : part;
}

function halfLifeText(unit) {
  if (!data.halfLife) return "";
  const life = data.halfLife[unit];
  if (life === null || life >= 1e6) return "over 1,000,000";
  return life >= 10 ? Math.round(life).toLocaleString("en") : life.toFixed(1);
}

// The property that a unit follows farthest above chance, or null.
function bestOf(unit) {
  let best = null;
  data.properties.forEach((property, place) => {
    const auc = aucOf(place, unit);
    const above = Math.max(auc, 1 - auc) - property.chance;
    if (above > 0 && (!best || above > best.above)) best = { property, auc, above };
  });
  return best;
}
