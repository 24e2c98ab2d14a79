/** Transcripts as files. Items without words are left out. */

import { SAMPLE_RATE } from "../audio/pcm.js";

/** A time of a recording in samples as 00:01:02.345. */
export function timestamp(samples, point = ".") {
  const ms = Math.round((Math.max(0, samples) / SAMPLE_RATE) * 1000);
  const part = (value, digits = 2) => String(Math.floor(value)).padStart(digits, "0");
  return `${part(ms / 3600000)}:${part((ms / 60000) % 60)}:${part((ms / 1000) % 60)}${point}${part(ms % 1000, 3)}`;
}

/** The same as 1:02.3, for people. */
export function shortTime(samples) {
  return timestamp(samples).slice(0, -2).replace(/^[0:]{1,4}(?=\d)/, "");
}

function spoken(items) {
  return items.filter((item) => item.state === "completed" && item.text);
}

/** One line, whatever a transcript holds: an empty one would end a cue. */
function line(text) {
  return text.replace(/\s*\n\s*/g, " ");
}

export const FORMATS = {
  txt: {
    type: "text/plain",
    write: (items) => spoken(items).map((item) => `${item.text}\n`).join(""),
  },
  srt: {
    type: "application/x-subrip",
    write: (items) =>
      spoken(items)
        .map((item, i) => `${i + 1}\n${timestamp(item.start, ",")} --> ${timestamp(item.end, ",")}\n${line(item.text)}\n`)
        .join("\n"),
  },
  vtt: {
    type: "text/vtt",
    write: (items) => {
      const escaped = (text) => line(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
      const cues = spoken(items).map(
        (item) => `${timestamp(item.start)} --> ${timestamp(item.end)}\n${escaped(item.text)}\n`,
      );
      return ["WEBVTT\n", ...cues].join("\n");
    },
  },
  json: {
    type: "application/json",
    write: (items) => {
      const entries = spoken(items).map((item) => ({
        start_ms: Math.round((item.start / SAMPLE_RATE) * 1000),
        end_ms: Math.round((item.end / SAMPLE_RATE) * 1000),
        language: item.language,
        text: item.text,
        first_partial_ms: item.firstPartialMs === null ? null : Math.round(item.firstPartialMs),
        final_ms: item.finalMs === null ? null : Math.round(item.finalMs),
      }));
      return `${JSON.stringify(entries, null, 2)}\n`;
    },
  },
};
