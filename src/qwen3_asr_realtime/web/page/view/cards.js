/** The transcript: a card for each item, with search and exports. */

import { FORMATS, shortTime } from "../session/exports.js";
import { languageName, t } from "../text/i18n.js";
import { byId, element } from "./dom.js";
import { VirtualList } from "./virtual-list.js";

const CARD_PX = 76;

export class Cards {
  #transcript;
  #list;
  #wanted = ""; // what is searched for, in lower case
  #playing = null;
  #onPlay;

  /**
   * @param {import("../session/transcript.js").Transcript} transcript
   * @param {(item: object) => void} onPlay told of an item whose audio is to be played
   */
  constructor(transcript, onPlay) {
    this.#transcript = transcript;
    this.#onPlay = onPlay;
    this.#list = new VirtualList(byId("transcript"), {
      estimatePx: CARD_PX,
      render: (item) => this.#card(item),
      onEnd: (isAtEnd) => (byId("latest").hidden = isAtEnd),
    });
    byId("latest").addEventListener("click", () => this.#list.follow());
    byId("search").addEventListener("input", ({ target }) => this.#search(target.value));
    byId("copy").addEventListener("click", () => this.#copy());
    for (const button of document.querySelectorAll("[data-format]")) {
      button.addEventListener("click", () => save(button.dataset.format, transcript.items));
    }
  }

  /** An item is new, has changed, or is gone. */
  changed(item) {
    byId("empty").hidden = this.#transcript.items.length > 0;
    const hasText = item.state === "completed" && item.text !== "";
    if (hasText) for (const button of document.querySelectorAll("#copy, [data-format]")) button.disabled = false;
    this.#list.refresh(item);
    this.#show();
  }

  /** Say everything anew, in another language. */
  refresh() {
    this.#list.refreshAll();
    this.#show();
  }

  /** Mark the item whose audio is being played, or none. */
  playing(item) {
    const before = this.#playing;
    this.#playing = item;
    if (before) this.#list.refresh(before);
    if (item) this.#list.refresh(item);
  }

  #search(text) {
    this.#wanted = text.trim().toLocaleLowerCase();
    this.#list.refreshAll();
    this.#show();
    if (!this.#wanted) this.#list.follow();
  }

  #show() {
    const { items } = this.#transcript;
    const found = this.#wanted
      ? items.filter((item) => (item.text + item.stash).toLocaleLowerCase().includes(this.#wanted))
      : items;
    byId("found").textContent = this.#wanted ? t("found", { count: found.length, all: items.length }) : "";
    this.#list.show(found);
  }

  #card(item) {
    const words = element("p", { className: "words", lang: item.language || "" }, ...this.#marked(item.text));
    if (item.stash) words.append(element("span", { className: "stash" }, ...this.#marked(item.stash)));
    const note = noteOf(item);
    if (note) words.append(element("span", { className: "note" }, note));
    const time = element("span", { className: "time" }, shortTime(item.start));
    const isOver = item.end !== null && item.state !== "speaking";
    const facts = [item.language && languageName(item.language), item.finalMs !== null && `${Math.round(item.finalMs)} ms`];
    const about = element("div", { className: "about" }, time, ...facts.filter(Boolean).map((fact) => element("span", {}, fact)));
    if (item.finalMs !== null) about.lastChild.title = t("finalIn", { ms: Math.round(item.finalMs) });
    const play = element("button", { type: "button", className: "play quiet", disabled: !isOver, onclick: () => this.#onPlay(item) });
    play.ariaLabel = t("play", { text: item.text.slice(0, 60) || t("untitled") });
    play.dataset.playing = String(item === this.#playing);
    return element(
      "div",
      {
        className: "card",
        data: { state: item.state, item: item.id },
        attributes: { role: "listitem", "aria-setsize": this.#transcript.items.length, "aria-posinset": item.number },
      },
      play,
      element("div", { className: "said" }, about, words),
    );
  }

  /** A text with what is searched for marked in it. */
  #marked(text) {
    if (!this.#wanted) return [text];
    const parts = [];
    const lower = text.toLocaleLowerCase();
    let from = 0;
    // Lower case may be longer than the text ("İ"): then nothing is marked rather than the wrong thing.
    for (let at = lower.indexOf(this.#wanted); at >= 0 && lower.length === text.length; at = lower.indexOf(this.#wanted, from)) {
      parts.push(text.slice(from, at), element("mark", {}, text.slice(at, at + this.#wanted.length)));
      from = at + this.#wanted.length;
    }
    return [...parts, text.slice(from)];
  }

  async #copy() {
    const button = byId("copy");
    await navigator.clipboard.writeText(FORMATS.txt.write(this.#transcript.items));
    button.textContent = t("copied");
    setTimeout(() => (button.textContent = t("copy")), 1500);
  }
}

function noteOf(item) {
  switch (item.state) {
    case "speaking":
      return item.text || item.stash ? "" : t("speaking");
    case "recognising":
      return item.text || item.stash ? "" : t("recognising");
    case "completed":
      return item.text ? "" : t("nothing");
    default:
      return t(item.state);
  }
}

function save(format, items) {
  const { type, write } = FORMATS[format];
  const href = URL.createObjectURL(new Blob([write(items)], { type: `${type};charset=utf-8` }));
  const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
  element("a", { href, download: `transcript-${stamp}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // browsers say nowhere when they have read it
}
