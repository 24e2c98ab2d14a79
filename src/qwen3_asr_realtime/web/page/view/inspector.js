/** Every frame in both directions, and the present settings as a program. */

import { SNIPPETS } from "../session/snippets.js";
import { t } from "../text/i18n.js";
import { byId, element } from "./dom.js";
import { VirtualList } from "./virtual-list.js";

const KEPT = 2000;
const ROW_PX = 24;

export class Inspector {
  #frames = [];
  #shown = [];
  #filter = "";
  #list;
  #began = null;
  #isScheduled = false;

  /**
   * @param {() => object} settings as they are now
   * @param {(text: string, source: HTMLElement) => Promise<void>} copy
   */
  constructor(settings, copy) {
    this.#list = new VirtualList(byId("events"), { estimatePx: ROW_PX, render: (frame) => this.#row(frame) });
    byId("filter").addEventListener("input", ({ target }) => {
      this.#filter = target.value.trim().toLowerCase();
      this.#shown = this.#frames.filter((frame) => this.#matches(frame));
      this.#list.show(this.#shown);
    });
    for (const [name, snippet] of Object.entries(SNIPPETS)) {
      const button = element("button", { type: "button", className: "quiet small", data: { snippet: name } });
      button.addEventListener("click", () => copy(snippet.write(settings()), button));
      byId("snippets").append(button);
    }
    this.refresh();
  }

  /** Say it anew, in another language. */
  refresh() {
    for (const button of byId("snippets").children) {
      button.textContent = t("copyAs", { label: SNIPPETS[button.dataset.snippet].label });
    }
  }

  /** Take a frame: {direction, event, time}. Audio is not kept, only how much it was. */
  add({ direction, event, time }) {
    this.#began ??= time;
    const shown = event.audio ? { ...event, audio: `<${bytesOf(event.audio)} bytes>` } : event;
    const frame = { direction, type: event.type, text: JSON.stringify(shown), at: time - this.#began };
    this.#frames.push(frame);
    if (this.#matches(frame)) this.#shown.push(frame);
    if (this.#frames.length > KEPT + KEPT / 10) {
      this.#frames.splice(0, KEPT / 10);
      this.#shown = this.#frames.filter((kept) => this.#matches(kept));
    }
    if (this.#isScheduled || !byId("inspector").open) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#list.show(this.#shown);
    }, 100);
  }

  #matches(frame) {
    return frame.text.toLowerCase().includes(this.#filter);
  }

  #row(frame) {
    const row = element("button", { type: "button", className: "frame", data: { direction: frame.direction } },
      element("span", { className: "at" }, (frame.at / 1000).toFixed(2)),
      element("span", { className: "arrow" }, frame.direction === "sent" ? "↑" : "↓"),
      element("span", { className: "type" }, frame.type),
      element("span", { className: "gist" }, gist(frame))); // prettier-ignore
    row.addEventListener("click", () => {
      byId("event").hidden = false;
      byId("event").textContent = JSON.stringify(JSON.parse(frame.text), null, 2);
    });
    return row;
  }
}

function bytesOf(base64) {
  return (base64.length * 3) / 4 - (base64.match(/=*$/)[0].length);
}

/** What of an event is worth seeing at a glance. */
function gist({ text }) {
  const event = JSON.parse(text);
  return event.transcript ?? (event.text !== undefined ? event.text + event.stash : (event.error?.message ?? event.audio ?? ""));
}
