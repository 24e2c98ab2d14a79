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
from contextlib import ExitStack, closing, suppress
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
from qwen3_asr_realtime.server.link import BEAT_S, Answer, Message, Successor, Topic, encoded, lines
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.signals import StopSignals
from qwen3_asr_realtime.server.tls import check_certificate
from qwen3_asr_realtime.settings import Settings

WORKER_COMMAND = (sys.executable, "-m", "qwen3_asr_realtime.server.worker")

ON_THE_WAY_S = 1.0
"""For so long a connection that a worker has taken counts as the session it will be."""

SUSPECT_SHARE = 1 / 3
"""Of `WORKER_TIMEOUT_SEC`: a worker that has been silent for so long gets no connections until it is heard of again."""

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
        handed: Connections handed over that it has not taken yet.
        on_the_way: When those were taken that are no sessions yet.
        silent_s: For how long it has not been heard of.
        is_watched: Whether that says something: while it loads its model, its event loop may stand still.
        hangs: Whether it was killed for it.
        is_draining: Whether it has begun to stop.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, questions: socket.socket, connections: socket.socket
    ) -> None:
        self.process = process
        self.questions = questions
        self.connections = connections
        self.sessions: Counter[str] = Counter()
        self.handed = 0
        self.silent_s = 0.0
        self.is_watched = False
        self.hangs = False
        self.is_draining = False
        self.on_the_way: deque[float] = deque()

    def load(self, now_s: float) -> int:
        """Sessions it has or is about to have; one that takes nothing has ever more of them."""
        while self.on_the_way and now_s - self.on_the_way[0] > ON_THE_WAY_S:
            self.on_the_way.popleft()
        return self.sessions.total() + self.handed + len(self.on_the_way)

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
        for worker in self._workers:
            if worker.is_draining and worker not in self._ready:
                self._ready.append(worker)  # the signal has come to it first; whoever asks is to be told
        self._accept_or_not()
        self._first_is_ready.set()
        self._signal(signal.SIGTERM)
        patience_s = self._settings.drain_timeout_sec + OVERTIME_S
        asyncio.get_running_loop().call_later(patience_s, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send(number)

    def _fail(self) -> None:
        """Something here has failed, which is a mistake in this program: let the workers end in their own way."""
        log.exception("parent failed")
        self._status = 1
        if not self._stopping.is_set():
            self._stop()

    # --- workers -----------------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """Keep one worker running; if that fails, all are stopped."""
        try:
            await self._run_workers(number)
        except Exception:
            self._fail()

    async def _run_workers(self, number: int) -> None:
        """Run one worker after the other."""
        back_off = BackOff(self._settings.engine_restart_max_delay_sec)
        successor = Successor.OF_NONE
        while not self._stopping.is_set():
            began_s = monotonic()
            status, end = await self._run_worker(number, successor)
            if self._stopping.is_set():
                return
            if not self._first_is_ready.is_set():
                self._status = status if status > 0 else 1
                self._stopping.set()
                self._first_is_ready.set()
                return
            wait_s = back_off.after(monotonic() - began_s)
            if end is Successor.OF_NONE:
                log.info("worker stopped", worker=number, again_in_s=wait_s)
            else:
                log.error("worker died", worker=number, status=status, again_in_s=wait_s)
            successor = end
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    async def _run_worker(self, number: int, successor: Successor) -> tuple[int, Successor]:
        """Run one worker process until it ends.

        Returns:
            Its exit status, that of a signal being negative; what the next one is a successor of.
        """
        with ExitStack() as ours:
            try:
                with ExitStack() as its:
                    questions, its_questions = _socket_pair(ours, its)
                    connections, its_connections = _socket_pair(ours, its)
                    descriptors = its_questions.fileno(), its_connections.fileno()
                    process = await asyncio.create_subprocess_exec(
                        *WORKER_COMMAND,
                        *map(str, (number, successor, *descriptors)),
                        self._metrics,
                        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._metrics},
                        pass_fds=descriptors,
                        process_group=0,  # Ctrl-C reaches the parent alone, which passes it on
                    )
            except OSError as error:  # no memory, or too many processes or files: the others go on
                log.error("worker not started", reason=str(error))  # noqa: TRY400 - the message says it all
                return os.EX_OSERR, Successor.OF_DEAD
            connections.setblocking(False)
            worker = Worker(process, questions, connections)
            self._workers.add(worker)
            try:
                if self._stopping.is_set():  # meanwhile
                    worker.send(signal.SIGTERM)
                await self._attend(worker)
            except Exception:
                self._fail()
            try:
                status = await process.wait()
            finally:
                worker.send(signal.SIGKILL)  # if the parent is stopped in the hardest way
                self._workers.discard(worker)
                self._forget(worker)
        if worker.hangs:
            return status, Successor.OF_HUNG
        return status, Successor.OF_NONE if worker.is_draining and status == 0 else Successor.OF_DEAD

    async def _watch(self, worker: Worker) -> None:
        """Find out when a worker hangs. Its silence is counted in steps: while we stood still ourselves is none."""
        timeout_s = self._settings.worker_timeout_sec
        while worker.silent_s < timeout_s:
            await asyncio.sleep(BEAT_S)
            worker.silent_s += BEAT_S if worker.is_watched else 0.0
            if worker.silent_s >= timeout_s * SUSPECT_SHARE and worker in self._ready:
                log.warning("worker does not answer", pid=worker.process.pid, silent_s=round(worker.silent_s, 1))
                self._ready.remove(worker)
                self._accept_or_not()
        log.error("worker hangs", pid=worker.process.pid, silent_s=timeout_s, limit="WORKER_TIMEOUT_SEC")
        worker.hangs = True
        worker.send(signal.SIGKILL)

    async def _attend(self, worker: Worker) -> None:
        """Answer a worker's questions until it ends."""
        reader, writer = await asyncio.open_unix_connection(sock=worker.questions)
        with closing(writer):
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(worker), name=f"watch {worker.process.pid}")
                await self._answer_all(worker, reader, writer)
                watching.cancel()

    async def _answer_all(self, worker: Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in lines(reader):
            answer = await self._answer(worker, _messages.decode(line))
            if answer is not None:
                writer.write(encoded(answer))

    async def _answer(self, worker: Worker, message: Message) -> Answer | None:
        self._heard_of(worker)
        match message.topic:
            case Topic.ALIVE:
                return None
            case Topic.TAKEN:
                worker.handed -= message.number
                worker.on_the_way.extend([monotonic()] * message.number)
                return None
            case Topic.DRAINING:
                worker.is_draining = True
                if not self._stopping.is_set() and worker in self._ready:
                    self._ready.remove(worker)
                    self._accept_or_not()
                return None
            case Topic.READY:
                worker.is_watched = True
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

    def _heard_of(self, worker: Worker) -> None:
        was_suspected = worker.is_watched and worker not in self._ready and not worker.is_draining
        worker.silent_s = 0.0
        if was_suspected and not worker.hangs:
            log.info("worker answers again", pid=worker.process.pid)
            self._ready.append(worker)
            self._accept_or_not()

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
        if self._error is not None:
            return
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
                worker.handed += 1
                self._ready.remove(worker)
                self._ready.append(worker)  # among equals it comes last
                return
        log.warning("connection dropped", reason="no worker takes it")


def _socket_pair(ours: ExitStack, its: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets, the first to be closed with `ours`, the second with `its`."""
    own, other = socket.socketpair()
    return ours.enter_context(own), its.enter_context(other)
