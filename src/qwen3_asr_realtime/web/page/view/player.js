/** Plays what an item was recognised from. */

import { byId } from "./dom.js";

export class Player {
  #audio = byId("player");
  #recording;
  #item = null;
  #onChange;

  /** @param {(item: object | null) => void} onChange told which item is being played now */
  constructor(recording, onChange) {
    this.#recording = recording;
    this.#onChange = onChange;
    this.#audio.addEventListener("ended", () => this.#stop());
  }

  /** Play an item, or stop if it is being played. */
  toggle(item) {
    const wasPlaying = this.#item === item;
    this.#stop();
    if (wasPlaying) return;
    this.#item = item;
    this.#audio.src = URL.createObjectURL(this.#recording.wav(item.start, item.end));
    this.#audio.play();
    this.#onChange(item);
  }

  #stop() {
    if (this.#item === null) return;
    this.#audio.pause();
    URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
    this.#item = null;
    this.#onChange(null);
  }
}
