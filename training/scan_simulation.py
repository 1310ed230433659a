"""A page image as an office scanner gives it: 300 dpi, skew up to 3 degrees, uneven light, noise, photocopy contrast, JPEG 40."""
import hashlib
import io
import random
import numpy as np
from PIL import Image


def simulate(image, seed):
    """PIL image rendered at 300 dpi, any string as seed -> PIL greyscale image of the same size, JPEG-compressed at quality 40 and decoded."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "little")
    rng, npr = random.Random(number), np.random.default_rng(number)
    g = image.convert("L").rotate(rng.uniform(-3, 3), Image.BICUBIC, fillcolor=255)
    x = np.asarray(g, np.float32)
    h, w = x.shape
    if rng.random() < 0.5:                                     # photocopy: steep contrast
        x = 255 / (1 + np.exp(-(x - rng.uniform(130, 180)) * rng.uniform(1.5, 3) / 50))
    else:                                                      # faint ink on grey paper
        ink, paper = rng.uniform(10, 80), rng.uniform(215, 250)
        x = ink + x * (paper - ink) / 255
    gx, gy = npr.uniform(-0.15, 0.15, 2)
    x = x * (1 - abs(gx) - abs(gy) + gx * np.linspace(-1, 1, w)[None] + gy * np.linspace(-1, 1, h)[:, None])
    x = x + npr.standard_normal(x.shape, dtype=np.float32) * rng.uniform(5, 18)
    b = io.BytesIO()
    Image.fromarray(np.clip(x, 0, 255).astype(np.uint8)).save(b, "JPEG", quality=40)
    return Image.open(b)
