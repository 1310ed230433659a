"""Page image -> canvas, in integer arithmetic only, so that Rust gives the same bytes.

Portrait canvas 832 x 1152, landscape 1152 x 832 (width x height), one u8 channel, white 255, page at the top left.
"""
import numpy as np
from PIL import Image

SHORT, LONG, CELL = 832, 1152, 16


def canvas_of(image, dark_below=110):
    """PIL image (any mode) -> (u8 canvas [H, W], (used width, used height)).

    Luma as Pillow's convert("L"); size floor(side * scale + 0.5) with scale = min(cw / w, ch / h) in f64; Pillow BICUBIC.
    A page whose mean luma is below `dark_below` is taken for white on black and inverted before it is pasted."""
    grey = image.convert("L")
    w, h = grey.size
    cw, ch = (LONG, SHORT) if w > h else (SHORT, LONG)
    scale = min(cw / w, ch / h)
    nw = min(cw, max(1, int(w * scale + 0.5)))
    nh = min(ch, max(1, int(h * scale + 0.5)))
    if (nw, nh) != (w, h):
        grey = grey.resize((nw, nh), Image.BICUBIC)
    v = np.asarray(grey)
    if int(v.astype(np.int64).sum()) < dark_below * nw * nh:
        v = 255 - v
    out = np.full((ch, cw), 255, np.uint8)
    out[:nh, :nw] = v
    return out, (nw, nh)


def cell_ink(canvas):
    """Sum of 255 - v over each 16 x 16 cell: int64 [rows, cols]."""
    h, w = canvas.shape
    ink = (255 - canvas.astype(np.int64)).reshape(h // CELL, CELL, w // CELL, CELL)
    return ink.sum(axis=(1, 3))
