"""Every setting of the server in one table: name, default, range, reason.

Values come from environment variables of the same name in capitals, then from a `.env` file in the working directory,
then from here. `.env.example` and the tables of both READMEs list the same settings; a test holds them together.
"""

import math
import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from qwen3_asr_realtime.start_error import StartError

CLOUD_VAD_THRESHOLD = 0.6  # the cloud's documented default, API threshold 0.2
CLOUD_VAD_SILENCE_DURATION_MS = 800

MODEL_SOURCES = ("huggingface", "modelscope", "packages")

AUDIO_TOKENS_PER_SECOND = 13
TEXT_TOKENS_PER_SECOND = 12  # the bound of an answer, `engines/vllm/stream.py`
PROMPT_TOKENS = 64  # what stands around context, audio and text


class Settings(BaseSettings):
    """The server's configuration, checked as a whole before anything starts."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # --- server ---
    server_host: str = Field(default="0.0.0.0", min_length=1)  # noqa: S104 - a server is there to be reached
    """Address to listen on."""
    server_port: int = Field(default=8001, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    server_workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve together, each with an embedded engine of its own, or all with the same remote ones."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages to log."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """Coloured lines, JSON lines, or lines on a terminal and JSON elsewhere."""
    log_transcripts: bool = False
    """Log what was said, with each utterance. Without it no line of the log holds text, audio or keys of a client."""
    otel_traces: bool = False
    """Send a span for every utterance to an OpenTelemetry collector (extra `otel`; `OTEL_EXPORTER_OTLP_ENDPOINT`)."""

    # --- engine ---
    asr_engine: Literal["auto", "embedded", "vllm", "vllm-remote", "scripted"] = "auto"
    """What recognises speech; `scripted` invents words, for load tests without a model."""
    embedded_workers: int = Field(default=0, ge=0, le=64)
    """Threads that decode in the embedded engine of one worker; 0 means its share of the CPU cores, one each."""
    whisper_model: str = Field(default="whisper-base", min_length=1)
    """What the embedded engine recognises every language but English with: a model of docs/models.md, a hub's name for
    one, or a folder; `none`: English only."""
    models_dir: str = ""
    """Folder where fetched models are kept; empty: `qwen3-asr-realtime/models` in the user's folder for caches."""
    model_sources: str = ",".join(MODEL_SOURCES)
    """Where models are fetched from, in order of preference, separated by commas; empty: nowhere."""
    qwen3_asr_model_path: str = Field(default="Qwen/Qwen3-ASR-1.7B", min_length=1)
    """Model folder or hub name; for `vllm-remote`, the name its servers give the model."""
    vllm_use_modelscope: bool = False
    """Take a hub name as one of ModelScope's instead of Hugging Face's."""
    model_dtype: Literal["half", "bfloat16", "float", "auto"] = "half"
    """Precision of the weights in the vLLM engine."""
    gpu_memory_utilization: float = Field(default=0.5, gt=0, le=1)
    """Share of GPU memory the vLLM engine may take."""
    tensor_parallel_size: int = Field(default=1, ge=1, le=64)
    """GPUs that share one model; more servers serve more sessions than more GPUs for one of these small models."""
    vllm_max_num_seqs: int = Field(default=64, ge=1, le=4096)
    """Requests that vLLM decodes together, for each of several remote servers; more wait for their turn."""
    vllm_max_model_len: int = Field(default=8192, ge=1024, le=65_536)
    """Tokens of one request: context, audio (13 per second) and text. The model was trained up to 65536."""
    vllm_max_segment_sec: float = Field(default=60.0, ge=8, le=1200)
    """Longest audio of one request: speech without a pause is cut at its quietest place before this."""
    vllm_engine_args: dict[str, Any] = Field(default_factory=dict)
    """More arguments of vLLM's engine, as a JSON object: all that have no setting of their own."""
    max_new_tokens: int = Field(default=32, ge=1, le=4096)
    """Most tokens one partial may add, in the vLLM engines: bounds what a repetition loop costs."""
    max_context_tokens: int = Field(default=4096, ge=0, le=32_768)
    """Most tokens of `corpus.text` that reach the model; the rest is left out."""
    engine_start_timeout_sec: float = Field(default=900.0, ge=10, le=86_400)
    """Longest time the vLLM engine may take to load, a download included."""
    engine_restart_max_delay_sec: float = Field(default=60.0, ge=1, le=3600)
    """An engine that died is started again after 1 s, then 2, 4 and so on up to this."""
    vllm_endpoints: str = ""
    """Servers for `vllm-remote`, separated by commas: `http://10.0.0.5:8000,http://10.0.0.6:8000`."""
    vllm_api_key: SecretStr = SecretStr("")
    """Key those servers ask for."""
    vllm_connect_timeout_sec: float = Field(default=2.0, ge=0.1, le=60)
    """A server that takes longer to accept a connection is down; the next one is asked."""
    vllm_request_timeout_sec: float = Field(default=15.0, ge=0.5, le=600)
    """A server that takes longer to answer is down; the next one is asked."""
    vllm_probe_interval_sec: float = Field(default=5.0, ge=0.1, le=3600)
    """Time between two looks at a server, which find one that is back."""

    # --- endpointing ---
    vad_enabled: bool = True
    """Sessions start in VAD mode (else in Manual mode)."""
    vad_threshold: float = Field(default=0.5, ge=0, le=1)
    """Speech probability above which somebody speaks; 0.5 is 0.0 on the API's scale."""
    vad_silence_duration_ms: int = Field(default=400, ge=200, le=6000)
    """Silence that ends a turn."""
    vad_prefix_padding_ms: int = Field(default=300, ge=0, le=2000)
    """Audio kept before the onset of speech, so that no first consonant is lost."""
    vad_min_speech_ms: int = Field(default=96, ge=32, le=1000)
    """Shorter sounds are no speech: a click stays below, a short "yes" above."""
    max_utterance_sec: float = Field(default=60.0, ge=5, le=600)
    """A turn without a pause is cut at its best pause after this."""
    cloud_defaults: bool = False
    """Use the cloud's VAD defaults (API threshold 0.2, 800 ms) where the two settings above are not given."""

    # --- recognition ---
    streaming_chunk_size_sec: float = Field(default=2.0, ge=0.2, le=30)
    """Audio between two partials of an utterance while the engine is busy."""
    partial_interval_sec: float = Field(default=0.5, ge=0.1, le=30)
    """Audio between two partials while the engine has room."""
    first_partial_sec: float = Field(default=1.0, ge=0.2, le=30)
    """Audio of an utterance, pre-roll included, before its first partial; hypotheses on less are poor."""
    speculative_finals: bool = True
    """Begin a final as soon as its last sound is heard (150 ms of silence): it is ready when the turn ends."""
    engine_concurrency: int = Field(default=0, ge=0, le=4096)
    """Most decodes at a time; 0 means what the engine says of itself."""
    target_decode_sec: float = Field(default=1.0, ge=0.05, le=60)
    """Mean time of a decode above which a vLLM engine gets fewer at a time, down to one."""
    trace_events: bool = False
    """Add `x_trace` to finals: where their time went, in milliseconds. For measuring; clients need none of it."""
    decode_timeout_sec: float = Field(default=30.0, ge=1, le=600)
    """Longest one decode may take; a final that takes longer twice makes its item fail."""

    # --- guards: text that nobody said ---
    guard_no_voice_sec: float = Field(default=0.1, ge=0, le=5)
    """Certain voice with less of which nobody has spoken, and nothing is decoded."""
    guard_weak_voice_sec: float = Field(default=0.2, ge=0, le=5)
    """Certain voice with less of which words count only if a second hearing gives the same."""
    guard_weak_voice_share: float = Field(default=0.06, ge=0, le=1)
    """The same as a share of the segment: over minutes, anything adds up."""
    guard_letters_per_sec: float = Field(default=50.0, ge=1, le=1000)
    """Letters a second beyond which nobody can have said a text."""
    guard_syllables_per_sec: float = Field(default=20.0, ge=1, le=1000)
    """The same for scripts with a character for a syllable, such as Chinese."""
    guard_copied_units: int = Field(default=8, ge=2, le=1000)
    """Words (characters of scripts without blanks) from which on a copy is no coincidence."""
    guard_copied_share: float = Field(default=0.8, ge=0.1, le=1)
    """Share of the text found in the context from which on it is an echo of that."""
    guard_copied_length_ratio: float = Field(default=2.0, ge=1, le=100)
    """A sentence said again does not take so many times longer or shorter."""
    guard_agreement: float = Field(default=0.75, ge=0, le=1)
    """Similarity from which on two hearings have heard the same."""

    # --- protocol ---
    vad_commit: Literal["flush_or_ignore", "error"] = "flush_or_ignore"
    """A commit in VAD mode: end the open turn (or do nothing), or answer an error."""
    finished_transcript: bool = True
    """Add all finals, joined, to `session.finished`: the official samples read it."""
    binary_append: bool = False
    """Take binary frames as audio instead of answering an error."""
    unknown_model: Literal["accept", "refuse"] = "accept"
    """A model name nobody knows: go on under that name, or answer an error and close."""
    finish_grace_sec: float = Field(default=5.0, ge=0, le=60)
    """Time the client has to close after `session.finished`: the Java SDK throws if the server is first."""

    # --- security: docs/security.md ---
    api_keys: SecretStr = SecretStr("")
    """Keys of which a client must show one, or `sha256:` and their digests, separated by commas; none: all may come."""
    api_keys_file: str = ""
    """File with one key or digest a line; it is read again when it changes."""
    allowed_origins: str = ""
    """Origins of web pages that may connect and read the HTTP pages, separated by commas; `*`: all. Empty: all may
    connect, none may read."""
    tls_cert_file: str = ""
    """Certificate with its chain, in PEM; the server then speaks wss and https only."""
    tls_key_file: str = ""
    """Its private key."""
    forwarded_allow_ips: str = "127.0.0.1,::1"
    """Addresses and networks of proxies whose `X-Forwarded-For` and `-Proto` are believed; `*`: all."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port for /metrics and /stats, which the public one then does not have; 0: the same port."""
    demo_page: bool = True
    """Whether the web page is served at /demo. It holds nothing secret, and a key is asked for by the WebSocket."""

    # --- limits ---
    max_header_kib: int = Field(default=32, ge=4, le=1024)
    """Longest head of a request; a longer one gets 431."""
    max_pending_connections: int = Field(default=1000, ge=1, le=100_000)
    """Connections that have not got as far as a session; one more is dropped."""
    idle_timeout_sec: float = Field(default=600.0, ge=0, le=86_400)
    """A client that sends no event for so long is gone: open items end, the connection is closed; 0 means never."""
    drain_timeout_sec: float = Field(default=30.0, ge=0, le=3600)
    """Time that turns have to end by themselves when the server is stopped; then it ends them, and itself."""
    worker_timeout_sec: float = Field(default=30.0, ge=6, le=86_400)
    """A worker whose event loop has stood still for so long hangs: it is killed and replaced."""
    max_sessions: int = Field(default=256, ge=1, le=100_000)
    """Sessions at a time; one more gets an error and close code 1013."""
    max_sessions_per_key: int = Field(default=0, ge=0, le=100_000)
    """The same for each key that clients show; 0 means no such limit."""
    max_queue_delay_sec: float = Field(default=2.0, ge=0, le=60)
    """Finals that wait longer than this for the engine, on average, keep new sessions out; 0 means never."""
    max_memory_mib: int = Field(default=0, ge=0, le=1_000_000)
    """Resident memory of the server that keeps new sessions out; 0 means none does."""
    max_frame_mib: int = Field(default=16, ge=1, le=256)
    """Largest WebSocket frame; a larger one closes the connection with 1009."""
    max_append_mib: int = Field(default=15, ge=1, le=256)
    """Longest `audio` text of one append (the documented limit); a longer one gets an error."""
    max_backlog_sec: float = Field(default=120.0, ge=1, le=3600)
    """Audio of one session that may wait to be recognised; past it the socket is not read (64 kB per second)."""
    request_timeout_sec: float = Field(default=10.0, ge=0.1, le=3600)
    """Time for an HTTP request or a WebSocket's handshake to be there whole; past it the connection is dropped."""
    unread_timeout_sec: float = Field(default=60.0, ge=0, le=86_400)
    """A client whose system takes nothing of what is sent to it for so long is gone: it is dropped; 0 means never."""
    max_unsent_events: int = Field(default=1000, ge=10, le=1_000_000)
    """Events one client may leave unread; past it the connection is closed. Previews do not pile up."""
    max_session_sec: float = Field(default=0.0, ge=0, le=1_000_000)
    """A session this old ends like one that is idle; 0 means never."""
    max_audio_ahead_sec: float = Field(default=0.0, ge=0, le=86_400)
    """Audio of a client may be so far ahead of real time, then the server reads as fast as somebody speaks; 0: any."""
    max_messages_per_sec: int = Field(default=2000, ge=0, le=1_000_000)
    """A client that sends more events for longer is read no faster: 40 times what SDKs send in 20 ms frames; 0: any."""

    @field_validator(
        "log_level", "log_format", "asr_engine", "model_dtype", "vad_commit", "unknown_model", mode="before"
    )
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _cloud_defaults(self) -> Self:
        if self.cloud_defaults:
            for name, value in (
                ("vad_threshold", CLOUD_VAD_THRESHOLD),
                ("vad_silence_duration_ms", CLOUD_VAD_SILENCE_DURATION_MS),
            ):
                if name not in self.model_fields_set:
                    object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE belong together: set both, or none")
        return self

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        if unknown := [name for name in self.model_source_names if name not in MODEL_SOURCES]:
            raise ValueError(f"MODEL_SOURCES may name {', '.join(MODEL_SOURCES)}, and not {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _request_fits(self) -> Self:
        audio_and_text = math.ceil(self.vllm_max_segment_sec * (AUDIO_TOKENS_PER_SECOND + TEXT_TOKENS_PER_SECOND))
        needed = self.max_context_tokens + audio_and_text + PROMPT_TOKENS
        if needed > self.vllm_max_model_len:
            raise ValueError(
                f"VLLM_MAX_MODEL_LEN={self.vllm_max_model_len} is too little: MAX_CONTEXT_TOKENS and "
                f"VLLM_MAX_SEGMENT_SEC together need {needed}"
            )
        return self

    @property
    def model_source_names(self) -> tuple[str, ...]:
        """The sources of models, one by one."""
        return tuple(name.strip().lower() for name in self.model_sources.split(",") if name.strip())

    @property
    def models_folder(self) -> Path:
        """Where fetched models are kept."""
        # os.path.expanduser, unlike Path's, does not fail for a user without a home.
        if self.models_dir:
            return Path(os.path.expanduser(self.models_dir))
        caches = os.environ.get("XDG_CACHE_HOME", "")
        return Path(caches if os.path.isabs(caches) else os.path.expanduser("~/.cache"), "qwen3-asr-realtime", "models")

    def worker_share(self, amount: int) -> int:
        """What one worker may have of an amount that is for all of them: at least 1, or 0 if that is no bound."""
        return amount and max(1, amount // self.server_workers)


class SettingsError(StartError):
    """A setting is not allowed; the message has one line for each such setting."""


def load_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        SettingsError: One or more values are not allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{str(problem['loc'][0]).upper()}={problem['input']} is not allowed: "
            f"it must be {allowed_values(str(problem['loc'][0]))}"
            if problem["loc"]
            else str(problem["ctx"]["error"])
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from error
    except PydanticSettingsError as error:  # a value that is to be JSON and is not
        raise SettingsError(f"VLLM_ENGINE_ARGS must be {allowed_values('vllm_engine_args')}") from error


def allowed_values(name: str) -> str:
    """Say in words what a setting may be.

    Args:
        name: The setting's name in lower case.
    """
    schema = Settings.model_json_schema()["properties"][name]
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "object":
        return "a JSON object"
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(schema["type"])
    if kind is None:
        return "a text that is not empty"
    bounds = [
        f"{words} {schema[key]:g}"
        for key, words in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "up to"))
        if key in schema
    ]
    return " ".join([kind, *bounds])


def cpu_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
