"""Trained weights -> the model folder: page.onnx (int8), question.onnx, anchors.f16, stopwords.txt, manifest.json.

    python export.py --run RUN/weights.pt --pdfs PDFS --fonts FONTS --vocabulary WORDS.gz --out models/quire-glyph
"""
import argparse, datetime, hashlib, json, os, random, tempfile
os.environ["ORT_DISABLE_TELEMETRY"] = "1"      # before it is loaded, or it reports to its maker
import numpy as np
import onnx
import torch
from onnx import TensorProto as T, helper as h, numpy_helper as nh
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from hashing import code_points, ngram_ids
from model import DIM, trained
from sources import document_jobs, read, reduced
from vocabulary import load
from words import BUCKETS

ANCHORS = 8192
FILES = ("page.onnx", "question.onnx", "anchors.f16", "stopwords.txt")
HERE = os.path.dirname(os.path.abspath(__file__))


def float_graph(net, path):
    """The page net -> ONNX: uint8 canvas [B, 1, H, W] -> patches [B, cells, 128] (normalised), gate [B, cells] in 0..1."""
    n, init, nodes = h.make_node, {}, []

    def constant(name, value, dtype):
        init[name] = np.array(value, dtype)
        return name

    def conv(x, layer, out, relu=True):
        init[out + ".weight"], init[out + ".bias"] = (t.detach().float().cpu().numpy() for t in (layer.weight, layer.bias))
        (kh, kw), stride = layer.kernel_size, list(layer.stride)
        name = out + "/conv" if relu else out
        nodes.append(n("Conv", [x, out + ".weight", out + ".bias"], [name], kernel_shape=[kh, kw], strides=stride,
                       pads=[kh // 2, kw // 2, kh // 2, kw // 2]))
        if relu:
            nodes.append(n("Relu", [name], [out]))
        return out

    nodes += [n("Cast", ["canvas"], ["light"], to=T.FLOAT), n("Sub", [constant("white", 255, np.float32), "light"], ["dark"]),
              n("Mul", ["dark", constant("unit", 1 / 255, np.float32)], ["ink"]), n("SpaceToDepth", ["ink"], ["patches4"], blocksize=4)]
    x = "patches4"
    for stage, blocks in (("strokes", net.strokes), ("characters", net.characters), ("words", net.words)):
        x = conv(x, blocks[0][0], f"{stage}.0")
        for i, block in enumerate(list(blocks)[1:], 1):
            branch = conv(x, block.block[0], f"{stage}.{i}.branch")
            nodes.append(n("Add", [x, branch], [f"{stage}.{i}"]))
            x = f"{stage}.{i}"
    conv(x, net.gate, "gate_map", relu=False), conv(x, net.head, "head_map", relu=False)
    nodes += [n("Reshape", ["gate_map", constant("cells", [0, -1], np.int64)], ["gate_row"]), n("Sigmoid", ["gate_row"], ["gate"]),
              n("Reshape", ["head_map", constant("columns", [0, DIM, -1], np.int64)], ["head_columns"]),
              n("Transpose", ["head_columns"], ["head_rows"], perm=[0, 2, 1]), n("ReduceL2", ["head_rows"], ["norm"], axes=[-1], keepdims=1),
              n("Max", ["norm", constant("least", 1e-6, np.float32)], ["safe"]), n("Div", ["head_rows", "safe"], ["patches"])]
    info = h.make_tensor_value_info
    graph = h.make_graph(nodes, "page", [info("canvas", T.UINT8, ["batch", 1, "height", "width"])],
                         [info("patches", T.FLOAT, ["batch", "cells", DIM]), info("gate", T.FLOAT, ["batch", "cells"])],
                         [nh.from_array(v, k) for k, v in init.items()])
    m = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, path)


class Calibration(CalibrationDataReader):
    """Pages of documents at all three scales, and drawn ones: the ranges of activations that int8 must hold."""

    def __init__(self, pdfs, fonts, vocabulary, pages=40, seed=3):
        from synthetic import Fonts, Painter
        rng, self.items = random.Random(seed), []
        for path, number in document_jobs(pdfs, 2 * pages, seed):
            got = read(path, number, rng)
            if got is not None and len(self.items) < pages:
                self.items.append(got[0])
        self.items += [reduced(v, part) for v, part in zip(self.items[:16], [0.35] * 10 + [0.15] * 6)]
        painter = Painter(Fonts(fonts), load(vocabulary), seed)
        self.items += [painter.page(w, height, kind)[0] for w, height, kind in [(832, 576, "text"), (832, 576, "large")] * 6 + [(304, 416, "cover")] * 8]

    def get_next(self):
        return {"canvas": np.ascontiguousarray(self.items.pop())[None, None]} if self.items else None


def int8_graph(source, target, calibration):
    """Static, per channel. Activations u8, weights s8 kept to 7 bits (reduce_range): the pair sums of u8 x s7 products fit
    16 bits, so CPUs without VNNI do not saturate and give the same result."""
    with tempfile.TemporaryDirectory() as d:
        pre = os.path.join(d, "pre.onnx")
        quant_pre_process(source, pre, skip_symbolic_shape=True)
        quantize_static(pre, target, calibration, quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Add", "Relu"],
                        extra_options=dict(ActivationSymmetric=False, CalibMovingAverage=True))


def question_graph(word, path):
    """ids int64 [W, N], mask float [W, N] -> vectors [W, 128]. The table is int8 with one scale a row."""
    w = {k: v.detach().numpy().astype(np.float32) for k, v in word.state_dict().items()}
    table = w["table.weight"][:BUCKETS]                      # without the row of the padding
    scale = np.maximum(np.abs(table).max(1), 1e-8) / 127
    init = dict(table=np.round(table / scale[:, None]).astype(np.int8), scale=scale.astype(np.float32),
                a1=w["a1.weight"].T.copy(), a1b=w["a1.bias"], b1=w["b1.weight"].T.copy(), b1b=w["b1.bias"],
                a2=w["a2.weight"].T.copy(), a2b=w["a2.bias"], b2=w["b2.weight"].T.copy(), b2b=w["b2.bias"],
                last=np.array([2], np.int64), axis1=np.array([1], np.int64), axisn=np.array([-1], np.int64), eps=np.array(1e-6, np.float32))
    n = h.make_node
    nodes = [n("Gather", ["table", "ids"], ["rows8"]), n("Cast", ["rows8"], ["rowsf"], to=T.FLOAT), n("Gather", ["scale", "ids"], ["rs"]),
             n("Mul", ["rs", "mask"], ["weights"]), n("Unsqueeze", ["weights", "last"], ["weights3"]), n("Mul", ["rowsf", "weights3"], ["rows"]),
             n("ReduceSum", ["rows", "axis1"], ["sum"], keepdims=0), n("ReduceSum", ["mask", "axis1"], ["count"], keepdims=1),
             n("Sqrt", ["count"], ["root"]), n("Div", ["sum", "root"], ["x0"])]
    for k in ("1", "2"):
        i, o = f"x{int(k) - 1}", f"x{k}"
        nodes += [n("MatMul", [i, "a" + k], ["m" + k]), n("Add", ["m" + k, f"a{k}b"], ["ma" + k]), n("Relu", ["ma" + k], ["mr" + k]),
                  n("MatMul", ["mr" + k, "b" + k], ["mo" + k]), n("Add", ["mo" + k, f"b{k}b"], ["mob" + k]), n("Add", [i, "mob" + k], [o])]
    nodes += [n("ReduceL2", ["x2"], ["norm"], axes=[-1], keepdims=1), n("Max", ["norm", "eps"], ["safe"]), n("Div", ["x2", "safe"], ["vectors"])]
    graph = h.make_graph(nodes, "question", [h.make_tensor_value_info("ids", T.INT64, ["words", "ngrams"]),
                                             h.make_tensor_value_info("mask", T.FLOAT, ["words", "ngrams"])],
                         [h.make_tensor_value_info("vectors", T.FLOAT, ["words", DIM])], [nh.from_array(v, k) for k, v in init.items() if k != "axisn"])
    m = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, path)


def anchors(embed, vocabulary, path):
    """Text vectors of the commonest training words (by number of pages, then by word), float16 little-endian [8192, 128]."""
    chosen = [w for w, _ in sorted(vocabulary["pages"].items(), key=lambda t: (-t[1], t[0])) if len(w) > 1][:ANCHORS]
    if len(chosen) < ANCHORS:
        raise ValueError(f"the vocabulary has {len(chosen)} words on pages, {ANCHORS} are needed")
    embed(chosen).astype("<f2").tofile(path)


def main():
    ap = argparse.ArgumentParser()
    for name in ("--run", "--pdfs", "--fonts", "--vocabulary", "--out"):
        ap.add_argument(name, required=True)
    ap.add_argument("--contract", default=os.path.join(HERE, "..", "models", "quire-glyph", "manifest.json"), help="manifest to go on from")
    ap.add_argument("--revision", default=datetime.date.today().isoformat())
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    page, word = (net.eval() for net in trained(a.run))
    p = lambda n: os.path.join(a.out, n)
    with tempfile.TemporaryDirectory() as d:
        f = os.path.join(d, "float.onnx")
        float_graph(page, f)
        int8_graph(f, p("page.onnx"), Calibration(a.pdfs, a.fonts, a.vocabulary))
    question_graph(word, p("question.onnx"))

    @torch.no_grad()
    def embed(words):
        return word(ngram_ids(torch.from_numpy(code_points(words)))).numpy()

    anchors(embed, load(a.vocabulary), p("anchors.f16"))
    with open(os.path.join(HERE, "stopwords.txt"), encoding="utf-8") as s, open(p("stopwords.txt"), "w", encoding="utf-8") as t:
        t.write(s.read())
    write_manifest(a.contract, a.out, a.revision)


def write_manifest(contract, out, revision):
    """The manifest of another model folder (or of the same) with the new files in it. What Quire does with a page is not for the training
    to say: only numbers that belong to the weights change."""
    with open(contract, encoding="utf-8") as f:
        manifest = json.load(f)
    manifest["revision"] = revision
    for n in FILES:
        with open(os.path.join(out, n), "rb") as f:
            b = f.read()
        manifest["files"][n] = dict(sha256=hashlib.sha256(b).hexdigest(), bytes=len(b))
    with open(os.path.join(out, "manifest.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f, indent=1, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
