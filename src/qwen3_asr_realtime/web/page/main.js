/** Brings the parts of the page together. */

import { Conversation } from "./session/conversation.js";
import { currentLocale, preferredLocale, t, useLocale } from "./text/i18n.js";
import { Cards } from "./view/cards.js";
import { byId } from "./view/dom.js";
import { Inspector } from "./view/inspector.js";
import { Lane } from "./view/lane.js";
import { Latency } from "./view/latency.js";
import { dismiss, notice } from "./view/notices.js";
import { Panel, remember, remembered } from "./view/panel.js";
import { Player } from "./view/player.js";
import { Sources } from "./view/sources.js";
import { useTheme } from "./view/theme.js";

useLocale(remembered.locale ?? preferredLocale());

const panel = new Panel(
  () => conversation.configure(),
  () => sources.disconnect(),
);
const conversation = new Conversation(() => panel.settings, () => panel.apiKey);
const player = new Player(conversation.recording, (item) => cards.playing(item));
const cards = new Cards(conversation.transcript, (item) => {
  lane.reveal(item);
  player.toggle(item);
});
const lane = new Lane(conversation.recording, conversation.transcript.items);
const latency = new Latency();
const inspector = new Inspector(() => panel.settings, copy);
const sources = new Sources(conversation, panel, () => lane.draw());

useTheme(remembered.theme, (theme) => {
  remember({ theme });
  lane.recolour();
});

conversation.addEventListener("item", ({ detail: item }) => {
  if (item.state === "completed") {
    latency.add(item);
    byId("announcer").textContent = item.text;
  }
  cards.changed(item);
  lane.draw();
});
conversation.addEventListener("removed", ({ detail: item }) => {
  cards.changed(item);
  lane.draw();
});
conversation.addEventListener("frame", ({ detail }) => inspector.add(detail));
conversation.addEventListener("problem", ({ detail }) => notice("server", { message: detail.message }));
conversation.addEventListener("state", ({ detail }) => showState(detail));
byId("disconnect").addEventListener("click", () => sources.disconnect());
byId("locale").addEventListener("click", () => {
  speak(currentLocale() === "zh" ? "en" : "zh");
  remember({ locale: currentLocale() });
});
speak(currentLocale());
showState({ state: "closed" });

/** Say everything in a language. */
function speak(locale) {
  useLocale(locale);
  byId("locale").textContent = locale === "zh" ? "English" : "中文";
  byId("locale").lang = locale === "zh" ? "en" : "zh";
  for (const part of [panel, cards, latency, inspector, sources]) part.refresh();
  showState({ state: conversation.connection.state, waitMs: 0 });
}

function showState({ state, code, reason, waitMs = 0 }) {
  byId("state").dataset.state = state;
  byId("state").firstElementChild.textContent = t(`state.${state}`, { seconds: (waitMs / 1000).toFixed(1) });
  byId("disconnect").disabled = state === "closed";
  if (state === "open") {
    for (const kind of ["connection", "closed", "server"]) dismiss(kind);
  } else if (code === 1006 || code === 0) {
    notice("connection", { url: panel.settings.url });
  } else if (reason && code !== undefined && !["session finished", ""].includes(reason)) {
    notice("closed", { reason });
  }
}

/** Copy a text; where a browser does not allow that, show it, selected. */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    const label = button.textContent;
    button.textContent = t("copied");
    setTimeout(() => (button.textContent = label), 1500);
  } catch {
    const shown = byId("event");
    shown.hidden = false;
    shown.textContent = text;
    getSelection().selectAllChildren(shown);
    notice("clipboard");
  }
}
