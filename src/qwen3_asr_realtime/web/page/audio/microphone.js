/** The microphone as a source of 16 kHz frames. */

/** Why there is no sound; `reason` is one of "insecure", "denied", "missing", "busy". */
export class MicrophoneError extends Error {
  constructor(reason, cause) {
    super(reason, { cause });
    this.reason = reason;
  }
}

const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** Whether this page may use a microphone at all: browsers allow it over https and on localhost only. */
export function isAllowedHere() {
  return window.isSecureContext && navigator.mediaDevices?.getUserMedia !== undefined;
}

/** Microphones as {id, label}; without permission, browsers tell neither how many nor their names. */
export async function microphones() {
  if (!isAllowedHere()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId)
    .map((device) => ({ id: device.deviceId, label: device.label }));
}

export class Microphone {
  #context;
  #stream;
  #node;
  #ended;

  /**
   * Open a microphone. Resolves once sound comes in.
   *
   * @param {string} deviceId of the one wanted, or "" for the system's choice
   * @param {(frame: Int16Array) => void} onFrame told of every 100 ms
   * @param {() => void} onLost told if the device goes away
   * @throws {MicrophoneError}
   */
  static async open(deviceId, onFrame, onLost) {
    if (!isAllowedHere()) throw new MicrophoneError("insecure");
    const microphone = new Microphone();
    try {
      await microphone.#open(deviceId, onFrame, onLost);
    } catch (error) {
      microphone.#release();
      throw new MicrophoneError(REASONS[error.name] ?? "busy", error);
    }
    return microphone;
  }

  async #open(deviceId, onFrame, onLost) {
    this.#stream = await navigator.mediaDevices.getUserMedia({
      audio: { deviceId: deviceId ? { exact: deviceId } : undefined, channelCount: 1, echoCancellation: false },
    });
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url));
    await this.#context.resume();
    this.#node = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    this.#ended = new Promise((resolve) => {
      this.#node.port.onmessage = ({ data }) => (data === null ? resolve() : onFrame(data));
    });
    this.#context.createMediaStreamSource(this.#stream).connect(this.#node);
    this.#stream.getAudioTracks()[0].addEventListener("ended", onLost);
  }

  /** Stop. The last frame, a shorter one, has been handed out when this resolves. */
  async close() {
    this.#node.port.postMessage("end");
    const SOON_MS = 500; // an audio thread that has been suspended does not answer
    await Promise.race([this.#ended, new Promise((resolve) => setTimeout(resolve, SOON_MS))]);
    this.#release();
  }

  #release() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
  }
}
