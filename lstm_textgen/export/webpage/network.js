"use strict";

// The network of this page: a character and the memory in, logits and memory out.
// The equations are those of lstm_textgen/model/cells.py, gates in torch's order:
// input, forget, candidate, output for the LSTM; reset, update, new for the GRU.

/** Rows of a matrix that are multiplied together: as many sums as registers hold. */
const BLOCK = 8;

/** A matrix in 8 bits: whole steps, and what a step stands for in each row. */
class Matrix {
  constructor(rows, columns, steps, scales) {
    const blocks = Math.ceil(rows / BLOCK);
    this.columns = columns;
    this.scales = scales;
    this.sums = new Float64Array(blocks * BLOCK);
    this.steps = new Float32Array(blocks * BLOCK * columns); // column after column
    for (let row = 0; row < rows; row++) {
      const first = (row - (row % BLOCK)) * columns + (row % BLOCK);
      for (let column = 0; column < columns; column++) {
        this.steps[first + column * BLOCK] = steps[row * columns + column];
      }
    }
  }

  /** out += scales * (steps x) */
  addProduct(x, out) {
    const { columns, scales, steps, sums } = this;
    let at = 0;
    for (let row = 0; row < sums.length; row += BLOCK) {
      let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
      for (let column = 0; column < columns; column++) {
        const value = x[column];
        a += steps[at] * value;
        b += steps[at + 1] * value;
        c += steps[at + 2] * value;
        d += steps[at + 3] * value;
        e += steps[at + 4] * value;
        f += steps[at + 5] * value;
        g += steps[at + 6] * value;
        h += steps[at + 7] * value;
        at += BLOCK;
      }
      sums[row] = a;
      sums[row + 1] = b;
      sums[row + 2] = c;
      sums[row + 3] = d;
      sums[row + 4] = e;
      sums[row + 5] = f;
      sums[row + 6] = g;
      sums[row + 7] = h;
    }
    for (let row = 0; row < scales.length; row++) out[row] += scales[row] * sums[row];
  }
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** How each cell makes its next memory, in place, of what input and memory say. */
const UPDATES = {
  lstm(a, m, hidden, cell) {
    const size = hidden.length;
    for (let n = 0; n < size; n++) {
      const input = sigmoid(a[n] + m[n]);
      const forget = sigmoid(a[size + n] + m[size + n]);
      const candidate = Math.tanh(a[2 * size + n] + m[2 * size + n]);
      const output = sigmoid(a[3 * size + n] + m[3 * size + n]);
      cell[n] = forget * cell[n] + input * candidate;
      hidden[n] = output * Math.tanh(cell[n]);
    }
  },
  gru(a, m, hidden) {
    const size = hidden.length;
    for (let n = 0; n < size; n++) {
      const reset = sigmoid(a[n] + m[n]);
      const update = sigmoid(a[size + n] + m[size + n]);
      const fresh = Math.tanh(a[2 * size + n] + reset * m[2 * size + n]);
      hidden[n] = (1 - update) * fresh + update * hidden[n];
    }
  },
  rnn(a, m, hidden) {
    for (let n = 0; n < hidden.length; n++) hidden[n] = Math.tanh(a[n] + m[n]);
  },
};

/** A trained network. */
class Network {
  /**
   * model: its settings. weights: for each tensor its shape, and where its numbers
   * begin in data, an ArrayBuffer.
   */
  constructor(model, weights, data) {
    const floats = (at, size) => new Float32Array(data, at, size);
    const vector = (name) => floats(weights[name].numbers, weights[name].shape[0]);
    const parts = (name) => {
      const { shape: [rows, columns], steps, scales } = weights[name];
      const bytes = new Int8Array(data, steps, rows * columns);
      return [rows, columns, bytes, floats(scales, rows)];
    };
    const matrix = (name) => new Matrix(...parts(name));
    this.model = model;
    this.update = UPDATES[model.cell];
    this.layers = Array.from({ length: model.layers }, (_, n) => ({
      inputs: matrix(`layers.${n}.weight_ih_l0`),
      recurrent: matrix(`layers.${n}.weight_hh_l0`),
      bias: vector(`layers.${n}.bias_ih_l0`),
      recurrentBias: vector(`layers.${n}.bias_hh_l0`),
    }));
    this.head = matrix("head.weight");
    this.headBias = vector("head.bias");
    // learned numbers, or how many zeros
    this.initial = (name) => (name in weights ? vector(name) : model.hidden);
    this.embedding = parts("embedding.weight");
    this.table = []; // what a character says to the first layer, once it was met
    const rows = this.layers[0].bias.length;
    this.a = new Float64Array(rows);
    this.m = new Float64Array(rows);
    this.x = new Float64Array(model.hidden);
  }

  /** The memory before anything was read. */
  empty() {
    return this.layers.map((_, n) => ({
      hidden: new Float64Array(this.initial(`initial.${n}.hidden`)),
      cell: new Float64Array(this.initial(`initial.${n}.cell`)),
    }));
  }

  /** Read a character: logits of the next one. The memory is changed in place. */
  read(id, memory) {
    const { a, m, x } = this;
    for (let depth = 0; depth < this.layers.length; depth++) {
      const layer = this.layers[depth];
      const { hidden, cell } = memory[depth];
      if (depth === 0) {
        a.set((this.table[id] ??= this.firstSums(id)));
      } else {
        a.set(layer.bias);
        layer.inputs.addProduct(x, a);
      }
      m.set(layer.recurrentBias);
      layer.recurrent.addProduct(hidden, m);
      this.update(a, m, hidden, cell);
      const adds = depth > 0 && this.model.residual;
      for (let n = 0; n < x.length; n++) x[n] = adds ? x[n] + hidden[n] : hidden[n];
    }
    const logits = Float64Array.from(this.headBias);
    this.head.addProduct(x, logits);
    return logits;
  }

  /** What a character contributes to the gates of the first layer. */
  firstSums(id) {
    const [, columns, steps, scales] = this.embedding;
    const row = steps.subarray(id * columns, (id + 1) * columns);
    const embedded = Float64Array.from(row, (step) => step * scales[id]);
    const sums = Float64Array.from(this.layers[0].bias);
    this.layers[0].inputs.addProduct(embedded, sums);
    return sums;
  }
}

/**
 * Draw an id from logits. uniform: at least 0 and below 1. Temperature 0 takes the
 * likeliest, of equals the first.
 */
function draw(logits, temperature, uniform) {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  if (temperature === 0) return logits.indexOf(highest);
  let total = 0;
  const mass = logits.map((logit) => (total += Math.exp((logit - highest) / temperature)));
  const target = uniform * total;
  const id = mass.findIndex((reached) => reached > target);
  return id < 0 ? logits.indexOf(highest) : id;
}
