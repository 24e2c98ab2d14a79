/** Where sound comes from, one at a time: the microphone, by button or while a key is held, or a file. */

import { decodedFile, streamSamples } from "../audio/file.js";
import { Microphone } from "../audio/microphone.js";
import { t } from "../text/i18n.js";
import { byId } from "./dom.js";
import { dismiss, notice } from "./notices.js";

const MICROPHONE_PROBLEMS = ["insecure", "denied", "missing", "busy", "device"];

export class Sources {
  #conversation;
  #panel;
  #onSound;
  #microphone = null;
  #file = null; // the AbortController of the one being sent
  #sending = Promise.resolve(); // files, one after the other
  #isHeld = false;
  #changing = Promise.resolve(); // starts and stops of the microphone, one after the other

  /**
   * @param {import("../session/conversation.js").Conversation} conversation
   * @param {import("./panel.js").Panel} panel
   * @param {() => void} onSound told when audio was added
   */
  constructor(conversation, panel, onSound) {
    this.#conversation = conversation;
    this.#panel = panel;
    this.#onSound = onSound;
    conversation.addEventListener("state", ({ detail }) => {
      if (detail.state === "closed") this.#onClosed();
    });
    byId("talk").addEventListener("click", () => this.#change(this.#microphone ? "stop" : "start"));
    byId("commit").addEventListener("click", () => conversation.commit());
    this.#listenForHolding();
    byId("file").addEventListener("change", ({ target }) => {
      if (target.files.length > 0) this.#send(target.files[0]);
      target.value = ""; // the same file may be chosen again
    });
    byId("cancel").addEventListener("click", () => {
      this.#file?.abort();
      conversation.clear();
    });
    this.#listenForDrops();
  }

  /** Say it anew, in another language. */
  refresh() {
    byId("talk-text").textContent = t(this.#microphone ? "stop" : "start");
  }

  /** End whatever is going on. */
  async disconnect() {
    this.#file?.abort();
    await this.#change("stop");
    this.#conversation.disconnect();
  }

  // --- microphone

  #change(what) {
    this.#changing = this.#changing.then(() => (what === "start" ? this.#start() : this.#stop()));
    return this.#changing;
  }

  async #start() {
    if (this.#microphone || this.#file) return;
    for (const kind of MICROPHONE_PROBLEMS) dismiss(kind);
    const onFrame = (frame) => {
      if (!this.#conversation.isActive) this.#conversation.begin({ isPaced: true });
      this.#add(frame);
    };
    const onLost = () => {
      notice("device");
      this.#change("stop");
    };
    try {
      this.#microphone = await Microphone.open(this.#panel.deviceId, onFrame, onLost);
    } catch (error) {
      notice(error.reason);
      return;
    }
    this.#panel.listMicrophones();
    this.#show();
  }

  async #stop() {
    if (!this.#microphone) return;
    await this.#microphone.close();
    this.#microphone = null;
    byId("meter").style.width = "0";
    if (this.#conversation.isActive) this.#conversation.end();
    this.#show();
  }

  #add(frame) {
    let peak = 0;
    for (const sample of frame) peak = Math.max(peak, Math.abs(sample));
    byId("meter").style.width = `${Math.min(100, Math.sqrt(peak / 32768) * 100)}%`;
    this.#onSound();
    return this.#conversation.add(frame);
  }

  #hold(isHeld) {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    byId("hold").dataset.held = String(isHeld);
    this.#change(isHeld ? "start" : "stop");
  }

  #listenForHolding() {
    const hold = byId("hold");
    hold.addEventListener("pointerdown", (event) => {
      hold.setPointerCapture(event.pointerId);
      this.#hold(true);
    });
    for (const end of ["pointerup", "pointercancel"]) hold.addEventListener(end, () => this.#hold(false));
    hold.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch is one
    const isForPage = ({ target }) =>
      target === hold || !target.closest("button, input, select, textarea, summary, label, a, audio");
    document.addEventListener("keydown", (event) => {
      if (event.code !== "Space" || !isForPage(event)) return;
      event.preventDefault(); // the page would scroll
      if (!event.repeat && (this.#isHeld || !this.#microphone)) this.#hold(true);
    });
    document.addEventListener("keyup", (event) => {
      if (event.code !== "Space" || !this.#isHeld) return;
      event.preventDefault();
      this.#hold(false);
    });
    window.addEventListener("blur", () => this.#hold(false)); // the key's end would be told to somebody else
  }

  #show() {
    byId("talk").setAttribute("aria-pressed", String(this.#microphone !== null));
    byId("talk").disabled = this.#file !== null;
    this.refresh();
  }

  #onClosed() {
    this.#file?.abort();
    if (this.#microphone && !this.#conversation.isActive) this.#change("stop");
  }

  // --- files

  /** Send a file in place of what is being sent; the session of that one ends first. */
  #send(file) {
    this.#file?.abort();
    this.#sending = this.#sending.then(() => this.#sendNow(file));
  }

  async #sendNow(file) {
    await this.#change("stop");
    const abort = new AbortController();
    this.#file = abort;
    this.#show();
    dismiss("undecodable");
    byId("file-name").textContent = file.name;
    byId("progress").value = 0;
    byId("file-progress").hidden = false;
    try {
      const samples = await decodedFile(file);
      const isPaced = byId("pace").value === "paced";
      this.#conversation.begin({ isPaced });
      await streamSamples(samples, {
        isPaced,
        send: (frame) => this.#add(frame),
        onProgress: (share) => (byId("progress").value = share),
        signal: abort.signal,
      });
      await this.#conversation.finish();
    } catch {
      notice("undecodable", { name: file.name });
    } finally {
      this.#file = null;
      byId("file-progress").hidden = true;
      byId("meter").style.width = "0";
      this.#show();
    }
  }

  #listenForDrops() {
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragover", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      byId("drop").hidden = false;
    });
    window.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) byId("drop").hidden = true;
    });
    window.addEventListener("drop", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      byId("drop").hidden = true;
      this.#send(event.dataTransfer.files[0]);
    });
  }
}
