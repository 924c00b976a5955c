"use strict";

// Text in, text out: the characters of the model, and a text that it goes on with.

/** Characters as ids and back; a model of bytes knows every character. */
class Alphabet {
  constructor(vocabulary) {
    this.isBytes = vocabulary.kind === "byte";
    if (this.isBytes) return;
    this.characters = Array.from(vocabulary.characters);
    this.ids = new Map(this.characters.map((character, id) => [character, id]));
    this.unknown = this.ids.get(vocabulary.unknown);
  }

  /** Ids of a text. What the model has never seen is passed over and told. */
  encode(text, tell) {
    if (this.isBytes) return Array.from(new TextEncoder().encode(text));
    const ids = [];
    for (const character of text) {
      const id = this.ids.get(character) ?? this.unknown;
      if (id === undefined) tell(character);
      else ids.push(id);
    }
    return ids;
  }

  /** Takes ids one by one and gives the characters that they complete. */
  decoder() {
    if (!this.isBytes) return (id) => this.characters[id];
    const decoder = new TextDecoder();
    return (id) => decoder.decode(Uint8Array.of(id), { stream: true });
  }

  /** What stands before an empty text: a line end, as before any new line. */
  opening() {
    return this.isBytes ? 10 : (this.ids.get("\n") ?? 0);
  }
}

/** A network that has read a text and goes on with it. */
class Writer {
  constructor(network, alphabet) {
    this.network = network;
    this.alphabet = alphabet;
    this.text = "";
  }

  /**
   * Continue a text: yields "" for each character that is read, then the new ones.
   * What it has read before is not read again.
   */
  *writeOn(text, { length, temperature, random = Math.random, tell = () => {} }) {
    if (this.text === "" || !text.startsWith(this.text)) {
      this.memory = this.network.empty();
      this.text = "";
    }
    const ids = this.alphabet.encode(text.slice(this.text.length), tell);
    if (this.text === "" && ids.length === 0) ids.push(this.alphabet.opening());
    this.text = ""; // a reading that is broken off begins anew
    for (const id of ids) {
      this.logits = this.network.read(id, this.memory);
      yield "";
    }
    this.text = text;
    const decode = this.alphabet.decoder();
    let left = length;
    while (left > 0) {
      const { unknown } = this.alphabet; // stands for what was read, is never written
      if (unknown !== undefined) this.logits[unknown] = -Infinity;
      const id = draw(this.logits, temperature, random());
      const piece = decode(id);
      this.logits = this.network.read(id, this.memory);
      this.text += piece;
      left -= Array.from(piece).length;
      yield piece;
    }
  }
}
