/** One WebSocket to the server, and a new one when it is lost. */

import { socketArguments } from "./configuration.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const FULL_BYTES = 256 * 1024; // unsent, from which on a fast source has to wait
const LOOK_AGAIN_MS = 20;

/**
 * Dispatches `state` (detail: {state, code, reason, waitMs}), `sent` and `received` (detail: {event, time}).
 *
 * States: `closed`; `connecting`; `open`; `waiting`, before the next attempt.
 */
export class Connection extends EventTarget {
  state = "closed";
  #socket = null;
  #arguments = [];
  #wantsToBeOpen = () => false;
  #waitMs = FIRST_WAIT_MS;
  #timer;
  #events = 0;

  /**
   * Connect; do nothing if there is a connection or an attempt at one.
   *
   * @param {string} url
   * @param {string} apiKey
   * @param {() => boolean} wantsToBeOpen asked when the connection is lost: whether to try again
   */
  open(url, apiKey, wantsToBeOpen) {
    this.#wantsToBeOpen = wantsToBeOpen;
    if (this.state === "open" || this.state === "connecting") return;
    this.#arguments = socketArguments(url, apiKey);
    this.#waitMs = FIRST_WAIT_MS;
    this.#connect();
  }

  /** Send an event, under an id of its own. */
  send(event) {
    const numbered = { event_id: `event_${++this.#events}`, ...event };
    this.#socket.send(JSON.stringify(numbered));
    this.#dispatch("sent", { event: numbered, time: performance.now() });
  }

  /** Resolves at the next change to one of some states. */
  becomes(...states) {
    return new Promise((resolve) => {
      const look = ({ detail }) => {
        if (!states.includes(detail.state)) return;
        this.removeEventListener("state", look);
        resolve();
      };
      this.addEventListener("state", look);
    });
  }

  /** Resolves when so little is unsent that more may come. */
  async room() {
    while (this.state === "open" && this.#socket.bufferedAmount > FULL_BYTES) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  /** Close, and do not try again. */
  close() {
    this.#wantsToBeOpen = () => false;
    clearTimeout(this.#timer);
    if (this.#socket) this.#socket.close(1000);
    else this.#become("closed", { code: 1000, reason: "" });
  }

  #connect() {
    clearTimeout(this.#timer);
    let socket;
    try {
      socket = new WebSocket(...this.#arguments);
    } catch (error) {
      this.#become("closed", { code: 0, reason: error.message });
      return;
    }
    this.#socket = socket;
    this.#become("connecting");
    socket.onopen = () => {
      this.#waitMs = FIRST_WAIT_MS;
      this.#become("open");
    };
    // When it came, and not when this page, busy with drawing perhaps, gets to it.
    socket.onmessage = ({ data, timeStamp }) => this.#dispatch("received", { event: JSON.parse(data), time: timeStamp });
    socket.onclose = ({ code, reason }) => {
      this.#socket = null;
      if (this.#wantsToBeOpen()) this.#tryLater(code, reason);
      else this.#become("closed", { code, reason });
    };
  }

  #tryLater(code, reason) {
    const waitMs = this.#waitMs * (0.75 + Math.random() / 2); // not all clients of a server at once
    this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
    this.#become("waiting", { code, reason, waitMs });
    this.#timer = setTimeout(() => this.#connect(), waitMs);
  }

  #become(state, detail = {}) {
    this.state = state;
    this.#dispatch("state", { state, ...detail });
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
