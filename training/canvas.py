"""Page image -> canvases, in integer arithmetic only, so that Rust gives the same bytes.

A page is looked at several times: once at full scale, where small letters are read, then at smaller ones, where large letters are. Each look has
a canvas of its own (u8, white 255, page at the top left), just as large as it needs: whole cells of 16 x 16 pixels. A canvas that is too long for
one run of the graph is cut into tiles.
"""
import math
from typing import NamedTuple
import numpy as np
from PIL import Image

SHORT, LONG, CELL = 832, 1152, 16


class Tile(NamedTuple):
    """A part of a canvas, in cells: what the graph sees, and what is kept of it (`core`). Both as (top, left, bottom, right)."""
    seen: tuple
    core: tuple


def canvas_of(image, dark_below=110):
    """PIL image (any mode) -> (u8 canvas [H, W] of fixed size, (used width, used height)): how training pages are drawn.

    Luma as Pillow's convert("L"); size floor(side * scale + 0.5) with scale = min(cw / w, ch / h) in f64; Pillow BICUBIC.
    A page whose mean luma is below `dark_below` is taken for white on black and inverted before it is pasted."""
    grey = image.convert("L")
    w, h = grey.size
    cw, ch = (LONG, SHORT) if w > h else (SHORT, LONG)
    scale = min(cw / w, ch / h)
    v = upright_ink(np.asarray(resized(grey, scaled(w, scale, cw), scaled(h, scale, ch))), dark_below)
    out = np.full((ch, cw), 255, np.uint8)
    out[:v.shape[0], :v.shape[1]] = v
    return out, (v.shape[1], v.shape[0])


def scaled(side, scale, limit=math.inf):
    return int(min(limit, max(1, int(side * scale + 0.5))))


def resized(grey, w, h):
    return grey if grey.size == (w, h) else grey.resize((w, h), Image.BICUBIC)


def upright_ink(v, dark_below):
    """Dark ink on light paper: a page of low mean luma is inverted."""
    return 255 - v if int(v.astype(np.int64).sum()) < dark_below * v.size else v


def full_scale(w, h, dpi, page):
    """Pixels of the full canvas a pixel of the image (f64). `page`: that section of the manifest; `dpi`: of a page whose true size is known."""
    cw, ch = page["landscape"] if w > h else page["portrait"]
    fit = min(cw / w, ch / h)
    large = page["large"]
    if fit * dpi < large["fit_dpi_below"] if dpi else max(w, h) > large["longer_than"] * min(w, h):
        wanted = large["dpi"] / dpi if dpi else min(cw, ch) / min(w, h)
        fit = max(fit, min(wanted, math.sqrt(large["canvases"] * cw * ch / (w * h))))
    return min(fit, page["enlarge_at_most"])


def looks(image, page, dpi=None):
    """PIL image (any mode) -> [u8 array [h, w]]: the page at full scale and at the smaller ones, without margins."""
    grey = image.convert("L")
    w, h = grey.size
    full = full_scale(w, h, dpi, page)
    first = upright_ink(np.asarray(resized(grey, scaled(w, full), scaled(h, full))), page["invert_if_mean_luma_below"])
    return [first] + smaller_looks(first, page["passes"])


def smaller_looks(first, passes):
    """The full-scale page at each further scale, while there is something to read on it."""
    grey, (h, w) = Image.fromarray(first), first.shape
    out, factors, unit = [], passes["scales"][1:], 1.0
    while True:
        for factor in factors:
            cw, ch = scaled(w, unit * factor), scaled(h, unit * factor)
            if min(cw, ch) < passes["shorter_side_at_least"]:
                return out
            out.append(np.asarray(resized(grey, cw, ch)))
        if not factors or max(out[-1].shape) <= passes["longer_side_above"]:
            return out
        unit *= factors[-1]


def padded(v):
    """A look on white, up to whole cells."""
    h, w = v.shape
    out = np.full((-(-h // CELL) * CELL, -(-w // CELL) * CELL), 255, np.uint8)
    out[:h, :w] = v
    return out


def tiles(rows, cols, most, margin):
    """Parts of a canvas of rows x cols cells, row by row: one if neither side has more than `most` cells, else cores that touch, each seen
    with `margin` cells more on its inner sides."""
    def along(cells):
        core = cells if cells <= most else most - 2 * margin
        return [(max(0, a - margin) if a else 0, a, min(a + core, cells), min(a + core + margin, cells)) for a in range(0, cells, core)]
    return [Tile((t[0], l[0], t[3], l[3]), (t[1], l[1], t[2], l[2])) for t in along(rows) for l in along(cols)]


def cell_ink(canvas):
    """Sum of 255 - v over each 16 x 16 cell: int64 [rows, cols]."""
    h, w = canvas.shape
    ink = (255 - canvas.astype(np.int64)).reshape(h // CELL, CELL, w // CELL, CELL)
    return ink.sum(axis=(1, 3))
