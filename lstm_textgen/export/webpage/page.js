"use strict";

// The page: a sheet of text that a person and the model write in turns.

const find = (id) => document.getElementById(id);
const about = JSON.parse(find("about").textContent);
const sheet = find("sheet");
const FRAME_MS = 12; // of the 16 between two pictures; the rest is the browser's

/** The bytes of the weights. */
function decoded(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < bytes.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes.buffer;
}

const writer = new Writer(
  new Network(about.model, about.weights, decoded(find("weights").textContent)),
  new Alphabet(about.vocabulary),
);
const before = []; // the sheet as it was, for Undo
let running = null;

const say = (text) => (find("status").textContent = text);
const quoted = (characters) => [...characters].map((each) => `“${each}”`).join(" ");

function settings() {
  return { temperature: Number(find("boldness").value), length: Number(find("length").value) };
}

function begin() {
  const unknown = new Set();
  before.push(sheet.value);
  running = {
    pieces: writer.writeOn(sheet.value, { ...settings(), tell: (each) => unknown.add(each) }),
    unknown,
    count: 0,
    began: null,
  };
  show();
  sheet.scrollTop = sheet.scrollHeight;
  say("Reading …");
  requestAnimationFrame(goOn);
}

/** As many characters as fit between two pictures. */
function goOn() {
  if (!running) return;
  const until = performance.now() + FRAME_MS;
  let written = "";
  let done = false;
  while (!done && performance.now() < until) {
    const next = running.pieces.next();
    done = next.done;
    if (next.value) {
      running.began ??= performance.now();
      written += next.value;
      running.count += 1;
    }
  }
  append(written);
  if (done) end();
  else requestAnimationFrame(goOn);
}

function append(text) {
  if (!text) return;
  const { scrollHeight, scrollTop, clientHeight, value } = sheet;
  const follows = scrollHeight - scrollTop - clientHeight < 100; // or reads further up
  sheet.setRangeText(text, value.length, value.length, "end");
  if (follows) sheet.scrollTop = sheet.scrollHeight;
  say(figures());
}

function figures() {
  const { count, began, unknown } = running;
  const seconds = (performance.now() - began) / 1000;
  const rate = seconds > 0.05 ? `, ${Math.round(count / seconds).toLocaleString("en")} a second` : "";
  const passed = unknown.size
    ? ` The model has never seen ${quoted(unknown)} and passed over it.`
    : "";
  return `${count.toLocaleString("en")} characters${rate}.${passed}`;
}

function end() {
  if (running.count === 0) say("Nothing was written.");
  running = null;
  show();
}

/** Buttons say what they do now. */
function show() {
  sheet.readOnly = running !== null;
  find("write").textContent = running ? "Stop" : "Write on";
  find("write").classList.toggle("stops", running !== null);
  find("undo").disabled = running !== null || before.length === 0;
  find("clear").disabled = running !== null || sheet.value === "";
  find("boldness-value").textContent = Number(find("boldness").value).toFixed(2);
}

find("write").addEventListener("click", () => (running ? end() : begin()));
find("undo").addEventListener("click", () => {
  sheet.value = before.pop();
  say("");
  show();
});
find("clear").addEventListener("click", () => {
  before.push(sheet.value);
  sheet.value = "";
  say("");
  show();
  sheet.focus();
});
find("boldness").addEventListener("input", show);
sheet.addEventListener("input", show);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !running) begin();
  if (event.key === "Escape" && running) end();
});
show();
