"""The page model in ONNX Runtime as it is by itself: one session with its defaults, every core for each run, a page a run.
Reads the inputs that `measure canvases` wrote."""

import json
import sys
from pathlib import Path

import numpy
import onnxruntime
from serve import serve

folder = Path(sys.argv[1])
facts = json.loads((folder / "canvases.json").read_text())
values = numpy.memmap(folder / "canvases.u8", dtype=numpy.uint8, mode="r")
canvases, start = [], 0
for shape in facts["shapes"]:
    end = start + numpy.prod(shape)
    canvases.append(numpy.array(values[start:end]).reshape(shape))
    start = end
session = onnxruntime.InferenceSession(facts["graph"], providers=["CPUExecutionProvider"])


def forward():
    for canvas in canvases:
        session.run(None, {facts["input"]: canvas})


serve({"peer": f"onnxruntime {onnxruntime.__version__}", "pages": len(canvases)}, forward)
