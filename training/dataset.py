"""Training batches: crops of cached pages, augmented like scans and screens, with their words and a bank of other words."""
import glob, io, os, pickle, random, zlib
from bisect import bisect_left
import numpy as np
import torch
from PIL import Image, ImageFilter
from canvas import CELL
from pages import MAP_X, MAP_Y
from words import ids, MAX_CHARS

CROP_H, CROP_W = 576, 832
MAX_POSITIVE, MAX_NEAR = 8, 40          # cells listed for a word: candidates for its vector; cells that touch it
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOOK_ALIKE = {"l": "i1", "i": "l1j", "1": "l7", "o": "0ce", "0": "o8", "e": "co", "c": "eo", "m": "n", "n": "mhru", "h": "bn",
              "b": "hd6", "u": "vn", "v": "uy", "5": "s6", "s": "5", "8": "b30", "3": "8", "6": "b85", "7": "1", "t": "fl", "f": "t",
              "g": "qy9", "q": "gp", "9": "g4", "4": "9", "a": "oe", "r": "n", "d": "bcl", "y": "vg", "p": "q", "w": "v", "2": "z", "z": "2"}


class Shards:
    """All whole shards of some folders, memory-mapped."""

    def __init__(self, folders):
        self.pages = []
        for folder in folders:
            for meta in sorted(glob.glob(os.path.join(folder, "*-meta.pkl"))):
                base = meta[:-len("-meta.pkl")]
                canvas, cmap = np.load(base + "-canvas.npy", mmap_mode="r"), np.load(base + "-map.npy", mmap_mode="r")
                with open(meta, "rb") as f:
                    for k, m in enumerate(pickle.load(f)):
                        self.pages.append((canvas, cmap, k, m))

    def __len__(self):
        return len(self.pages)

    def get(self, i):
        canvas, cmap, k, m = self.pages[i]
        h, w = m["shape"]
        return np.asarray(canvas[k]).reshape(h, w), np.asarray(cmap[k]).reshape(h // MAP_Y, w // MAP_X), m


def mutate(word, rng):
    """A word that looks like `word`: one or two edits, mostly between characters of similar shape."""
    w = list(word)
    for _ in range(1 if rng.random() < 0.75 else 2):
        i = rng.randrange(len(w))
        r = rng.random()
        digits = w[i].isdigit()
        if r < 0.35 and w[i] in LOOK_ALIKE:
            w[i] = rng.choice(LOOK_ALIKE[w[i]])
        elif r < 0.7 or len(w) < 3:
            w[i] = rng.choice("0123456789" if digits else LETTERS)
        elif r < 0.8:
            w.insert(i, rng.choice("0123456789" if digits else LETTERS))
        elif r < 0.9:
            del w[i]
        elif i + 1 < len(w):
            w[i], w[i + 1] = w[i + 1], w[i]
    return "".join(w)[:MAX_CHARS]


def scan(v, rng, npr):
    """u8 crop -> u8 crop as a scanner, a fax or a screen would give it."""
    x = v.astype(np.float32)
    if rng.random() < 0.5:
        k = rng.uniform(0.3, 1.1)
        x = np.asarray(Image.fromarray(x.astype(np.uint8)).filter(ImageFilter.GaussianBlur(k)), np.float32)
    r = rng.random()
    if r < 0.35:                                        # faint or grey ink, tinted paper
        ink, paper = rng.uniform(0, 110), rng.uniform(205, 255)
        x = ink + x * (paper - ink) / 255
    elif r < 0.6:                                       # photocopy: steep contrast
        mid, steep = rng.uniform(120, 190), rng.uniform(1.5, 4)
        x = 255 / (1 + np.exp(-(x - mid) * steep / 50))
    if rng.random() < 0.4:                              # uneven light
        h, w = x.shape
        gx, gy = npr.uniform(-0.25, 0.25, 2)
        x = x * (1 - np.abs(gx) - np.abs(gy) + gx * np.linspace(-1, 1, w)[None] + gy * np.linspace(-1, 1, h)[:, None])
    if rng.random() < 0.6:
        x = x + (npr.standard_normal(x.shape, dtype=np.float32) * rng.uniform(2, 20))
    if rng.random() < 0.15:
        n = rng.randrange(50, 3000)
        x[npr.integers(0, x.shape[0], n), npr.integers(0, x.shape[1], n)] = npr.integers(0, 2, n) * 255
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        b = io.BytesIO()
        Image.fromarray(x).save(b, "JPEG", quality=rng.randrange(25, 80))
        x = np.asarray(Image.open(b))
    return x


def crop(canvas, cmap, meta, rng, npr, strength=1.0):
    """`strength` 0..1 scales how often a crop is turned, scanned or inverted (batch norm needs clean company at first).
    -> crop u8, character map, words, centres [n, 2], half widths [n], half heights [n], all in crop pixels."""
    h, w = canvas.shape
    b = meta["boxes"]
    cx, cy = (b[:, 0] + b[:, 2]) / 2, (b[:, 1] + b[:, 3]) / 2
    hw, hh = (b[:, 2] - b[:, 0]) / 2, (b[:, 3] - b[:, 1]) / 2
    k = rng.randrange(len(cx))                          # aim at a word, so that crops are where text is
    geometric = rng.random() < 0.45 * strength
    if geometric:
        large = rng.random() < 0.25                     # lettering of notices and slides
        s = float(np.exp(rng.uniform(*np.log((1.35, 3.0) if large else (0.78, 1.35)))))
        sx, sy = s * rng.uniform(0.95, 1.05), s * rng.uniform(0.95, 1.05)
        t = np.deg2rad(rng.gauss(0, 1.5) if rng.random() < 0.7 else 0)
    else:
        sx = sy = 1.0
        t = 0.0
    # forward: crop = A (page - c) + d
    A = np.array([[np.cos(t) * sx, -np.sin(t) * sy], [np.sin(t) * sx, np.cos(t) * sy]])
    c = np.array([cx[k], cy[k]])
    d = np.array([rng.uniform(0.15, 0.85) * CROP_W, rng.uniform(0.1, 0.9) * CROP_H])
    if w * sx <= CROP_W * 1.02:                         # the whole width fits: keep the page's left edge near the crop's
        d[0] = cx[k] * sx + (rng.uniform(-12, 12))
    if not geometric:                                   # whole labels of the character map: half a label off is a wrong label
        d = c + np.round((d - c) / (MAP_X, MAP_Y)) * (MAP_X, MAP_Y)
    inv = np.linalg.inv(A)
    off = c - inv @ d
    out = Image.fromarray(canvas)
    m = Image.fromarray(cmap)
    if geometric:
        x = out.transform((CROP_W, CROP_H), Image.AFFINE, (inv[0, 0], inv[0, 1], off[0], inv[1, 0], inv[1, 1], off[1]),
                          Image.BICUBIC, fillcolor=255)
        mm = np.zeros((CROP_H // MAP_Y, CROP_W // MAP_X), np.uint8)         # characters are learned from unturned crops
    else:
        x = out.transform((CROP_W, CROP_H), Image.AFFINE, (1, 0, off[0], 0, 1, off[1]), Image.NEAREST, fillcolor=255)
        mm = m.transform((CROP_W // MAP_X, CROP_H // MAP_Y), Image.AFFINE, (1, 0, off[0] / MAP_X, 0, 1, off[1] / MAP_Y),
                         Image.NEAREST, fillcolor=0)
    x, mm = np.asarray(x), np.asarray(mm)
    p = (np.stack([cx, cy], 1) - c) @ A.T + d
    hw, hh = hw * sx, hh * sy + np.abs(np.sin(t)) * hw
    inside = (p[:, 0] - hw > -3) & (p[:, 0] + hw < CROP_W + 3) & (p[:, 1] - hh > -1) & (p[:, 1] + hh < CROP_H + 1)
    touching = (p[:, 0] + hw > 0) & (p[:, 0] - hw < CROP_W) & (p[:, 1] + hh > 0) & (p[:, 1] - hh < CROP_H)
    if sx > 1.6 and rng.random() < 0.7:                 # enlarged edges are soft; those of large lettering are not
        x = (255 / (1 + np.exp((127 - x.astype(np.float32)) / rng.uniform(8, 25)))).astype(np.uint8)
    if rng.random() < 0.5 * strength:
        x = scan(x, rng, npr)
    x = x.copy()
    r = rng.random() / max(strength, 1e-3)
    if r < 0.03:
        x = 255 - x
    elif r < 0.18:                                      # white on dark boxes: headings, table heads, code
        for _ in range(rng.randrange(1, 5)):
            y0, x0 = rng.randrange(CROP_H), rng.randrange(CROP_W)
            y1, x1 = y0 + rng.randrange(16, 200), x0 + rng.randrange(60, CROP_W)
            x[y0:y1, x0:x1] = 255 - x[y0:y1, x0:x1] * rng.uniform(0.6, 1)
    return x, mm, p, hw, hh, inside, touching


def cells_of(p, hw, hh, rows, cols):
    """Cells whose vector may stand for a word (around its centre), and all cells that touch its box."""
    near_c = range(max(0, int((p[0] - hw - 6) // CELL)), min(cols - 1, int((p[0] + hw + 6) // CELL)) + 1)
    near_r = range(max(0, int((p[1] - hh - 4) // CELL)), min(rows - 1, int((p[1] + hh + 4) // CELL)) + 1)
    mid = min(max(6.0, 0.45 * hw), 20.0)
    c0, c1 = int(max(p[0] - mid, 0) // CELL), int(min(p[0] + mid, cols * CELL - 1) // CELL)
    up = min(max(3.0, 0.3 * hh), 12.0)
    r0, r1 = int(max(p[1] - up, 0) // CELL), int(min(p[1] + up, rows * CELL - 1) // CELL)
    pos = [r * cols + c for r in range(r0, min(r1, rows - 1) + 1) for c in range(c0, min(c1, cols - 1) + 1)]
    near = [r * cols + c for r in near_r for c in near_c]
    return pos[:MAX_POSITIVE], near


def tensors_of(lists):
    """What WordNet takes: n-gram ids of all words in a row, where each word's begin, how many it has."""
    counts = np.array([len(g) for g in lists], np.int64)
    return dict(ids=torch.from_numpy(np.concatenate(lists)), offsets=torch.from_numpy(np.cumsum(counts) - counts),
                counts=torch.from_numpy(counts.astype(np.float32)))


def word_tensors(words):
    """The same from words."""
    return tensors_of([np.asarray(ids(w), np.int64) for w in words])


def keys_of(words):
    """One number a word, by which two vectors are known to belong to the same word."""
    return torch.tensor([zlib.crc32(w.encode()) >> 1 for w in words], dtype=torch.int32)


class Batches(torch.utils.data.IterableDataset):
    def __init__(self, folders, crops=4, seed=0, bank=1000, max_words=500, strength=None):
        self.folders, self.crops, self.seed, self.bank, self.max_words, self.strength = folders, crops, seed, bank, max_words, strength

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        seed = self.seed * 1000 + (info.id if info else 0)
        rng, npr = random.Random(seed), np.random.default_rng(seed)
        torch.set_num_threads(1)
        shards, order, made = Shards(self.folders), [], 0
        vocabulary, backwards = self.vocabulary(shards)
        while True:
            if made and made % 150 == 0:                # new shards may have been written meanwhile
                n = len(shards)
                shards = Shards(self.folders)
                if len(shards) != n:
                    vocabulary, backwards, order = *self.vocabulary(shards), []
            picked = []
            while len(picked) < self.crops:
                if not order:
                    order = list(range(len(shards)))
                    rng.shuffle(order)
                picked.append(order.pop())
            yield self.batch([shards.get(i) for i in picked], vocabulary, backwards, rng, npr)
            made += 1

    @staticmethod
    def vocabulary(shards):
        v = sorted({w for *_, m in shards.pages for w in m["words"]})
        return v, sorted(w[::-1] for w in v)

    def batch(self, pages, vocabulary, backwards, rng, npr):
        rows, cols = CROP_H // CELL, CROP_W // CELL
        xs, maps, instances, touched = [], [], [], {}
        for k, (canvas, cmap, meta) in enumerate(pages):
            x, m, p, hw, hh, inside, touching = crop(canvas, cmap, meta, rng, npr, self.strength.value if self.strength else 1.0)
            xs.append(x)
            maps.append(m)
            for i in np.flatnonzero(touching):
                pos, near = cells_of(p[i], hw[i], hh[i], rows, cols)
                base = k * rows * cols
                w = meta["words"][i]
                touched.setdefault(w, []).extend(base + q for q in near)
                if inside[i] and pos:
                    instances.append((w, [base + q for q in pos]))
        unique = list(dict.fromkeys(w for w, _ in instances))
        if len(unique) > self.max_words:
            rng.shuffle(unique)
            unique = unique[:self.max_words]
        index = {w: i for i, w in enumerate(unique)}
        instances = [(index[w], pos) for w, pos in instances if w in index]
        bank = set()
        for w in unique:
            bank.add(mutate(w, rng))
            if rng.random() < 0.5:
                bank.add(mutate(w, rng))
            if rng.random() < 0.4:
                for lst, key in ((vocabulary, w), (backwards, w[::-1])):
                    at = bisect_left(lst, key)
                    n = lst[min(max(at + rng.choice((-2, -1, 1, 2)), 0), len(lst) - 1)]
                    bank.add(n if lst is vocabulary else n[::-1])
        bank.update(rng.sample(vocabulary, min(self.bank, len(vocabulary))))
        bank.update(str(rng.randrange(10 ** rng.randrange(1, 6))) for _ in range(100))
        bank.discard("")
        everything = unique + [w for w in bank if w not in index]
        pu = [(u, q) for u, pos in instances for q in pos]
        nu = [(index[w], q) for w, cells in touched.items() if w in index for q in cells]
        cand = np.full((len(instances), MAX_POSITIVE), -1, np.int64)
        for i, (_, pos) in enumerate(instances):
            cand[i, :len(pos)] = pos
        t = torch.from_numpy
        return dict(canvas=t(np.stack(xs))[:, None], map=t(np.stack(maps).astype(np.uint8)), unique=len(unique),
                    instance=t(np.array([u for u, _ in instances], np.int64)), candidates=t(cand),
                    positive=t(np.array(pu, np.int64)), near=t(np.array(nu, np.int64)), keys=keys_of(unique), **word_tensors(everything))


