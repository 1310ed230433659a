"""The shipped model through ONNX Runtime, as Quire runs it: the reference for the Rust side and for every reported figure."""
import json, os
from typing import NamedTuple
os.environ["ORT_DISABLE_TELEMETRY"] = "1"      # before it is loaded, or it reports to its maker
import numpy as np
import onnxruntime as ort
from canvas import CELL, looks, padded, tiles
from words import ids, question_words


class Reading(NamedTuple):
    """What the graph gave for one look at a page: its open cells, ascending, counted in a grid of rows x cols on the page as it is shown."""
    look: int           # which of the page's looks
    grid: tuple
    used: tuple         # width and height of the page on this canvas
    turn: int           # quarter turns, counter-clockwise, that the page was turned by to be read
    cells: np.ndarray
    vectors: np.ndarray
    gates: np.ndarray
    near: set           # cells whose gate is so near the threshold that another machine may decide otherwise


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

    def page_vectors(self, image, dpi=None):
        """PIL image -> (vectors of the kept cells [n, 128], [(scale number, cell)] of each, [Reading])."""
        return self.looks_vectors(looks(image, self.manifest["page"], dpi))

    def looks_vectors(self, pictures):
        """The same of the looks at a page."""
        readings = self.readings(pictures)
        kept = self.kept(readings)
        if not kept:
            return self.cell_zero(pictures[0]), [(0, 0)], readings
        return np.stack([readings[s].vectors[i] for s, i in kept]), [(s, int(readings[s].cells[i])) for s, i in kept], readings

    def readings(self, pictures):
        """Every look, upright; and turned, if upright the page says little and turned it says something."""
        rules = self.manifest["page"]["turns"]
        upright = [self.read(number, v) for number, v in enumerate(pictures)]
        weak, sure = self.evidence(upright[0].vectors)
        contrast = contrasts(padded(pictures[0])) >= rules["contrast_from"]
        count, seen = len(upright[0].cells), int(contrast.sum())
        unread = seen >= rules["tried_from_cells"] and np.float32(count) < np.float32(rules["tried_if_open_below"]) * np.float32(seen)
        doubtful = count >= rules["tried_from_cells"] and (weak >= rules["tried_if_weak"] or sure < rules["tried_if_sure_below"])
        if not unread and not doubtful:
            return upright
        top, left, bottom, right = (CELL * side for side in densest(contrast, rules["window_cells"]))
        window, turned = pictures[0][top:bottom, left:right], []
        for turn in (1, 2, 3):
            if self.reads(self.read(0, window, turn)):              # cheap: a part of the page
                first = self.read(0, pictures[0], turn)
                if self.reads(first):
                    turned += [first] + [self.read(number, v, turn) for number, v in enumerate(pictures) if number]
        least = rules["upright_dropped_if_sure_below"]
        return upright * all(sure >= least["half" if r.turn == 2 else "quarter"] for r in turned) + turned

    def reads(self, turned):
        """Whether there are words in a turned reading."""
        rules = self.manifest["page"]["turns"]
        kind, (weak, sure) = "half" if turned.turn == 2 else "quarter", self.evidence(turned.vectors)
        says = sure >= rules["kept_if_sure"][kind] or weak <= rules["kept_if_weak_at_most"][kind]
        return len(turned.cells) >= rules["kept_from_vectors"] and says

    def read(self, number, v, turn=0):
        """Look number `number` (u8 [h, w]), turned by quarters."""
        canvas = np.rot90(padded(v), turn)
        rows, cols = canvas.shape[0] // CELL, canvas.shape[1] // CELL
        gate, patches = np.zeros((rows, cols), np.float32), np.zeros((rows, cols, self.manifest["dim"]), np.float32)
        rules = self.manifest["page"]["tiles"]
        for (top, left, bottom, right), (t, l, b, r) in tiles(rows, cols, rules["most_cells"], rules["margin_cells"]):
            part = np.ascontiguousarray(canvas[top * CELL:bottom * CELL, left * CELL:right * CELL])
            p, g = self.page.run(["patches", "gate"], {"canvas": part[None, None]})
            inner = np.s_[t - top:b - top, l - left:r - left]
            gate[t:b, l:r] = g[0].reshape(bottom - top, right - left)[inner]
            patches[t:b, l:r] = p[0].reshape(bottom - top, right - left, -1)[inner]
        gate, patches = np.rot90(gate, -turn), np.rot90(patches, -turn)        # cells as the page is shown
        shape = gate.shape
        gate, patches = gate.reshape(-1), patches.reshape(-1, patches.shape[-1])
        keep, near = np.flatnonzero(gate >= self.threshold), np.flatnonzero(np.abs(gate - self.threshold) < 1e-3)
        return Reading(number, shape, (v.shape[1], v.shape[0]), turn, keep, patches[keep], gate[keep], {int(c) for c in near})

    def cell_zero(self, v):
        """The vector of the first cell, for a page that says nothing."""
        canvas = padded(v)
        rules = self.manifest["page"]["tiles"]
        (top, left, bottom, right), _ = tiles(canvas.shape[0] // CELL, canvas.shape[1] // CELL, rules["most_cells"], rules["margin_cells"])[0]
        part = np.ascontiguousarray(canvas[top * CELL:bottom * CELL, left * CELL:right * CELL])
        return self.page.run(["patches"], {"canvas": part[None, None]})[0][0][:1]

    def evidence(self, vectors):
        """Shares of a sample of vectors that are near no common word, and very near one."""
        rules = self.manifest["page"]["turns"]
        if not len(vectors):
            return 1.0, 0.0
        count = min(len(vectors), rules["sample"])
        best = (vectors[np.arange(count) * len(vectors) // count] @ self.anchors[:rules["anchors"]].T).max(1)
        return float((best < rules["weak_below"]).mean()), float((best >= rules["sure_from"]).mean())

    def kept(self, readings):
        """[(reading, index)] of the vectors that stay: not those of a smaller scale that repeat one of a larger scale at the same place; those of
        the most open gates, if there are too many."""
        rules = self.manifest["page"]["keep"]
        kept = []
        for s, r in enumerate(readings):
            finer = [readings[f] for f in range(s) if readings[f].turn == r.turn]
            kept += [(s, i) for i in range(len(r.cells)) if not any(repeats(r, i, f, rules["same_as_finer"]) for f in finer)]
        if len(kept) > rules["most"]:
            order = sorted(kept, key=lambda k: -readings[k[0]].gates[k[1]])[:rules["most"]]
            kept = sorted(order)
        return kept

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


def contrasts(canvas):
    """Levels between the darkest and the lightest pixel of each cell: [rows, cols]."""
    h, w = canvas.shape
    cells = canvas.reshape(h // CELL, CELL, w // CELL, CELL)
    return cells.max((1, 3)) - cells.min((1, 3))


def densest(contrast, side):
    """The square of side x side cells (or what the page has) with the most cells of contrast (bool [rows, cols]): (top, left, bottom, right).
    The first of equals; corners are multiples of 4."""
    rows, cols = contrast.shape
    sums = np.pad(contrast.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    best, at = -1, None
    for top in range(0, max(rows - side, 0) + 1, 4):
        for left in range(0, max(cols - side, 0) + 1, 4):
            bottom, right = min(top + side, rows), min(left + side, cols)
            count = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
            if count > best:
                best, at = count, (top, left, bottom, right)
    return at


def repeats(coarse, i, fine, same):
    """Whether a fine cell whose middle lies in coarse cell i, or in one beside it, says the same."""
    row, col = divmod(int(coarse.cells[i]), coarse.grid[1])
    y, x = fine.cells // fine.grid[1], fine.cells % fine.grid[1]
    # The middle of fine cell y lies in coarse cell (y + 1/2) * coarse side / fine side: in whole numbers.
    at = lambda middle, fine_side, coarse_side: (2 * middle + 1) * coarse_side // (2 * fine_side)
    near = (abs(at(y, fine.used[1], coarse.used[1]) - row) <= 1) & (abs(at(x, fine.used[0], coarse.used[0]) - col) <= 1)
    return bool(near.any()) and float((fine.vectors[near] @ coarse.vectors[i]).max()) >= same


def top(row, k):
    """Indices of the k largest values, largest first, the lower index first among equals."""
    part = np.argpartition(-row, k)[:k]
    return sorted(part, key=lambda a: (-row[a], a))
