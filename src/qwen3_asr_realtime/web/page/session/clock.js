/** When which sample was sent: what latencies are counted from. */

const KEPT = 3000; // frames: five minutes of microphone

export class SendingClock {
  #ends = []; // end of each frame, in samples of the session, ascending
  #times = [];

  /** A frame that ends at a sample of the session has been sent. */
  note(end, time) {
    this.#ends.push(end);
    this.#times.push(time);
    if (this.#ends.length > 2 * KEPT) {
      this.#ends.splice(0, KEPT);
      this.#times.splice(0, KEPT);
    }
  }

  /** When a sample was sent, in ms; null if that has been forgotten, or is still to come. */
  sentAt(sample) {
    if (this.#ends.length === 0 || sample > this.#ends.at(-1)) return null;
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle] < sample) low = middle + 1;
      else high = middle;
    }
    const isForgotten = low === 0 && this.#ends.length > KEPT;
    return isForgotten ? null : this.#times[low];
  }
}
