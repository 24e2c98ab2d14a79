/**
 * Resampling of a stream to 16 kHz: a windowed sinc, evaluated at each output sample.
 *
 * The kernel has its -6 dB point at 7.4 kHz and is below -80 dB from 8.6 kHz on (Kaiser window, beta 8, 32 zero
 * crossings to each side), so that nothing folds back into the speech band. Where the input's rate is in a simple
 * ratio to the output's, as 48 or 44.1 kHz are, the kernel is sampled once for every phase that occurs.
 */

const ZERO_CROSSINGS = 32;
const KAISER_BETA = 8;
const CUTOFF = 0.925; // of half the lower rate

/** Modified Bessel function of the first kind and order 0. */
function bessel0(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export class Resampler {
  /**
   * @param {number} inputRate of the samples that will be pushed, in Hz, a whole number
   * @param {number} outputRate of those that come out, in Hz
   */
  constructor(inputRate, outputRate) {
    const divisor = greatestCommonDivisor(inputRate, outputRate);
    this.step = inputRate / divisor; // input samples for each output sample, in units of 1 / phases
    this.phases = outputRate / divisor;
    const scale = CUTOFF * Math.min(1, outputRate / inputRate);
    this.reach = Math.ceil(ZERO_CROSSINGS / scale);
    this.kernels = Array.from({ length: this.phases }, (_, phase) => this.#kernel(phase / this.phases, scale));
    this.samples = new Float32Array(this.reach); // what precedes the stream is silence
    this.position = this.reach * this.phases; // of the next output sample in `samples`, in the same units
    this.isIdentity = inputRate === outputRate;
  }

  /** The samples that are certain by now, Float32Array. */
  push(input) {
    if (this.isIdentity) return input.slice();
    const samples = new Float32Array(this.samples.length + input.length);
    samples.set(this.samples);
    samples.set(input, this.samples.length);
    const last = (samples.length - this.reach) * this.phases; // beyond it the kernel lacks samples
    const output = new Float32Array(Math.max(0, Math.ceil((last - this.position) / this.step)));
    for (let i = 0; i < output.length; i++) {
      const centre = Math.floor(this.position / this.phases);
      const kernel = this.kernels[this.position % this.phases];
      let sum = 0;
      for (let k = 0, at = centre - this.reach + 1; k < kernel.length; k++, at++) sum += kernel[k] * samples[at];
      output[i] = sum;
      this.position += this.step;
    }
    const keepFrom = Math.max(0, Math.floor(this.position / this.phases) - this.reach + 1);
    this.samples = samples.slice(keepFrom);
    this.position -= keepFrom * this.phases;
    return output;
  }

  /** What is still held back, as if silence followed. */
  flush() {
    return this.isIdentity ? new Float32Array(0) : this.push(new Float32Array(this.reach));
  }

  #kernel(fraction, scale) {
    const kernel = new Float32Array(2 * this.reach);
    let sum = 0;
    for (let k = 0; k < kernel.length; k++) {
      const x = k - this.reach + 1 - fraction; // distance from the output sample, in input samples
      const inside = 1 - (x / this.reach) ** 2;
      const window = inside > 0 ? bessel0(KAISER_BETA * Math.sqrt(inside)) / bessel0(KAISER_BETA) : 0;
      const phase = Math.PI * scale * x;
      kernel[k] = (phase === 0 ? 1 : Math.sin(phase) / phase) * window;
      sum += kernel[k];
    }
    return kernel.map((value) => value / sum); // a constant stays what it is, in every phase
  }
}
