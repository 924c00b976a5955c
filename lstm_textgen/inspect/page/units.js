// Small multiples: every unit as a tile, drawn where it is seen.

const TILE = { width: 150, height: 66, strip: 12 };
const tiles = { order: [], columns: 1, width: 0, height: 0 };

const byValue = (value) => (a, b) => value(b) - value(a) || a - b;
const lifeOf = (unit) => data.halfLife[unit] ?? Infinity;

function sorts() {
  const list = [["interest", "interest"]];
  if (data.halfLife) list.push(["memory", "memory length"]);
  if (data.saturation) list.push(["saturation", "saturation"]);
  list.push(["number", "number"]);
  data.properties.forEach((property, place) => {
    list.push([`follows-${place}`, `following: ${property.name}`]);
  });
  return list;
}

function sortUnits() {
  const all = Array.from({ length: UNITS }, (_, unit) => unit);
  const property = Number(view.sort.split("-")[1]);
  const orders = {
    interest: () => data.ranked.slice(),
    memory: () => all.sort((a, b) => (lifeOf(a) === lifeOf(b) ? a - b : lifeOf(b) - lifeOf(a))),
    saturation: () => all.sort(byValue((unit) => data.saturation[unit])),
    number: () => all,
    follows: () => all.sort(byValue((unit) => Math.abs(aucOf(property, unit) - 0.5))),
  };
  const ordered = orders[view.sort.split("-")[0]]();
  const layer = $("layer").value;
  tiles.order = ordered.filter(
    (unit) => layer === "" || Math.floor(unit / data.hidden) === Number(layer),
  );
  $("units").dataset.first = nameOf(tiles.order[0]);
}

function layUnits() {
  const box = $("units");
  tiles.width = box.clientWidth;
  tiles.height = box.clientHeight;
  tiles.columns = Math.max(1, Math.floor((tiles.width - PAD) / TILE.width));
  tiles.step = (tiles.width - PAD) / tiles.columns;
  const rows = Math.ceil(tiles.order.length / tiles.columns);
  $("units-spacer").style.height = `${rows * TILE.height + PAD}px`;
  Object.assign(box.dataset, { columns: tiles.columns, step: tiles.step, row: TILE.height });
}

function metricOf(unit) {
  if (view.sort === "memory") return halfLifeText(unit);
  if (view.sort === "saturation") return `${Math.round(data.saturation[unit] * 100)} %`;
  if (view.sort.startsWith("follows")) {
    return `AUC ${aucOf(Number(view.sort.split("-")[1]), unit).toFixed(2)}`;
  }
  const best = bestOf(unit);
  return best ? `AUC ${best.auc.toFixed(2)}` : "";
}

function drawUnits() {
  const context = fit($("units-canvas"), tiles.width, tiles.height);
  const top = $("units").scrollTop;
  context.fillStyle = colors.paper;
  context.fillRect(0, 0, tiles.width, tiles.height);
  const first = Math.floor(top / TILE.height);
  const last = Math.ceil((top + tiles.height) / TILE.height);
  for (let row = first; row < last; row++) {
    for (let column = 0; column < tiles.columns; column++) {
      const unit = tiles.order[row * tiles.columns + column];
      if (unit === undefined) return;
      drawTile(context, unit, PAD + column * tiles.step, PAD + row * TILE.height - top);
    }
  }
}

function drawTile(context, unit, x, y) {
  const width = tiles.step - PAD;
  const chosen = unit === view.unit;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.font = `${chosen ? 700 : 400} 12px system-ui, sans-serif`;
  context.fillStyle = isCoarse(unit) ? colors.soft : colors.ink;
  context.fillText(nameOf(unit), x, y + 11);
  context.textAlign = "right";
  context.fillText(metricOf(unit), x + width, y + 11);
  drawStretch(context, data.opening, data.openingLength, unit, x, y + 15, width);
  drawStretch(context, data.means, data.points, unit, x, y + 15 + TILE.strip, width);
  context.strokeStyle = chosen ? colors.mark : colors.line;
  context.lineWidth = chosen ? 2 : 1;
  context.strokeRect(x, y + 15, width, 2 * TILE.strip);
  const best = bestOf(unit);
  context.textAlign = "left";
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colors.soft;
  if (best) context.fillText(best.property.name, x, y + 51, width);
}

function drawStretch(context, levels, count, unit, x, y, width) {
  const step = width / count;
  for (let place = 0; place < count; place++) {
    context.fillStyle = colors.signed.paint[levels[unit * count + place]];
    context.fillRect(x + place * step, y, step + 0.4, TILE.strip);
  }
}

function tileAt(event) {
  const box = $("units").getBoundingClientRect();
  const x = event.clientX - box.left - $("units").clientLeft - PAD / 2;
  const y = event.clientY - box.top - $("units").clientTop + $("units").scrollTop;
  const column = Math.floor(x / tiles.step);
  if (column < 0 || column >= tiles.columns) return -1;
  return tiles.order[Math.floor(y / TILE.height) * tiles.columns + column] ?? -1;
}

// The unit so many tiles farther on.
function tileBeside(step) {
  const place = tiles.order.indexOf(view.unit) + step;
  return tiles.order[Math.max(0, Math.min(place, tiles.order.length - 1))];
}

function revealTile() {
  const box = $("units");
  const place = tiles.order.indexOf(view.unit);
  if (place < 0) return;
  const y = Math.floor(place / tiles.columns) * TILE.height;
  if (y < box.scrollTop) box.scrollTop = y;
  if (y + TILE.height > box.scrollTop + tiles.height) {
    box.scrollTop = y + TILE.height + PAD - tiles.height;
  }
}
