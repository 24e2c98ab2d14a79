/** A file as a source of 16 kHz frames: whatever this browser can decode. */

import { SAMPLE_RATE, int16FromFloat } from "./pcm.js";

const FRAME_SAMPLES = SAMPLE_RATE / 10;

/** The samples of an audio or video file, mono. Rejects if the browser cannot decode it. */
export async function decodedFile(file) {
  // A context of the target's rate makes the browser resample, and a channel count of one makes it mix down.
  const decoder = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  const decoded = await decoder.decodeAudioData(await file.arrayBuffer());
  const mixer = new OfflineAudioContext(1, Math.max(1, decoded.length), SAMPLE_RATE);
  const source = new AudioBufferSourceNode(mixer, { buffer: decoded });
  source.connect(mixer.destination);
  source.start();
  return int16FromFloat((await mixer.startRendering()).getChannelData(0));
}

/**
 * Send samples frame by frame.
 *
 * @param {Int16Array} samples
 * @param {object} options
 * @param {boolean} options.isPaced in real time, or as fast as `send` takes them
 * @param {(frame: Int16Array) => Promise<void>} options.send resolves when more may come
 * @param {(share: number) => void} options.onProgress
 * @param {AbortSignal} options.signal
 */
export async function streamSamples(samples, { isPaced, send, onProgress, signal }) {
  const start = performance.now();
  for (let first = 0; first < samples.length && !signal.aborted; first += FRAME_SAMPLES) {
    if (isPaced) await until(start + (first / SAMPLE_RATE) * 1000, signal); // by the clock, so that delays do not add up
    if (signal.aborted) return;
    await send(samples.slice(first, first + FRAME_SAMPLES));
    onProgress(Math.min(1, (first + FRAME_SAMPLES) / samples.length));
  }
}

function until(due, signal) {
  const wait = due - performance.now();
  if (wait <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
