// Scales that every kind of color vision can read, for paper and for the dark.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const STOPS = {
  light: {
    share: ["#ffffff", "#c9d9ec", "#7ea6d3", "#2f6cb0", "#0a2f66"],
    signed: ["#08519c", "#6baed6", "#ffffff", "#fdae6b", "#a63603"],
  },
  dark: {
    share: ["#14161a", "#1d3a5f", "#2f6fae", "#6db3f2", "#e3f2ff"],
    signed: ["#58b0ff", "#1f4f80", "#14161a", "#80481a", "#ffab4a"],
  },
};

let colors = {};

function mixed(stops, part) {
  const place = part * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  const channel = (stop, shift) => (parseInt(stops[stop].slice(1), 16) >> shift) & 255;
  return [16, 8, 0].map((shift) => {
    const low = channel(at, shift);
    return Math.round(low + (channel(at + 1, shift) - low) * (place - at));
  });
}

function scale(stops, top) {
  const paint = [];
  const ink = [];
  for (let level = 0; level < 256; level++) {
    const [r, g, b] = mixed(stops, Math.min(level / top, 1));
    paint.push(`rgb(${r},${g},${b})`);
    ink.push(0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111418" : "#f5f7fa");
  }
  return { paint, ink };
}

function mixColors() {
  const stops = STOPS[DARK.matches ? "dark" : "light"];
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  colors = {
    share: scale(stops.share, 255),
    signed: scale(stops.signed, 254),
    paper: named("paper"), ink: named("ink"), soft: named("soft"),
    line: named("line"), mark: named("mark"), accent: named("accent"),
  };
  colors.memory = colors.signed;
}

// A canvas as large as it is shown, in the pixels of the screen.
function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
