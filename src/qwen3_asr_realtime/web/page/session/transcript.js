/** The items of a conversation, as the server's events tell of them. */

const EVENTS = {
  "input_audio_buffer.speech_started": (item, event, at) => {
    item.start = at.sample(event.audio_start_ms);
    item.startedAt = at.sentAt(event.audio_start_ms);
  },
  "input_audio_buffer.speech_stopped": (item, event, at) => {
    item.end = at.sample(event.audio_end_ms);
    item.endedAt = at.sentAt(event.audio_end_ms);
  },
  "input_audio_buffer.committed": (item, event, at) => {
    item.state = "recognising";
    if (at.commit) {
      item.end = at.commit.sample;
      item.endedAt = at.commit.time;
    }
  },
  "conversation.item.created": () => {},
  "conversation.item.input_audio_transcription.text": (item, event, at) => {
    item.text = event.text;
    item.stash = event.stash;
    item.language = event.language;
    if (item.partials.length === 0) item.firstPartialMs = since(item.startedAt, at);
    if (item.partials.length < PARTIALS_KEPT) item.partials.push(at.position);
  },
  "conversation.item.input_audio_transcription.completed": (item, event, at) => {
    item.state = "completed";
    item.text = event.transcript;
    item.stash = "";
    item.language = event.language;
    item.finalAt = at.position;
    item.finalMs = since(item.endedAt, at);
    item.end ??= at.position;
  },
  "conversation.item.input_audio_transcription.failed": (item, event, at) => {
    item.state = "failed";
    item.stash = "";
    item.problem = event.error?.message ?? "";
    item.end ??= at.position;
  },
};

const PARTIALS_KEPT = 200; // places drawn for each item

/** How long ago something was, in ms; null if its time is not known or says nothing. */
function since(time, at) {
  return time === null || !at.isPaced ? null : at.now - time;
}

/**
 * What of a conversation happens when.
 *
 * @typedef {object} Moment
 * @property {number} now ms
 * @property {number} position samples recorded by now
 * @property {boolean} isPaced whether audio is sent in real time, so that latencies mean something
 * @property {number} turnStart where the open item of Manual mode begins
 * @property {{sample: number, time: number} | undefined} commit what a `committed` answers, in Manual mode
 * @property {(ms: number) => number} sample of the recording, for a time of the session
 * @property {(ms: number) => number | null} sentAt when that was sent
 */

/**
 * An item.
 *
 * `state` is `speaking`, `recognising`, `completed`, `failed` or `lost`. `start`, `end`, `partials` and `finalAt` are
 * samples of the recording; the last two say what had been recorded when partials and the final came.
 */
function newItem(id, number, at) {
  return {
    id,
    number,
    state: "speaking",
    start: at.turnStart,
    end: null,
    startedAt: at.turnStartedAt ?? null,
    endedAt: null,
    text: "",
    stash: "",
    language: "",
    problem: "",
    partials: [],
    finalAt: null,
    firstPartialMs: null,
    finalMs: null,
  };
}

export class Transcript {
  items = [];
  #open = new Map();

  /**
   * Take an event of the server.
   *
   * @param {object} event
   * @param {Moment} at
   * @returns the item that has changed, or null if the event is about none
   */
  apply(event, at) {
    const change = EVENTS[event.type];
    const id = event.item_id ?? event.item?.id;
    if (!change || !id) return null;
    let item = this.#open.get(id);
    if (!item) {
      item = newItem(id, this.items.length + 1, at);
      this.items.push(item);
      this.#open.set(id, item);
    }
    change(item, event, at);
    if (item.finalAt !== null || item.state === "failed") this.#open.delete(id);
    return item;
  }

  /** The connection is gone: nothing more will come of open items. Returns those. */
  lose(position) {
    const lost = [...this.#open.values()];
    for (const item of lost) {
      item.state = "lost";
      item.end ??= position;
    }
    this.#open.clear();
    return lost;
  }

  /** `input_audio_buffer.cleared`: an item that was open is no more. Returns it, or null. */
  clear() {
    const item = [...this.#open.values()].find((open) => open.state === "speaking");
    if (!item) return null;
    this.#open.delete(item.id);
    this.items.splice(this.items.indexOf(item), 1);
    return item;
  }

  get hasOpenItems() {
    return this.#open.size > 0;
  }
}
