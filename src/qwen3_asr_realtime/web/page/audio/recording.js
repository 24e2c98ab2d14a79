/**
 * All audio of this page, from its first sample on, which is what times in the page are counted from.
 *
 * Samples are kept in blobs, which the browser keeps out of the page's memory (an hour is 115 MB); what is drawn of
 * them, the loudest sample of each 20 ms, is kept here (180 kB for an hour).
 */

import { SAMPLE_RATE, wavHeader } from "./pcm.js";

export const PEAK_SAMPLES = SAMPLE_RATE / 50;
const BLOB_SAMPLES = 10 * SAMPLE_RATE;

export class Recording {
  length = 0; // samples
  #blobs = []; // of BLOB_SAMPLES each
  #open = []; // frames that are not in a blob yet
  #openLength = 0;
  #peaks = new Uint8Array(4096);
  #peak = 0;

  /** Add a frame. */
  add(frame) {
    for (let i = 0; i < frame.length; i++) {
      this.#peak = Math.max(this.#peak, Math.abs(frame[i]));
      if (++this.length % PEAK_SAMPLES === 0) this.#keepPeak();
    }
    this.#open.push(frame);
    this.#openLength += frame.length;
    if (this.#openLength >= BLOB_SAMPLES) {
      const open = new Blob(this.#open);
      this.#blobs.push(open.slice(0, BLOB_SAMPLES * 2));
      this.#open = [open.slice(BLOB_SAMPLES * 2)];
      this.#openLength -= BLOB_SAMPLES;
    }
  }

  /** The loudest sample of a stretch of 20 ms, from 0 to 1. */
  peak(index) {
    return this.#peaks[index] / 255;
  }

  /** A WAV file of what lies between two samples. */
  wav(first, end) {
    const from = Math.max(0, Math.floor(first));
    const until = Math.min(this.length, Math.ceil(end));
    const samples = new Blob([...this.#blobs, ...this.#open]).slice(from * 2, until * 2);
    return new Blob([wavHeader(until - from), samples], { type: "audio/wav" });
  }

  #keepPeak() {
    const index = this.length / PEAK_SAMPLES - 1;
    if (index === this.#peaks.length) {
      const grown = new Uint8Array(2 * this.#peaks.length);
      grown.set(this.#peaks);
      this.#peaks = grown;
    }
    this.#peaks[index] = Math.min(255, Math.round((this.#peak / 32768) * 255));
    this.#peak = 0;
  }
}
