"""Processes that make training pages without end: drawn ones and, first, those of real documents, in all sizes that Quire looks at.

Pages travel through shared memory: what a process makes, the trainer copies to the device and hands the room back.
"""
import glob, mmap, os, random
import multiprocessing as mp
import numpy as np
from PIL import Image
from canvas import CELL
from hashing import code_points

# What training looks at: (height, width) of a page or crop. Whole pages of documents keep room for either orientation.
SHAPES = {"document": (1152, 1152), "drawn": (576, 832), "third": (416, 304), "third-wide": (304, 416), "sixth": (176, 128), "sixth-wide": (128, 176)}
NAMES = list(SHAPES)
PASSES = {"third": 0.35, "sixth": 0.15}             # canvases of Quire's smaller passes, as parts of the full one
MOST_WORDS = 900
RECORD = np.dtype([("shape", "i4"), ("words", "i4"), ("canvas", "u1", (1152 * 1152,)), ("chars", "u2", (MOST_WORDS, 24)),
                   ("boxes", "f4", (MOST_WORDS, 4)), ("sizes", "f4", (MOST_WORDS,))])


class Sources:
    """`jobs`: (path, page) of documents to read once; then pages are drawn for ever."""

    def __init__(self, jobs, fonts, vocabulary, workers, seed=1, slots=192):
        self.memory = mmap.mmap(-1, slots * RECORD.itemsize)
        self.records = np.frombuffer(self.memory, RECORD)
        context = mp.get_context("fork")            # before the device is touched: the memory is inherited
        self.free, self.ready = context.SimpleQueue(), context.SimpleQueue()
        for i in range(slots):
            self.free.put(i)
        self.processes = [context.Process(target=self.work, args=(jobs[i::workers], fonts, vocabulary, seed * 1000 + i), daemon=True)
                          for i in range(workers)]
        for p in self.processes:
            p.start()

    def put(self, name, canvas, words, boxes, sizes):
        if not 1 <= len(words):
            return
        i = self.free.get()
        r = self.records[i]
        h, w = SHAPES[name]
        room = r["canvas"][:h * w].reshape(h, w)
        room[:] = 255
        room[:canvas.shape[0], :canvas.shape[1]] = canvas
        n = min(len(words), MOST_WORDS)
        r["chars"][:n] = code_points(words[:n])
        r["boxes"][:n], r["sizes"][:n] = boxes[:n], sizes[:n]
        self.records["shape"][i], self.records["words"][i] = NAMES.index(name), n
        self.ready.put(i)

    def taken(self, most):
        """Up to `most` records (copies are the caller's business before the next call), as (record, give back)."""
        for _ in range(most):
            if self.ready.empty():
                return
            i = self.ready.get()
            yield self.records[i]
            self.free.put(i)

    def work(self, jobs, fonts, vocabulary, seed):
        from synthetic import Painter
        os.nice(5)
        rng, painter = random.Random(seed), Painter(fonts, vocabulary, seed)
        jobs = list(jobs)
        while True:
            if jobs and rng.random() < 0.6:
                self.read(*jobs.pop(), rng)
                continue
            x = rng.random()
            if x < 0.42:
                self.put("drawn", *painter.page(832, 576, "text"))
            elif x < 0.6:
                self.put("drawn", *painter.page(832, 576, "large"))
            else:
                name = rng.choice(("third", "third", "third-wide", "sixth", "sixth", "sixth", "sixth-wide", "sixth-wide"))
                h, w = SHAPES[name]
                self.put(name, *painter.page(w, h, rng.choice(("cover", "cover", "large"))))

    def read(self, path, number, rng):
        """A page of a document: its canvas, and those of the smaller passes if they show letters of a readable size."""
        got = read(path, number, rng)
        if got is None:
            return
        canvas, words, boxes, sizes = got
        self.put("document", canvas, words, boxes, sizes)
        for name, part in PASSES.items():
            if (sizes * part > 7.6).any() or rng.random() < 0.2:
                turned = "-wide" if canvas.shape[1] > canvas.shape[0] else ""
                self.put(name + turned, reduced(canvas, part), words, boxes * part, sizes * part)


def read(path, number, rng):
    """-> canvas, words, boxes, sizes; None for a page without a usable text layer."""
    import pypdfium2 as pdfium
    from pages import read_page
    try:
        doc = pdfium.PdfDocument(path)
        got = read_page(doc[number], rng.random() < 0.6)
        doc.close()
    except Exception:                                   # a damaged page teaches nothing
        return None
    if got is None:
        return None
    canvas, chars, found, _ = got
    bad = sum(c == "\ufffd" or 0xE000 <= ord(c) < 0xF900 for c, _ in chars)
    found = [w for w in found if visible(canvas, w)]
    if len(found) < 4 or bad > 0.03 * len(chars):
        return None
    rng.shuffle(found)                                  # if there are too many, any may be missing
    return canvas, [w[0] for w in found], np.array([w[1:5] for w in found], np.float32), np.array([w[6] for w in found], np.float32)


def visible(canvas, w):
    """Whether a word's box shows something: text layers hold invisible and clipped words too."""
    h, wd = canvas.shape
    x0, x1, y0, y1 = (int(max(v, 0)) for v in (w[1], w[3] + 1, w[2], w[4] + 1))
    part = canvas[y0:min(y1, h), x0:min(x1, wd)]
    return part.size > 0 and int(part.max()) - int(part.min()) > 40


def reduced(canvas, part):
    """The page on a smaller canvas, a whole number of cells each way, made from the full one as Quire makes it."""
    h, w = canvas.shape
    small = np.asarray(Image.fromarray(canvas).resize((int(w * part + 0.5), int(h * part + 0.5)), Image.BICUBIC))
    out = np.full([-(-side // CELL) * CELL for side in small.shape], 255, np.uint8)
    out[:small.shape[0], :small.shape[1]] = small
    return out


def document_jobs(folder, most, seed=1):
    """(path, page) of up to `most` pages, spread over the documents of a folder (and of its folders)."""
    import pypdfium2 as pdfium
    rng, by_file = random.Random(seed), []
    for path in sorted(glob.glob(os.path.join(folder, "**", "*.pdf"), recursive=True)):
        try:
            doc = pdfium.PdfDocument(path)
            n = len(doc)
            doc.close()
        except Exception:
            continue
        by_file.append([(path, i) for i in rng.sample(range(n), n)])
    rng.shuffle(by_file)
    out = []
    while len(out) < most and any(by_file):
        out += [pages.pop() for pages in by_file if pages]
    out = out[:most]
    rng.shuffle(out)
    return out
