"""The console program `qwen3-asr-realtime`."""

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.start_error import EXIT_CONFIGURATION, StartError

if TYPE_CHECKING:
    from qwen3_asr_realtime.settings import Settings

EXIT_FAILED = 1
"""It ran, and what it looked for is not there."""

API_KEY_VARIABLE = "REALTIME_API_KEY"
"""Not DASHSCOPE_API_KEY: a key for the cloud is not to go to whatever server is named."""

DEFAULT_URL = "ws://localhost:8001/api-ws/v1/realtime"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
models = typer.Typer(no_args_is_help=True, help="Get the models onto this machine, and check them.")
app.add_typer(models, name="models")


class Mode(StrEnum):
    """Who ends an utterance: the server, or the client."""

    VAD = "vad"
    MANUAL = "manual"


def _stop(message: object, status: int = EXIT_CONFIGURATION) -> NoReturn:
    sys.stderr.write(f"qwen3-asr-realtime: {message}\n")
    raise typer.Exit(status)


def _speed(value: str) -> float:
    speed = math.inf if value == "max" else float(value) if value.replace(".", "", 1).isdigit() else 0.0
    if speed <= 0:
        raise typer.BadParameter("a multiple of real time above 0, or max")
    return speed


@app.callback()
def _program() -> None:
    """Realtime speech recognition, compatible with the Qwen3-ASR-realtime WebSocket API."""


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"{__version__}\n")


@app.command()
def serve() -> None:
    """Run the server. Settings come from environment variables and .env; see .env.example."""
    from qwen3_asr_realtime.settings import load_settings  # noqa: PLC0415 - the client needs none of this

    try:
        settings = load_settings()
        if settings.server_workers > 1:
            from qwen3_asr_realtime.server.parent import serve_in_workers  # noqa: PLC0415 - it needs no model itself

            raise typer.Exit(serve_in_workers(settings))
        from qwen3_asr_realtime.server.serve import serve  # noqa: PLC0415

        serve(settings)
    except StartError as error:
        _stop(error)


@app.command()
def key() -> None:
    """Make an API key: the key for a client, and the line with its digest for API_KEYS or API_KEYS_FILE."""
    import secrets  # noqa: PLC0415 - no other command needs it

    from qwen3_asr_realtime.server.credentials import digest_of  # noqa: PLC0415 - quick --help

    made = f"sk-{secrets.token_urlsafe(32)}"
    sys.stdout.write(f"{made}\nsha256:{digest_of(made)}\n")


@app.command()
def cluster(
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to use, such as auto; one on this machine if left out.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas, the least there are.")] = 1,
    max_replicas: Annotated[int, typer.Option(min=0, help="Most replicas, added as sessions come; 0: no more.")] = 0,
    sessions_per_replica: Annotated[
        int, typer.Option(min=0, help="Mean beyond which one is added; 0: 70 % of MAX_SESSIONS.")
    ] = 0,
    cpus: Annotated[float, typer.Option(min=0.1, help="CPU cores of a replica.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of a replica.")] = 0.0,
) -> None:
    """Run replicas of the server on a Ray cluster, behind one address. The settings of serve hold for each replica."""
    from qwen3_asr_realtime.cluster.command import ClusterError, run_cluster  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.settings import SettingsError, load_settings  # noqa: PLC0415 - quick --help

    plan = {
        "min_replicas": replicas,
        "max_replicas": max_replicas,
        "sessions_per_replica": sessions_per_replica,
        "cpus": cpus,
        "gpus": gpus,
    }
    try:
        run_cluster(load_settings(), plan, address)
    except (SettingsError, ClusterError) as error:
        _stop(error)


@app.command()
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any common format.", show_default=False)],
    url: Annotated[str, typer.Option(help="WebSocket address of the server.")] = DEFAULT_URL,
    mode: Annotated[Mode, typer.Option(help="vad: the server finds the utterances. manual: a file is one.")] = Mode.VAD,
    speed: Annotated[
        float, typer.Option(parser=_speed, metavar="1|max|FACTOR", help="Multiple of real time at which to send.")
    ] = "1",  # type: ignore[assignment] # typer parses the default as it parses an argument
    language: Annotated[str | None, typer.Option(help="Code of the spoken language; detected if left out.")] = None,
    context: Annotated[str, typer.Option(help="Text that names what may be spoken of.")] = "",
    api_key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="Key, if the server wants one.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
) -> None:
    """Stream audio files to a server and show the text as it comes."""
    from qwen3_asr_realtime.client.command import run_transcribe  # noqa: PLC0415 - quick --help

    raise typer.Exit(
        run_transcribe(
            files,
            url=url,
            mode=mode.value,
            speed=speed,
            language=language,
            context=context,
            api_key=api_key,
            json_output=json_output,
        )
    )


@app.command()
def demo(
    files: Annotated[list[Path], typer.Argument(help="Audio files to play.", show_default=False)],
    mode: Annotated[Mode, typer.Option(help="Who ends an utterance: server (vad) or client (manual).")] = Mode.VAD,
) -> None:
    """Start a server of its own on a free port, play audio files to it in real time, stop it."""
    from qwen3_asr_realtime.client.command import run_transcribe  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.client.local_server import ServerStartError, local_server  # noqa: PLC0415

    try:
        with local_server() as server:
            raise typer.Exit(run_transcribe(files, url=server.url, mode=mode.value))
    except ServerStartError as error:
        _stop(error)


@app.command()
def conformance(
    url: Annotated[str | None, typer.Option(help="WebSocket address; a server of its own if left out.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="Key, if one is wanted.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="One or two recordings to speak instead.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail also where the cloud is uncertain.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results for machines here.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Id or section of the cases to run.")] = None,
    list_cases: Annotated[bool, typer.Option("--list", help="Show the cases and run none.")] = False,
) -> None:
    """Try a server, this one or another, against the protocol, line by line."""
    import secrets  # noqa: PLC0415 - no other command needs it

    from qwen3_asr_realtime.client.local_server import ServerStartError, local_server  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.conformance.command import run_conformance  # noqa: PLC0415 - quick --help

    def run(url: str, api_key: str | None) -> int:
        return run_conformance(
            url,
            api_key=api_key,
            audio=audio or (),
            strict=strict,
            json_file=json_file,
            only=only or (),
            list_cases=list_cases,
        )

    if url is not None or list_cases:
        raise typer.Exit(run(url or DEFAULT_URL, api_key))
    own_key = secrets.token_urlsafe()
    try:
        with local_server(env={"API_KEYS": own_key}) as server:
            raise typer.Exit(run(server.url, own_key))
    except ServerStartError as error:
        _stop(error)


def _session_counts(value: str) -> list[int]:
    counts = [int(part) if part.strip().isdecimal() else 0 for part in value.split(",")]
    if min(counts) < 1:
        raise typer.BadParameter("numbers above 0 with commas between them", param_hint="--sessions")
    return counts


@app.command()
def bench(
    url: Annotated[str | None, typer.Option(help="WebSocket address; a server of its own if left out.")] = None,
    sessions: Annotated[str, typer.Option(metavar="N,N,…", help="Sessions at a time, stage by stage.")] = "1,8,32",
    duration: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Audio of each session.")] = 60.0,
    audio: Annotated[
        list[Path] | None, typer.Option(help="Recording of one utterance, or manifest.json with many; repeatable.")
    ] = None,
    speed: Annotated[
        float, typer.Option(parser=_speed, metavar="1|max|FACTOR", help="Multiple of real time at which to send.")
    ] = "1",  # type: ignore[assignment] # typer parses the default as it parses an argument
    mode: Annotated[Mode, typer.Option(help="Who ends an utterance: server (vad) or client (manual).")] = Mode.VAD,
    silence_ms: Annotated[int | None, typer.Option(min=0, help="Silence that ends an utterance.")] = None,
    frame_ms: Annotated[int, typer.Option(min=1, max=5000, help="Milliseconds of audio in one append.")] = 100,
    language: Annotated[str | None, typer.Option(help="Code of the spoken language; detected if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other conversations.")] = 1,
    api_key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="Key, if one is wanted.")] = None,
    server_pid: Annotated[int | None, typer.Option(help="The server's process, to measure what it uses.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures for machines here.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page with plots here.")] = None,
    max_first_partial_p95_ms: Annotated[float | None, typer.Option(help="Start of speech to first partial.")] = None,
    max_final_p95_ms: Annotated[float | None, typer.Option(help="End of speech to final.")] = None,
    max_decision_p95_ms: Annotated[float | None, typer.Option(help="Endpoint decision to final.")] = None,
    max_lost: Annotated[float | None, typer.Option(help="Utterances without text.")] = None,
    max_duplicates: Annotated[float | None, typer.Option(help="Finals too many for the same audio.")] = None,
    max_errors: Annotated[float | None, typer.Option(help="Errors, failed items and broken sessions.")] = None,
    max_wer: Annotated[float | None, typer.Option(help="Share of words that are wrong: 0.1 is 10 %.")] = None,
    max_wer_increase: Annotated[float | None, typer.Option(help="The same, less that of one session.")] = None,
) -> None:
    """Put a server under load and report how soon, how steadily and how correctly its clients get their text.

    Exits with 1 if a stage is beyond one of the limits (--max-…), and with 2 if the test could not run.
    """
    from qwen3_asr_realtime.client.local_server import ServerStartError, local_server  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.load.command import Plan, run_bench  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.load.session import Pace  # noqa: PLC0415 - quick --help

    limits = {
        "max-first-partial-p95-ms": max_first_partial_p95_ms,
        "max-final-p95-ms": max_final_p95_ms,
        "max-decision-p95-ms": max_decision_p95_ms,
        "max-lost": max_lost,
        "max-duplicates": max_duplicates,
        "max-errors": max_errors,
        "max-wer": max_wer,
        "max-wer-increase": max_wer_increase,
    }
    plan = Plan(
        sessions=_session_counts(sessions),
        duration_s=duration,
        audio=audio or (),
        pace=Pace(mode.value, frame_ms, None if math.isinf(speed) else speed, silence_ms, language),
        seed=seed,
        limits={name: limit for name, limit in limits.items() if limit is not None},
        json_file=json_file,
        html_file=html_file,
    )
    if url is not None:
        raise typer.Exit(run_bench(plan, url, api_key=api_key, server_pid=server_pid))
    try:
        with local_server(env={"TRACE_EVENTS": "true"}) as server:
            raise typer.Exit(run_bench(plan, server.url, api_key=api_key, server_pid=server.pid))
    except ServerStartError as error:
        _stop(error)


@app.command()
def calibrate(
    url: Annotated[str | None, typer.Option(help="WebSocket address; a server of its own if left out.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Never try more sessions than this.")] = 512,
    slack_ms: Annotated[
        float, typer.Option(min=0, help="How much later finals may come (p95) than with one session.")
    ] = 300.0,
    duration: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Audio of each session.")] = 40.0,
    audio: Annotated[list[Path] | None, typer.Option(help="Recordings or a manifest.json to speak.")] = None,
    language: Annotated[str | None, typer.Option(help="Code of the spoken language; detected if left out.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="Key, if one is wanted.")] = None,
) -> None:
    """Find out how many sessions this machine bears, with its engine and settings, and propose MAX_SESSIONS."""
    from qwen3_asr_realtime.client.local_server import ServerStartError, local_server  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.load.calibration import Search  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.load.command import EXIT_OK, Plan, run_bench  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.load.session import Pace  # noqa: PLC0415 - quick --help

    search = Search(most, slack_ms)
    pace = Pace(Mode.VAD.value, 100, 1.0, None, language)
    plan = Plan(sessions=search, duration_s=duration, audio=audio or (), pace=pace, observe=search.observe)

    def run(url: str) -> None:
        status = run_bench(plan, url, api_key=api_key)
        if status != EXIT_OK:
            raise typer.Exit(status)
        if not search.passed:
            _stop("not even one session was borne", EXIT_FAILED)
        failed = "none failed" if search.failed is None else f"{search.failed} were too many"
        sys.stdout.write(f"{search.passed} sessions were borne, {failed}\nMAX_SESSIONS={search.proposal}\n")

    if url is not None:
        return run(url)
    try:
        with local_server(env={"MAX_SESSIONS": str(most), "MAX_QUEUE_DELAY_SEC": "0"}) as server:
            return run(server.url)
    except ServerStartError as error:
        _stop(error)


@models.command("list")
def list_models() -> None:
    """Show the models there are, and which of them are here."""
    from qwen3_asr_realtime.models.command import run_list  # noqa: PLC0415 - quick --help

    raise typer.Exit(run_list(_settings().models_folder))


@models.command("fetch")
def fetch_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of list, or owner/name on a hub; left out: what the settings need."),
    ] = None,
    optional: Annotated[
        bool, typer.Option("--optional", help="What the settings need; if it cannot be had, say what works without.")
    ] = False,
) -> None:
    """Download models from the first source that has them, and check every file."""
    from qwen3_asr_realtime.engines.selection import selected_name  # noqa: PLC0415 - quick --help
    from qwen3_asr_realtime.models.command import needed, run_fetch, run_fetch_optional  # noqa: PLC0415 - quick --help

    settings = _settings()
    folder, sources = settings.models_folder, settings.model_source_names
    if names and not optional:
        raise typer.Exit(run_fetch(names, folder, sources))
    wanted = names or needed(selected_name(settings), settings.whisper_model, settings.qwen3_asr_model_path)
    if optional:
        raise typer.Exit(run_fetch_optional(wanted, folder, sources))
    raise typer.Exit(run_fetch(wanted, folder, sources, check_digests=False))


@models.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all that are here if left out.")] = None,
) -> None:
    """Check models that are here, byte for byte. Exits with 1 if one is damaged."""
    from qwen3_asr_realtime.models.command import run_verify  # noqa: PLC0415 - quick --help

    raise typer.Exit(run_verify(names or (), _settings().models_folder))


@models.command("path")
def path_of_model(name: Annotated[str, typer.Argument(help="Name of list, or owner/name on a hub.")]) -> None:
    """Print the folder of a model that is here."""
    from qwen3_asr_realtime.models.command import run_path  # noqa: PLC0415 - quick --help

    raise typer.Exit(run_path(name, _settings().models_folder))


def _settings() -> "Settings":
    from qwen3_asr_realtime.settings import load_settings  # noqa: PLC0415 - quick --help

    try:
        return load_settings()
    except StartError as error:
        _stop(error)


def main() -> None:
    """Entry point of the console program."""
    app()
