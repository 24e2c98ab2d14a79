/** Programs that do what the page does, with its present settings: a WAV file in, its text out. */

import { MODEL, sessionConfiguration } from "./configuration.js";

const INDENT = 4;

/** A value as Python source. */
function python(value, depth = 0) {
  const pad = " ".repeat((depth + 1) * INDENT);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  if (entries.length === 0) return "{}";
  const lines = entries.map(([key, inner]) => `${pad}${JSON.stringify(key)}: ${python(inner, depth + 1)},\n`);
  return `{\n${lines.join("")}${" ".repeat(depth * INDENT)}}`;
}

/** The key is never written into a program: it is read from the environment. */
const KEY = "DASHSCOPE_API_KEY";

export const SNIPPETS = {
  dashscope: {
    label: "Python (DashScope SDK)",
    file: "transcribe_sdk.py",
    write: (settings) => {
      const isManual = settings.mode === "manual";
      const quoted = (value) => JSON.stringify(value);
      const transcription = [
        settings.language && `language=${quoted(settings.language)}, `,
        settings.context && `corpus_text=${quoted(settings.context)}, `,
      ].filter(Boolean);
      const turns = isManual
        ? "enable_turn_detection=False,"
        : `enable_turn_detection=True,
    turn_detection_type="server_vad",
    turn_detection_threshold=${settings.threshold},
    turn_detection_silence_duration_ms=${settings.silenceMs},`;
      return `# pip install dashscope; then: python transcribe_sdk.py audio.wav (16 kHz, 16 bits, mono)
import base64
import os
import sys
import time

import dashscope
from dashscope.audio.qwen_omni import MultiModality, OmniRealtimeCallback, OmniRealtimeConversation
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams

dashscope.api_key = os.environ.get("${KEY}", "none")


class Callback(OmniRealtimeCallback):
    def on_event(self, response):
        if response["type"] == "conversation.item.input_audio_transcription.completed":
            print(response["transcript"], flush=True)
        elif response["type"] == "error":
            print(response["error"]["message"], file=sys.stderr)


conversation = OmniRealtimeConversation("${MODEL}", Callback(), url=${quoted(settings.url.split("?")[0])})
conversation.connect()
conversation.update_session(
    output_modalities=[MultiModality.TEXT],
    ${turns}
    transcription_params=TranscriptionParams(
        ${transcription.join("")}sample_rate=16000, input_audio_format="pcm"
    ),
)
with open(sys.argv[1], "rb") as file:
    while audio := file.read(3200):  # 100 ms
        conversation.append_audio(base64.b64encode(audio).decode())
        time.sleep(0.1)
${isManual ? "conversation.commit()\n" : ""}conversation.end_session()  # returns once all text has come
conversation.close()
`;
    },
  },
  websockets: {
    label: "Python (websockets)",
    file: "transcribe.py",
    write: (settings) => `# pip install websockets; then: python transcribe.py audio.wav (16 kHz, 16 bits, mono)
import asyncio
import base64
import json
import os
import sys

from websockets.asyncio.client import connect

URL = ${JSON.stringify(settings.url)}
SESSION = ${python(sessionConfiguration(settings))}
KEY = os.environ.get("${KEY}")


async def main():
    headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}
    async with connect(URL, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": SESSION}))
        sending = asyncio.create_task(send_audio(socket, sys.argv[1]))
        async for frame in socket:
            event = json.loads(frame)
            if event["type"] == "conversation.item.input_audio_transcription.completed":
                print(event["transcript"], flush=True)
            elif event["type"] == "error":
                print(event["error"]["message"], file=sys.stderr)
            elif event["type"] == "session.finished":
                break
        await sending


async def send_audio(socket, path):
    with open(path, "rb") as file:
        while audio := file.read(3200):  # 100 ms
            audio_base64 = base64.b64encode(audio).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio_base64}))
            await asyncio.sleep(0.1)
${settings.mode === "manual" ? '    await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))\n' : ""}    await socket.send(json.dumps({"type": "session.finish"}))


asyncio.run(main())
`,
  },
  javascript: {
    label: "JavaScript (Node)",
    file: "transcribe.mjs",
    write: (settings) => `// npm install ws; then: node transcribe.mjs audio.wav (16 kHz, 16 bits, mono)
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import WebSocket from "ws";

const url = ${JSON.stringify(settings.url)};
const session = ${JSON.stringify(sessionConfiguration(settings), null, 2)};
const key = process.env.${KEY};

const socket = new WebSocket(url, { headers: key ? { Authorization: \`Bearer \${key}\` } : {} });
const send = (event) => socket.send(JSON.stringify(event));

socket.on("message", (frame) => {
  const event = JSON.parse(frame);
  if (event.type === "conversation.item.input_audio_transcription.completed") console.log(event.transcript);
  else if (event.type === "error") console.error(event.error.message);
  else if (event.type === "session.finished") socket.close();
});

socket.on("open", async () => {
  send({ type: "session.update", session });
  const audio = await readFile(process.argv[2]);
  for (let first = 0; first < audio.length; first += 3200) {
    send({ type: "input_audio_buffer.append", audio: audio.subarray(first, first + 3200).toString("base64") });
    await setTimeout(100);
  }
${settings.mode === "manual" ? '  send({ type: "input_audio_buffer.commit" });\n' : ""}  send({ type: "session.finish" });
});
`,
  },
};
