"""Where the vLLM servers are and how long to wait for them."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from qwen3_asr_realtime.engines.base import EngineError


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """What the operator set.

    Attributes:
        endpoints: Base addresses of the servers, with or without `/v1`; each runs the same model.
        api_key: Sent as bearer token if not empty (`vllm serve --api-key`).
        model: Name of the model on the servers; where one is not served under it but another alone is, that is taken.
        concurrency_per_endpoint: Updates one server works on at the same time (`vllm serve --max-num-seqs`).
        connect_timeout_s: Longest wait for a connection and for an answer to `/health`, in seconds.
        request_timeout_s: Longest wait for the whole answer of one server, in seconds.
        probe_interval_s: Time between checks of a server, in seconds.
    """

    endpoints: tuple[str, ...]
    api_key: str = field(default="", repr=False)
    model: str = ""
    concurrency_per_endpoint: int = 64
    connect_timeout_s: float = 2.0
    request_timeout_s: float = 15.0
    probe_interval_s: float = 5.0


def base_url(endpoint: str) -> str:
    """The address before `/v1` and `/health`.

    Raises:
        EngineError: It is no HTTP address.
    """
    wrong = EngineError("the address of a vLLM server must look like http://host:8000, without a name or password")
    try:
        url = urlsplit(endpoint.strip())
        valid = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError as error:
        raise wrong from error
    if not valid or url.query or url.fragment or url.username is not None:
        raise wrong
    return url._replace(path=url.path.rstrip("/").removesuffix("/v1")).geturl()
