/** The lane above the transcript: the sound of the last half minute, and what was heard in it. */

import { PEAK_SAMPLES } from "../audio/recording.js";
import { SAMPLE_RATE } from "../audio/pcm.js";
import { timestamp } from "../session/exports.js";
import { byId } from "./dom.js";

const SHOWN = 30 * SAMPLE_RATE;
const STEP = 5 * SAMPLE_RATE; // of an arrow key
const TICK = 5 * SAMPLE_RATE;

export class Lane {
  #canvas = byId("lane");
  #recording;
  #items;
  #end = null; // the last sample shown, or null while it is the newest
  #isScheduled = false;
  #colours;

  constructor(recording, items) {
    this.#recording = recording;
    this.#items = items;
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
    this.#canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#move(((event.deltaX || event.deltaY) / this.#canvas.clientWidth) * SHOWN);
    }, { passive: false }); // prettier-ignore
    this.#canvas.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowLeft") this.#move(-STEP);
      else if (key === "ArrowRight") this.#move(STEP);
      else if (key === "End") this.follow();
    });
    this.#canvas.addEventListener("pointermove", ({ buttons, movementX }) => {
      if (buttons === 1) this.#move((-movementX / this.#canvas.clientWidth) * SHOWN);
    });
    byId("live").addEventListener("click", () => this.follow());
    this.recolour();
  }

  /** Colours have changed. */
  recolour() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.#colours = {
      wave: colour("wave"),
      speech: colour("speech"),
      partial: colour("partial"),
      final: colour("final"),
      text: colour("text-quiet"),
      line: colour("line"),
    };
    this.draw();
  }

  /** Show the newest again. */
  follow() {
    this.#end = null;
    byId("live").hidden = true;
    this.draw();
  }

  /** Show an item. */
  reveal(item) {
    if (item.start >= this.#first && (item.end ?? item.start) <= this.#last) return;
    this.#end = Math.max(SHOWN, item.start + SHOWN / 2);
    this.#move(0);
  }

  /** Draw in the next frame. */
  draw() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#draw();
    });
  }

  get #last() {
    return this.#end ?? Math.max(SHOWN, this.#recording.length);
  }

  get #first() {
    return this.#last - SHOWN;
  }

  #move(samples) {
    const newest = Math.max(SHOWN, this.#recording.length);
    const end = Math.max(SHOWN, this.#last + samples);
    this.#end = end >= newest ? null : end;
    byId("live").hidden = this.#end === null;
    this.draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    const density = window.devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * density)) this.#canvas.width = Math.round(width * density);
    if (this.#canvas.height !== Math.round(height * density)) this.#canvas.height = Math.round(height * density);
    const context = this.#canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    const first = this.#first;
    const x = (sample) => ((sample - first) / SHOWN) * width;

    context.font = "11px system-ui, sans-serif";
    context.fillStyle = this.#colours.text;
    for (let tick = Math.ceil(first / TICK) * TICK; tick < this.#last; tick += TICK) {
      context.fillText(timestamp(tick).slice(3, 8), x(tick) + 3, height - 4);
      context.fillRect(x(tick), height - 14, 1, 14);
    }

    const laneHeight = height - 16;
    for (const item of this.#visible()) {
      context.fillStyle = this.#colours.speech;
      const left = x(item.start);
      context.fillRect(left, 0, Math.max(1, x(item.end ?? this.#recording.length) - left), laneHeight);
    }
    context.fillStyle = this.#colours.wave;
    const middle = laneHeight / 2;
    const until = Math.min(this.#last, this.#recording.length);
    for (let index = Math.max(0, Math.floor(first / PEAK_SAMPLES)); (index + 1) * PEAK_SAMPLES <= until; index++) {
      const reach = Math.max(0.5, Math.sqrt(this.#recording.peak(index)) * (middle - 2)); // so that quiet voices show
      context.fillRect(x(index * PEAK_SAMPLES), middle - reach, Math.max(0.7, width / (SHOWN / PEAK_SAMPLES) - 0.3), 2 * reach);
    }
    for (const item of this.#visible()) {
      context.fillStyle = this.#colours.partial;
      for (const partial of item.partials) context.fillRect(x(partial), laneHeight - 7, 1.5, 7);
      if (item.finalAt === null) continue;
      context.fillStyle = this.#colours.final;
      context.beginPath();
      context.arc(x(item.finalAt), laneHeight - 4, 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** The items that reach into what is shown; the newest are at the end, and so is what is shown most of the time. */
  #visible() {
    const visible = [];
    for (let i = this.#items.length - 1; i >= 0; i--) {
      const item = this.#items[i];
      const until = Math.max(item.end ?? Infinity, item.finalAt ?? 0);
      if (until < this.#first) break;
      if (item.start <= this.#last) visible.push(item);
    }
    return visible;
  }
}
