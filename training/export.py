"""Trained weights -> the model folder: page.onnx (int8), question.onnx, anchors.f16, stopwords.txt, manifest.json.

    python export.py --run RUN/last.pt --shards SHARDS --out models/quire-glyph
"""
import argparse, collections, datetime, hashlib, json, os, random, tempfile
os.environ["ORT_DISABLE_TELEMETRY"] = "1"      # before it is loaded, or it reports to its maker
import numpy as np
import onnx
import torch
from onnx import TensorProto as T, helper as h, numpy_helper as nh
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from canvas import CELL, LONG, SHORT
from dataset import Shards, scan
from model import DIM, PageNet, WordNet
from train import word_embedder
from words import BUCKETS, FOLD, MAX_CHARS

ANCHORS = 8192


class PageGraph(torch.nn.Module):
    """uint8 canvas [B, 1, H, W] -> patches [B, cells, 128] (normalised), gate [B, cells] in 0..1."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, canvas):
        v, g, _ = self.net((255 - canvas.float()) * (1 / 255))
        return v, torch.sigmoid(g)


def float_graph(net, path):
    torch.onnx.export(PageGraph(net), torch.zeros(1, 1, LONG, SHORT, dtype=torch.uint8), path, input_names=["canvas"],
                      output_names=["patches", "gate"], opset_version=17, dynamo=False,
                      dynamic_axes={"canvas": {0: "batch", 2: "height", 3: "width"}, "patches": {0: "batch", 1: "cells"},
                                    "gate": {0: "batch", 1: "cells"}})


class Calibration(CalibrationDataReader):
    def __init__(self, shards, n):
        rng, npr = random.Random(3), np.random.default_rng(3)
        self.items = []
        for i in rng.sample(range(len(shards)), n):
            canvas, _, _ = shards.get(i)
            if rng.random() < 0.3:
                canvas = scan(canvas, rng, npr)
            self.items.append({"canvas": np.ascontiguousarray(canvas)[None, None]})

    def get_next(self):
        return self.items.pop() if self.items else None


def int8_graph(source, target, shards, pages=48):
    """Static, per channel. Activations u8, weights s8 kept to 7 bits (reduce_range): the pair sums of u8 x s7 products fit
    16 bits, so CPUs without VNNI do not saturate and give the same result."""
    with tempfile.TemporaryDirectory() as d:
        pre = os.path.join(d, "pre.onnx")
        quant_pre_process(source, pre, skip_symbolic_shape=True)
        quantize_static(pre, target, Calibration(shards, pages), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Add", "Relu"],
                        extra_options=dict(ActivationSymmetric=False, CalibMovingAverage=True))


def question_graph(word, path):
    """ids int64 [W, N], mask float [W, N] -> vectors [W, 128]. The table is int8 with one scale a row."""
    w = {k: v.detach().numpy().astype(np.float32) for k, v in word.state_dict().items()}
    table = w["table.weight"]
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


def anchors(word, shards, path):
    """Text vectors of the commonest training words (by number of pages, then by word), float16 little-endian [8192, 128]."""
    df = collections.Counter(w for *_, m in shards.pages for w in set(m["words"]) if len(w) > 1)
    chosen = [w for w, _ in sorted(df.items(), key=lambda t: (-t[1], t[0]))[:ANCHORS]]
    v = word_embedder(word)(chosen)
    v.astype("<f2").tofile(path)
    return chosen


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--run", required=True), ap.add_argument("--shards", required=True), ap.add_argument("--out", required=True)
    ap.add_argument("--gate", type=float, default=0.1), ap.add_argument("--revision", default=datetime.date.today().isoformat())
    ap.add_argument("--float-out", help="also write the float graph here (for comparison; not shipped)")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    c = torch.load(a.run)
    page, word = PageNet().eval(), WordNet().eval()
    page.load_state_dict(c["page"]), word.load_state_dict(c["word"])
    shards = Shards([os.path.join(a.shards, "train")])
    f = a.float_out or os.path.join(tempfile.mkdtemp(), "float.onnx")
    float_graph(page, f)
    p = lambda n: os.path.join(a.out, n)
    int8_graph(f, p("page.onnx"), shards)
    question_graph(word, p("question.onnx"))
    anchors(word, shards, p("anchors.f16"))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "stopwords.txt"), encoding="utf-8") as s, open(p("stopwords.txt"), "w", encoding="utf-8") as t:
        t.write(s.read())
    write_manifest(a.out, a.revision, a.gate)


def write_manifest(out, revision, gate):
    files = {}
    for n in ("page.onnx", "question.onnx", "anchors.f16", "stopwords.txt"):
        with open(os.path.join(out, n), "rb") as f:
            b = f.read()
        files[n] = dict(sha256=hashlib.sha256(b).hexdigest(), bytes=len(b))
    manifest = dict(
        manifest_version=1, id="quire-glyph", revision=revision, family="glyph", dim=DIM, license="Apache-2.0", files=files,
        page=dict(graph="page.onnx", input=dict(name="canvas", dtype="uint8", shape=["batch", 1, "height", "width"]),
                  outputs=dict(patches=dict(name="patches", dtype="float32", shape=["batch", "rows*cols", DIM]),
                               gate=dict(name="gate", dtype="float32", shape=["batch", "rows*cols"])),
                  portrait=[SHORT, LONG], landscape=[LONG, SHORT], landscape_if="width > height", luma="pillow-L", resize="pillow-bicubic",
                  fit="scale = min(cw / w, ch / h); side = clamp(floor(side * scale + 0.5), 1, canvas side)", place="top-left",
                  background=255, invert_if_mean_luma_below=110, cell=[CELL, CELL],
                  keep=dict(rule="gate >= threshold", threshold=gate, if_none="cell 0")),
        question=dict(graph="question.onnx", inputs=dict(ids=dict(name="ids", dtype="int64"), mask=dict(name="mask", dtype="float32")),
                      output=dict(name="vectors", dtype="float32", shape=["words", DIM]),
                      fold=dict(normalize="NFKD", lowercase=True, drop_category="Mn", replace=FOLD),
                      words=dict(characters=["L", "N"], joiners=".,", joiners_between="Nd", joiner_written_as=".", max_chars=MAX_CHARS,
                                 deduplicate=True, drop_single_letters=True, stop_words="stopwords.txt"),
                      ngrams=dict(bag_prefix="g:", bag_sizes=[1, 2, 3, 4], frame=["^", "$"], framed_from_size=2, start_prefix="s", end_prefix="e",
                                  place_sizes=[1, 2], word_prefix="w:", hash="fnv1a-32", buckets=BUCKETS)),
        anchors=dict(file="anchors.f16", dtype="float16-le", entries=ANCHORS, dim=DIM, page_top=3, question_top=16, power=4),
        pooled=dict(factor=3), default_plan="hybrid",
        # measured by benches/answers/evaluate.py --calibrate: run it whenever the weights change
        answer=dict(seen_from=0.77))
    with open(os.path.join(out, "manifest.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f, indent=1, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
