// The text in lines on a canvas that is only as large as what is seen of it.

const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const LINE = 20;
const PAD = 6;

const page = { starts: [0], cell: 8, width: 0, height: 0 };

function measureCell() {
  const context = $("text-canvas").getContext("2d");
  context.font = `13px ${MONO}`;
  const plain = context.measureText("M").width;
  let widest = plain;
  for (const char of new Set(chars)) {
    widest = Math.max(widest, context.measureText(char).width);
  }
  page.cell = Math.min(widest, 2 * plain) + 0.6;
}

// Where each line begins: after a line end, else at a blank near the edge.
function layText() {
  const box = $("text");
  page.width = box.clientWidth;
  page.height = box.clientHeight;
  const columns = Math.max(8, Math.floor((page.width - 2 * PAD) / page.cell));
  const starts = [0];
  let start = 0;
  let blank = -1;
  for (let t = 0; t < T; t++) {
    if (t - start >= columns) {
      start = blank > start + columns / 2 ? blank + 1 : t;
      starts.push(start);
    }
    if (chars[t] === " ") blank = t;
    if (chars[t] === "\n" && t + 1 < T) {
      start = t + 1;
      starts.push(start);
    }
  }
  page.starts = starts;
  $("text-spacer").style.height = `${starts.length * LINE + 2 * PAD}px`;
  $("mark").style.width = `${page.cell + 4}px`;
  $("mark").style.height = `${LINE + 3}px`;
  box.dataset.cell = page.cell;
  box.dataset.line = LINE;
  box.dataset.pad = PAD;
}

function rowOf(at) {
  let [low, high] = [0, page.starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (page.starts[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

const rowEnd = (row) => (row + 1 < page.starts.length ? page.starts[row + 1] : T);

function drawText() {
  const context = fit($("text-canvas"), page.width, page.height);
  const top = $("text").scrollTop;
  const first = Math.max(0, Math.floor((top - PAD) / LINE));
  const last = Math.min(page.starts.length - 1, Math.floor((top + page.height) / LINE));
  const { paint, ink } = colors[view.kind];
  context.fillStyle = colors.paper;
  context.fillRect(0, 0, page.width, page.height);
  context.font = `13px ${MONO}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = first; row <= last; row++) {
    const y = PAD + row * LINE - top;
    const begin = page.starts[row];
    for (let t = begin; t < rowEnd(row); t++) {
      const x = PAD + (t - begin) * page.cell;
      const level = view.levels ? view.levels[t] : 0;
      if (view.levels) {
        context.fillStyle = paint[level];
        context.fillRect(x, y, page.cell + 0.3, LINE - 1);
      }
      if (chars[t] === " ") continue;
      context.fillStyle = view.levels ? ink[level] : colors.soft;
      context.fillText(SEEN[chars[t]] || chars[t], x + page.cell / 2, y + LINE / 2);
    }
  }
}

// All that hovering changes over the text: a frame that moves, and nothing is painted.
function drawMark() {
  const row = rowOf(view.at);
  const x = PAD + (view.at - page.starts[row]) * page.cell - 2;
  const y = PAD + row * LINE - 2;
  $("mark").style.transform = `translate(${x}px, ${y}px)`;
}

// The character under the pointer, or -1.
function charAt(event) {
  const box = $("text").getBoundingClientRect();
  const x = event.clientX - box.left - $("text").clientLeft - PAD;
  const y = event.clientY - box.top - $("text").clientTop - PAD + $("text").scrollTop;
  const row = Math.floor(y / LINE);
  if (x < 0 || row < 0 || row >= page.starts.length) return -1;
  const at = page.starts[row] + Math.floor(x / page.cell);
  return at < rowEnd(row) ? at : -1;
}

function lineBeside(at, step) {
  const row = rowOf(at);
  const other = row + step;
  if (other < 0 || other >= page.starts.length) return at;
  return Math.min(page.starts[other] + at - page.starts[row], rowEnd(other) - 1);
}

function reveal(at) {
  const box = $("text");
  const y = PAD + rowOf(at) * LINE;
  if (y < box.scrollTop + LINE) box.scrollTop = Math.max(0, y - 3 * LINE);
  else if (y + 2 * LINE > box.scrollTop + page.height) {
    box.scrollTop = y - page.height + 4 * LINE;
  }
}
