"""The parent of several workers: it accepts their connections, counts their sessions, and replaces one that dies.

Each connection goes to the worker with the fewest sessions. Workers that shared the port would not spread sessions that
last for hours: whichever wakes first takes what comes, or chance decides (`SO_REUSEPORT`), and a worker that dies takes
along the connections that wait for it.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter, deque
from contextlib import closing, suppress
from time import monotonic

import msgspec
import structlog
from prometheus_client.multiprocess import mark_process_dead

from qwen3_asr_realtime.backoff import BackOff
from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.selection import selected_name
from qwen3_asr_realtime.scratch import scratch_folder
from qwen3_asr_realtime.server.address import AddressError, bound_socket, listen, realtime_url
from qwen3_asr_realtime.server.counting import LocalCount
from qwen3_asr_realtime.server.link import Answer, Message, Topic, encoded, lines
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.signals import StopSignals
from qwen3_asr_realtime.server.tls import check_certificate
from qwen3_asr_realtime.settings import Settings

WORKER_COMMAND = (sys.executable, "-m", "qwen3_asr_realtime.server.worker")

ON_THE_WAY_S = 1.0
"""For so long a connection handed over counts as the session it will be."""

OVERTIME_S = 30.0
"""A worker that runs so much longer than `DRAIN_TIMEOUT_SEC` after it was told to stop, hangs and is killed. Its last
results may take 10 s, closing connections 4 s, stopping the engine some more."""

ACCEPTED_AT_ONCE = 64
ACCEPT_RETRY_S = 1.0
"""Wait after a failed accept: there are no more file descriptors, or no memory."""

log = structlog.get_logger()

_messages = msgspec.json.Decoder(Message)


def serve_in_workers(settings: Settings) -> int:
    """Run workers until a signal ends them.

    Returns:
        The exit status of the process: not 0 if the first worker did not start, which has said why.

    Raises:
        AddressError: The configured address cannot be bound, or listened on.
        EngineError: The engine cannot be run by several processes.
        SettingsError: The certificate cannot be used.
    """
    engine = selected_name(settings)
    if engine == "vllm":
        raise EngineError(
            f"SERVER_WORKERS={settings.server_workers} is not possible with the vLLM engine: each worker would load "
            "the model into the same GPU. Set it to 1, or run vLLM by itself and use ASR_ENGINE=vllm-remote"
        )
    configure_logs(settings)
    check_certificate(settings)
    with bound_socket(settings) as listener, scratch_folder("qwen3-asr-metrics-") as metrics:
        return asyncio.run(Parent(settings, listener, str(metrics)).run())


class Worker:
    """One worker process, as its parent sees it.

    Attributes:
        process: The process.
        questions: The parent's end of the socket for questions.
        connections: The parent's end of the socket for connections.
        sessions: Those it has, by tenant.
        on_the_way: When the connections were handed over that are no sessions yet.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, questions: socket.socket, connections: socket.socket
    ) -> None:
        self.process = process
        self.questions = questions
        self.connections = connections
        self.sessions: Counter[str] = Counter()
        self.on_the_way: deque[float] = deque()

    def load(self, now_s: float) -> int:
        """Sessions it has or is about to have."""
        while self.on_the_way and now_s - self.on_the_way[0] > ON_THE_WAY_S:
            self.on_the_way.popleft()
        return self.sessions.total() + len(self.on_the_way)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


class Parent:
    """Runs the workers.

    Args:
        settings: The same for all.
        listener: The port, bound.
        metrics: Folder of the metrics.
    """

    def __init__(self, settings: Settings, listener: socket.socket, metrics: str) -> None:
        self._settings = settings
        self._listener = listener
        self._metrics = metrics
        self._count = LocalCount(settings.max_sessions)
        self._workers: set[Worker] = set()
        self._ready: list[Worker] = []
        self._accepting = False
        self._first_is_ready = asyncio.Event()  # or will never be
        self._stopping = asyncio.Event()
        self._status = 0
        self._error: AddressError | None = None

    async def run(self) -> int:
        """Start the workers, one first: what keeps it from starting would keep all. Return when all have ended.

        Returns:
            The exit status of the process.

        Raises:
            AddressError: The address cannot be listened on.
        """
        signals = StopSignals(self._stop)
        signals.on_force = lambda: self._signal(signal.SIGTERM)
        self._listener.setblocking(False)
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._settings.server_workers):
                tasks.create_task(self._keep(number), name=f"worker {number}")
                await self._first_is_ready.wait()
        if self._error is not None:
            raise self._error
        return self._status

    # --- stop --------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        log.info("stopping", workers=len(self._workers), sessions=self._count.sessions)
        self._stopping.set()
        self._first_is_ready.set()
        self._signal(signal.SIGTERM)
        patience_s = self._settings.drain_timeout_sec + OVERTIME_S
        asyncio.get_running_loop().call_later(patience_s, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send(number)

    # --- workers -----------------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """Keep one worker running."""
        back_off = BackOff(self._settings.engine_restart_max_delay_sec)
        is_successor = False
        while not self._stopping.is_set():
            began_s = monotonic()
            status = await self._run_worker(number, is_successor=is_successor)
            if self._stopping.is_set():
                return
            if not self._first_is_ready.is_set():
                self._status = status if status > 0 else 1
                self._stopping.set()
                self._first_is_ready.set()
                return
            is_successor = True
            wait_s = back_off.after(monotonic() - began_s)
            log.error("worker died", worker=number, status=status, again_in_s=wait_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    async def _run_worker(self, number: int, *, is_successor: bool) -> int:
        """Run one worker process until it ends; returns its exit status, that of a signal being negative."""
        questions, its_questions = socket.socketpair()
        connections, its_connections = socket.socketpair()
        connections.setblocking(False)
        with questions, connections:
            with its_questions, its_connections:
                descriptors = its_questions.fileno(), its_connections.fileno()
                try:
                    process = await asyncio.create_subprocess_exec(
                        *WORKER_COMMAND,
                        *map(str, (number, int(is_successor), *descriptors)),
                        self._metrics,
                        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._metrics},
                        pass_fds=descriptors,
                        process_group=0,  # Ctrl-C reaches the parent alone, which passes it on
                    )
                except OSError as error:  # no memory, or too many processes: the others go on
                    log.error("worker not started", reason=str(error))  # noqa: TRY400 - the message says it all
                    return os.EX_OSERR
            worker = Worker(process, questions, connections)
            self._workers.add(worker)
            try:
                if self._stopping.is_set():  # meanwhile
                    worker.send(signal.SIGTERM)
                await self._attend(worker)
                return await process.wait()
            finally:
                worker.send(signal.SIGKILL)  # if the parent itself fails
                self._workers.discard(worker)
                self._forget(worker)

    async def _attend(self, worker: Worker) -> None:
        """Answer a worker's questions until it ends."""
        reader, writer = await asyncio.open_unix_connection(sock=worker.questions)
        with closing(writer):
            async for line in lines(reader):
                answer = await self._answer(worker, _messages.decode(line))
                if answer is not None:
                    writer.write(encoded(answer))

    async def _answer(self, worker: Worker, message: Message) -> Answer | None:
        match message.topic:
            case Topic.READY:
                self._ready.append(worker)
                self._first_is_ready.set()
                log.info("worker ready", pid=worker.process.pid, workers=len(self._ready))
                self._accept_or_not()
                return None
            case Topic.ENTER:
                if worker.on_the_way:
                    worker.on_the_way.popleft()
                refusal = self._count.add(message.tenant, message.tenant_sessions)
                if refusal is None:
                    worker.sessions[message.tenant] += 1
            case Topic.LEAVE:
                self._count.leave(message.tenant)
                worker.sessions[message.tenant] -= 1
                return None
            case Topic.REFUSAL:
                refusal = await self._count.refusal()
        return Answer(message.number, refusal.limit, refusal.value) if refusal else Answer(message.number)

    def _forget(self, worker: Worker) -> None:
        """A worker has ended: its sessions are no more, and what it measured as its state is not true any longer."""
        for tenant in worker.sessions.elements():
            self._count.leave(tenant)
        worker.sessions.clear()
        if worker in self._ready:
            self._ready.remove(worker)
        self._accept_or_not()
        mark_process_dead(worker.process.pid, self._metrics)  # type: ignore[no-untyped-call] # it has no annotations

    # --- connections -------------------------------------------------------------------------------------------------

    def _accept_or_not(self) -> None:
        """Take connections while there is a worker for them; until then they wait in the listener's queue."""
        loop = asyncio.get_running_loop()
        if self._ready and not self._accepting:
            try:
                listen(self._listener)
            except AddressError as error:
                self._error = error
                self._stop()
                return
            loop.add_reader(self._listener, self._accept)
            log.info("listening", url=realtime_url(self._listener, self._settings))
        elif self._accepting and not self._ready:
            loop.remove_reader(self._listener)
        self._accepting = bool(self._ready)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("connections cannot be accepted", reason=str(error))  # noqa: TRY400 - the message says it all
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listener)
                self._accepting = False
                loop.call_later(ACCEPT_RETRY_S, self._accept_or_not)
                return
            with connection:
                self._hand_over(connection)

    def _hand_over(self, connection: socket.socket) -> None:
        now_s = monotonic()
        for worker in sorted(self._ready, key=lambda worker: worker.load(now_s)):
            with suppress(OSError):  # it has just died, or takes no more
                socket.send_fds(worker.connections, [b"\0"], [connection.fileno()])
                worker.on_the_way.append(now_s)
                self._ready.remove(worker)
                self._ready.append(worker)  # among equals it comes last
                return
        log.warning("connection dropped", reason="no worker takes it")
