"""The shipped model through ONNX Runtime, as Quire runs it: the reference for the Rust side and for every reported figure."""
import json, os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"      # before it is loaded, or it reports to its maker
import numpy as np
import onnxruntime as ort
from canvas import canvas_of
from words import ids, question_words


class Glyph:
    def __init__(self, folder, threads=2, page_graph=None, level=None):
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
            self.manifest = json.load(f)
        so = ort.SessionOptions()
        so.intra_op_num_threads = threads
        so.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if level is not None:
            so.graph_optimization_level = level
        p = lambda n: os.path.join(folder, n)
        self.page = ort.InferenceSession(page_graph or p("page.onnx"), so, providers=["CPUExecutionProvider"])
        self.question = ort.InferenceSession(p("question.onnx"), so, providers=["CPUExecutionProvider"])
        m = self.manifest
        self.anchors = np.fromfile(p("anchors.f16"), "<f2").reshape(m["anchors"]["entries"], m["dim"]).astype(np.float32)
        with open(p("stopwords.txt"), encoding="utf-8") as f:
            self.stop = set(f.read().split())
        self.threshold = np.float32(m["page"]["keep"]["threshold"])

    def page_vectors(self, image):
        """PIL image -> (vectors of the kept cells [n, 128], kept cell indices, (rows, cols), canvas)."""
        return self.canvas_vectors(canvas_of(image, self.manifest["page"]["invert_if_mean_luma_below"])[0])

    def canvas_vectors(self, canvas):
        patches, gate = self.page.run(None, {"canvas": canvas[None, None]})
        keep = np.flatnonzero(gate[0] >= self.threshold)
        if not len(keep):
            keep = np.array([0])
        return patches[0][keep], keep, (canvas.shape[0] // 16, canvas.shape[1] // 16), canvas

    def word_vectors(self, words):
        lists = [ids(w) for w in words]
        n = max(map(len, lists))
        i, m = np.zeros((len(words), n), np.int64), np.zeros((len(words), n), np.float32)
        for k, l in enumerate(lists):
            i[k, :len(l)], m[k, :len(l)] = l, 1
        return self.question.run(None, {"ids": i, "mask": m})[0]

    def ask(self, text):
        words = question_words(text, self.stop)
        return words, self.word_vectors(words) if words else np.zeros((0, 128), np.float32)

    def page_sparse(self, vectors):
        """{anchor: weight}: the nearest anchors of each patch, the largest cosine kept, negative ones dropped."""
        s = vectors @ self.anchors.T
        at, out = np.arange(len(s)), {}
        for _ in range(self.manifest["anchors"]["page_top"]):
            best = s.argmax(1)                          # the first of equals: the lower index
            for a, w in zip(best.tolist(), s[at, best].tolist()):
                if w > 0:
                    out[a] = max(out.get(a, 0.0), w)
            s[at, best] = -np.inf
        return out

    def question_sparse(self, vectors):
        """{anchor: weight}: the nearest anchors of each word, cosine to the power 4, summed over the words."""
        s = vectors @ self.anchors.T
        out = {}
        for row in s:
            for a in top(row, self.manifest["anchors"]["question_top"]):
                if row[a] > 0:
                    out[int(a)] = out.get(int(a), 0.0) + float(row[a]) ** self.manifest["anchors"]["power"]
        return out


def top(row, k):
    """Indices of the k largest values, largest first, the lower index first among equals."""
    part = np.argpartition(-row, k)[:k]
    return sorted(part, key=lambda a: (-row[a], a))
