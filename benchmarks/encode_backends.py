"""The back-ends of sentence-transformers that compile a model: ONNX Runtime and OpenVINO, float32 and int8.

Belongs here: what runs in an interpreter of its own, because these packages want an older transformers than ours:

    python -m venv other
    other/bin/python -m pip install "sentence-transformers[onnx,openvino]" psutil

``encode.py --other other/bin/python`` then puts them beside the project's encoder. int8 is each package's own way:
dynamic quantisation with the instructions of this processor in ONNX Runtime, static quantisation by NNCF over rows of
the same pool in OpenVINO. Does not belong here: anything of the project but the clock.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import measured

WARM_UP = 64
CALIBRATION_ROWS = 300
BACKENDS = {
    "onnx": ("onnx", "onnx/model.onnx"),
    "onnx int8": ("onnx", "onnx/model_qint8.onnx"),
    "openvino": ("openvino", "openvino/openvino_model.xml"),
    "openvino int8": ("openvino", "openvino/openvino_model_qint8.xml"),
}
"""Name -> back-end, and the file of the model that it runs."""


def export(model: str, folder: str, texts: str, max_tokens: int) -> dict[str, Any]:
    """Write the model in all forms into ``folder``, a copy of the folder of the model."""
    import shutil

    import nncf
    import openvino
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.backend import export_dynamic_quantized_onnx_model

    shutil.copytree(model, folder, dirs_exist_ok=True)
    for backend in ("onnx", "openvino"):
        SentenceTransformer(model, backend=backend).save_pretrained(folder)
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii")
    instructions = "avx512_vnni" if "avx512_vnni" in flags else "avx512" if "avx512f" in flags else "avx2"
    onnx = SentenceTransformer(folder, backend="onnx", model_kwargs={"file_name": "onnx/model.onnx"})
    export_dynamic_quantized_onnx_model(onnx, instructions, folder, file_suffix="qint8")
    plain = SentenceTransformer(folder, backend="openvino", model_kwargs={"file_name": BACKENDS["openvino"][1]})
    plain.max_seq_length = max_tokens
    rows = json.loads(Path(texts).read_text("utf-8"))[:CALIBRATION_ROWS]
    read = openvino.Core().read_model(Path(folder, BACKENDS["openvino"][1]))
    names = [port.any_name for port in read.inputs]
    inputs = (plain.preprocess([row]) for row in rows)
    samples = nncf.Dataset([{name: row[name].numpy() for name in names} for row in inputs])
    quantised = nncf.quantize(read, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_ROWS)
    openvino.save_model(quantised, Path(folder, BACKENDS["openvino int8"][1]))
    return {"instructions": instructions}


def encode(folder: str, name: str, texts: str, max_tokens: int, out: str) -> dict[str, Any]:
    """Encode with ``SentenceTransformer.encode`` on one of ``BACKENDS``."""
    from sentence_transformers import SentenceTransformer

    backend, file = BACKENDS[name]
    model = SentenceTransformer(folder, backend=backend, model_kwargs={"file_name": file}, device="cpu")
    model.max_seq_length = max_tokens
    rows = json.loads(Path(texts).read_text("utf-8"))
    model.encode(rows[:WARM_UP])
    with measured() as cost:
        vectors = model.encode(rows)
    np.save(out, vectors)
    return asdict(cost)
