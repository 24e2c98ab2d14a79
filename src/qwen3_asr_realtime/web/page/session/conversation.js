/**
 * A conversation with the server: audio goes in, items come out, over as many connections as it takes.
 *
 * Times are samples of the recording, which goes on through lost connections. Each connection has a session of its own,
 * whose time 0 is the recording's sample at which it begins.
 */

import { SAMPLE_RATE, base64FromInt16 } from "../audio/pcm.js";
import { Recording } from "../audio/recording.js";
import { SendingClock } from "./clock.js";
import { sessionConfiguration } from "./configuration.js";
import { Connection } from "./connection.js";
import { Transcript } from "./transcript.js";

const QUEUED_FRAMES_MAX = 150; // 15 s: what is kept for the server while there is no connection
const samplesFromMs = (ms) => Math.round((ms * SAMPLE_RATE) / 1000);

/**
 * Dispatches `item` (detail: the item that changed), `removed` (detail: the item that is gone), `state` (as of
 * `Connection`), `frame` (detail: {direction, event, time}) and `problem` (detail: an `error` event's error).
 */
export class Conversation extends EventTarget {
  recording = new Recording();
  transcript = new Transcript();
  connection = new Connection();
  isPaced = true; // whether audio comes in real time
  #settings;
  #apiKey = () => "";
  #isActive = false; // a source is running
  #session = null; // of the connection that is open: {origin, sent, clock, configured}
  #queue = []; // {frame, position} of frames without a connection
  #turn = { start: 0, startedAt: null }; // the open item of Manual mode
  #commits = []; // that have not been answered

  /**
   * @param {() => import("./configuration.js").DEFAULTS} settings as they are now
   * @param {() => string} apiKey
   */
  constructor(settings, apiKey) {
    super();
    this.#settings = settings;
    this.#apiKey = apiKey;
    this.connection.addEventListener("state", ({ detail }) => this.#onState(detail));
    this.connection.addEventListener("sent", ({ detail }) => this.#tell("sent", detail));
    this.connection.addEventListener("received", ({ detail }) => this.#onEvent(detail));
  }

  /** A source begins: connect if there is no connection, and again whenever it is lost. */
  begin({ isPaced }) {
    this.isPaced = isPaced;
    this.#isActive = true;
    if (this.connection.state === "closed") this.#queue = [];
    this.#turn = { start: this.recording.length, startedAt: null };
    this.connection.open(this.#settings().url, this.#apiKey(), () => this.#isActive);
  }

  /** Audio of the source, an Int16Array. Resolves when more may come. */
  async add(frame) {
    const position = this.recording.length;
    this.recording.add(frame);
    if (this.#session) this.#append(frame, position);
    else this.#keep(frame, position);
    if (!this.isPaced) await this.#connected();
    await this.connection.room();
  }

  /** The source ends, and the connection stays: what has been said is recognised now. */
  end() {
    if (this.#settings().mode === "manual") this.commit();
    else this.#addSilence();
    this.#isActive = false;
  }

  /** The source ends, and so does the session, once all is recognised; resolves then, or when the connection is lost. */
  async finish() {
    await this.#connected();
    this.#isActive = false;
    if (!this.#session) return;
    const closed = this.connection.becomes("closed");
    this.connection.send({ type: "session.finish" });
    await closed;
  }

  /** Manual mode: what has been said is an item. */
  commit() {
    if (!this.#session || this.recording.length === this.#turn.start) return;
    this.connection.send({ type: "input_audio_buffer.commit" });
    const now = performance.now();
    this.#commits.push({ sample: this.recording.length, time: now, start: this.#turn.start });
    this.#turn = { start: this.recording.length, startedAt: null };
  }

  /** Drop what is being said. */
  clear() {
    if (!this.#session) return;
    this.connection.send({ type: "input_audio_buffer.clear" });
    this.#turn = { start: this.recording.length, startedAt: null };
  }

  /** Settings have changed: tell the session, if there is one. */
  configure() {
    if (this.#session) this.#sendConfiguration();
  }

  /** End the session now. */
  disconnect() {
    this.#isActive = false;
    this.connection.close();
  }

  get isActive() {
    return this.#isActive;
  }

  #append(frame, position) {
    if (this.#session.origin === null) this.#session.origin = position;
    this.connection.send({ type: "input_audio_buffer.append", audio: base64FromInt16(frame) });
    const now = performance.now();
    this.#session.clock.note(position - this.#session.origin + frame.length, now);
    this.#turn.startedAt ??= now;
  }

  #keep(frame, position) {
    this.#queue.push({ frame, position });
    if (this.isPaced && this.#queue.length > QUEUED_FRAMES_MAX) this.#queue.shift();
  }

  /** VAD mode: the server hears that the speaker has ended, and need not wait for it. */
  #addSilence() {
    const samples = samplesFromMs(this.#settings().silenceMs + 300);
    const frame = SAMPLE_RATE / 10;
    for (let first = 0; first < samples; first += frame) this.add(new Int16Array(Math.min(frame, samples - first)));
  }

  /** There is a connection, or there will be none. */
  async #connected() {
    const { state } = this.connection;
    if (state !== "open" && state !== "closed") await this.connection.becomes("open", "closed");
  }

  #sendConfiguration() {
    const settings = this.#settings();
    this.connection.send({
      type: "session.update",
      session: sessionConfiguration(settings, this.#session.configured ?? undefined),
    });
    this.#session.configured = { ...settings };
  }

  #onState(detail) {
    if (detail.state === "open") this.#onOpen();
    else if (detail.state === "closed" || detail.state === "waiting") this.#onLost(detail);
    this.dispatchEvent(new CustomEvent("state", { detail }));
  }

  #onOpen() {
    this.#session = { origin: null, clock: new SendingClock(), configured: null };
    this.#commits = [];
    this.#sendConfiguration();
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length > 0) this.#turn = { start: queue[0].position, startedAt: null };
    for (const { frame, position } of queue) this.#append(frame, position);
    if (!this.#isActive && this.#settings().mode === "manual") this.commit(); // the source ended while we waited
  }

  #onLost({ state }) {
    const hadSession = this.#session !== null;
    this.#session = null;
    if (hadSession) this.#turn = { start: this.recording.length, startedAt: null };
    for (const item of this.transcript.lose(this.recording.length)) this.#changed(item);
    if (state === "closed") this.#isActive = false;
  }

  #onEvent({ event, time }) {
    this.#tell("received", { event, time });
    switch (event.type) {
      case "error":
        this.dispatchEvent(new CustomEvent("problem", { detail: event.error }));
        return;
      case "input_audio_buffer.cleared": {
        const item = this.transcript.clear();
        if (item) this.dispatchEvent(new CustomEvent("removed", { detail: item }));
        return;
      }
      case "session.finished":
        this.connection.close();
        return;
    }
    const item = this.transcript.apply(event, this.#moment(event, time));
    if (item) this.#changed(item);
  }

  #moment(event, now) {
    const { origin, clock } = this.#session;
    const isAnswer = event.type === "input_audio_buffer.committed";
    return {
      now,
      position: this.recording.length,
      isPaced: this.isPaced,
      turnStart: this.#commits[0]?.start ?? this.#turn.start,
      turnStartedAt: this.#turn.startedAt,
      commit: isAnswer ? this.#commits.shift() : undefined,
      sample: (ms) => (origin ?? 0) + samplesFromMs(ms),
      sentAt: (ms) => clock.sentAt(samplesFromMs(ms)),
    };
  }

  #changed(item) {
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
  }

  #tell(direction, { event, time }) {
    this.dispatchEvent(new CustomEvent("frame", { detail: { direction, event, time } }));
  }
}
