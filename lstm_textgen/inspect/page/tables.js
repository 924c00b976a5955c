// The tables below the tiles: units that follow a property, and how the gates stand.

const percent = (share) => `${(share * 100).toFixed(1)}%`;

// Units as links that choose them, each with its AUC.
function unitLinks(units) {
  if (!units.length) return ["none"];
  return units.flatMap(({ unit, auc }, place) => {
    const link = document.createElement("a");
    link.href = `#unit=${unit}`;
    link.textContent = unit;
    return [link, ` ${auc.toFixed(3)}${place + 1 < units.length ? ", " : ""}`];
  });
}

// A row of cells, each a list of texts and elements; numbers stand to the right.
function addRow(table, tag, cells) {
  const row = table.insertRow();
  for (const parts of cells) {
    const cell = document.createElement(tag);
    cell.append(...parts);
    if (tag === "td" && /^\d/.test(parts[0])) cell.className = "number";
    row.append(cell);
  }
}

function fillTable(name, headings, rows) {
  $(name).hidden = rows.length === 0;
  $(`no-${name}`).hidden = rows.length > 0;
  const table = $(name).querySelector("table");
  addRow(table, "th", headings.map((heading) => [heading]));
  rows.forEach((row) => addRow(table, "td", row));
}

function fillTables() {
  fillTable(
    "findings",
    ["property", "of the text", "null", "chance", "units above chance: AUC"],
    data.findings.map((finding) => [
      [finding.property],
      [percent(finding.share)],
      [finding.null.toFixed(2)],
      [finding.chance.toFixed(3)],
      unitLinks(finding.units),
    ]),
  );
  fillTable(
    "gates",
    ["layer", "gate", "shut", "open"],
    data.gates.map(({ layer, gate, shut, open }) => [
      [String(layer)], [gate], [percent(shut)], [percent(open)],
    ]),
  );
}
