/** The session panel: what the user chooses, kept for the next visit, and the `session.update` that follows from it. */

import { microphones } from "../audio/microphone.js";
import { DEFAULTS, LANGUAGES, sessionConfiguration } from "../session/configuration.js";
import { languageName, t } from "../text/i18n.js";
import { byId, element } from "./dom.js";

const KEY = "qwen3-asr-realtime";

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is forbidden, or holds something else
  }
}

/** Keep a choice for the next visit. */
export function remember(choices) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...stored(), ...choices }));
  } catch {
    // Then it is not kept.
  }
}

export const remembered = stored();

export class Panel {
  #onChange;
  #onServer;
  #supported = null; // languages of the server, or null if it has not said, or "all"

  /**
   * @param {() => void} onChange told when a setting that the server is told has changed
   * @param {() => void} onServer told when another server, or another key, is chosen
   */
  constructor(onChange, onServer) {
    this.#onChange = onChange;
    this.#onServer = onServer;
    const settings = { ...DEFAULTS, ...remembered.settings };
    byId("url").value = settings.url;
    byId("threshold").value = settings.threshold;
    byId("silence").value = settings.silenceMs;
    byId("context").value = settings.context;
    document.querySelector(`[name="mode"][value="${settings.mode === "manual" ? "manual" : "vad"}"]`).checked = true;
    this.refresh();
    byId("language").value = LANGUAGES.includes(settings.language) ? settings.language : "";
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    byId("settings").addEventListener("input", () => this.#show());
    byId("settings").addEventListener("change", ({ target }) => this.#changed(target));
    this.#show();
    this.#askServer();
    this.listMicrophones();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listMicrophones());
  }

  get settings() {
    return {
      url: byId("url").value.trim(),
      mode: document.querySelector('[name="mode"]:checked').value,
      threshold: Number(byId("threshold").value),
      silenceMs: Number(byId("silence").value),
      language: byId("language").value,
      context: byId("context").value.trim(),
    };
  }

  /** Never kept: it lives as long as the page. */
  get apiKey() {
    return byId("api-key").value.trim();
  }

  get deviceId() {
    return byId("device").value;
  }

  /** Say it anew, in another language. */
  refresh() {
    const chosen = byId("language").value;
    const known = (code) => this.#supported === null || this.#supported === "all" || this.#supported.includes(code);
    const options = LANGUAGES.map((code) => {
      const language = languageName(code);
      return element("option", { value: code }, known(code) ? language : t("notHere", { language }));
    });
    byId("language").replaceChildren(element("option", { value: "" }, t("automatic")), ...options);
    byId("language").value = chosen;
    this.listMicrophones();
  }

  /** The microphones there are; their names are known once one has been allowed. */
  async listMicrophones() {
    const chosen = byId("device").value || remembered.deviceId || "";
    const devices = (await microphones()).filter(({ id }) => id !== "default");
    const options = devices.map(({ id, label }, i) =>
      element("option", { value: id }, label || t("unnamedDevice", { number: i + 1 })),
    );
    byId("device").replaceChildren(element("option", { value: "" }, t("defaultDevice")), ...options);
    byId("device").value = devices.some(({ id }) => id === chosen) ? chosen : "";
  }

  #changed(target) {
    switch (target.id) {
      case "device":
        remember({ deviceId: target.value });
        return;
      case "url":
        this.#askServer();
        this.#onServer();
        break;
      case "api-key": // never kept
        this.#onServer();
        return;
      default:
        this.#onChange();
    }
    remember({ settings: this.settings });
  }

  #show() {
    const { settings } = this;
    byId("threshold-value").textContent = settings.threshold.toFixed(2);
    byId("silence-value").textContent = `${settings.silenceMs} ms`;
    for (const label of document.querySelectorAll('[data-mode="vad"]')) label.hidden = settings.mode !== "vad";
    for (const id of ["commit", "hold"]) byId(id).hidden = settings.mode !== "manual";
    const update = { type: "session.update", session: sessionConfiguration(settings) };
    byId("update").textContent = JSON.stringify(update, null, 2);
  }

  /** Which languages the server knows; another host than that of the page is not asked. */
  async #askServer() {
    this.#supported = null;
    try {
      const server = new URL(byId("url").value.replace(/^ws/, "http"));
      if (server.origin === location.origin) {
        const answer = await fetch(new URL("/health", server));
        this.#supported = (await answer.json()).languages ?? null;
      }
    } catch {
      // Whether it is there shows when the page connects.
    }
    this.refresh();
  }
}
