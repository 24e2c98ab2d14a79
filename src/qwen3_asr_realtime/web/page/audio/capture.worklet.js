/** In the audio thread: mixes down, resamples to 16 kHz and hands out frames of 100 ms. */

import { SAMPLE_RATE } from "./pcm.js";
import { Resampler } from "./resampler.js";

const FRAME_SAMPLES = SAMPLE_RATE / 10;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, SAMPLE_RATE);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
    this.isOpen = true;
    this.port.onmessage = () => {
      this.#take(this.resampler.flush());
      this.port.postMessage(this.frame.slice(0, this.filled));
      this.port.postMessage(null); // nothing follows
      this.isOpen = false;
    };
  }

  process([channels]) {
    if (this.isOpen && channels.length > 0) this.#take(this.resampler.push(mono(channels)));
    return this.isOpen;
  }

  #take(samples) {
    for (const sample of samples) {
      this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.filled === FRAME_SAMPLES) {
        this.port.postMessage(this.frame, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME_SAMPLES);
        this.filled = 0;
      }
    }
  }
}

function mono(channels) {
  if (channels.length === 1) return channels[0];
  const mixed = new Float32Array(channels[0].length);
  for (const channel of channels) for (let i = 0; i < mixed.length; i++) mixed[i] += channel[i] / channels.length;
  return mixed;
}

registerProcessor("capture", Capture);
