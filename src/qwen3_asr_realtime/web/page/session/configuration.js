/** What the user has chosen, and how it is said to the server. */

export const REALTIME_PATH = "/api-ws/v1/realtime";
export const MODEL = "qwen3-asr-flash-realtime";

/** Codes of the protocol; which of them a server knows is in its /health. */
export const LANGUAGES = [
  "zh", "yue", "en", "ja", "ko", "de", "fr", "es", "it", "pt", "ru", "ar", "hi", "id", "th", "tr", "uk", "vi",
  "cs", "da", "fil", "fi", "is", "ms", "no", "pl", "sv",
]; // prettier-ignore

export const DEFAULTS = {
  url: defaultUrl(globalThis.location),
  mode: "vad",
  threshold: 0,
  silenceMs: 400,
  language: "",
  context: "",
};

/** The server that the page came from, or the usual port here if that is a server of files. */
function defaultUrl(location) {
  const served = location?.pathname.startsWith("/demo");
  const host = served ? location.host : `${location?.hostname || "localhost"}:8001`;
  return `${location?.protocol === "https:" ? "wss" : "ws"}://${host}${REALTIME_PATH}?model=${MODEL}`;
}

/**
 * The `session` of a `session.update`.
 *
 * @param {typeof DEFAULTS} settings
 * @param {typeof DEFAULTS} [before] what the session has been told already: what is left out stays as it is
 */
export function sessionConfiguration(settings, before) {
  return {
    input_audio_format: "pcm",
    sample_rate: 16000,
    input_audio_transcription: {
      language: settings.language || (before?.language ? null : undefined),
      corpus: settings.context ? { text: settings.context } : before?.context ? null : undefined,
    },
    turn_detection:
      settings.mode === "manual"
        ? null
        : { type: "server_vad", threshold: settings.threshold, silence_duration_ms: settings.silenceMs },
  };
}

/** What is to be given to `new WebSocket`: a browser cannot send the header that other clients put the key in. */
export function socketArguments(url, apiKey) {
  if (!apiKey) return [url];
  const isToken = /^[\w!#$%&'*+.^`|~-]+$/.test(apiKey);
  if (isToken) return [url, ["realtime", `openai-insecure-api-key.${apiKey}`]];
  const withKey = new URL(url);
  withKey.searchParams.set("api_key", apiKey);
  return [withKey.href];
}
