"""Page image to model input through FastEmbed's own transforms, as it configures them for ColPali."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy
from fastembed.image.transform.operators import Compose
from PIL import Image
from serve import serve

folder = Path(sys.argv[1])
pixels = numpy.fromfile(folder / "page.rgb", dtype=numpy.uint8).reshape(2339, 1654, 3)
page = Image.fromarray(pixels)
# preprocessor_config.json of ColPali
transform = Compose.from_config(
    {
        "image_processor_type": "SiglipImageProcessor",
        "do_resize": True,
        "size": {"height": 448, "width": 448},
        "resample": Image.Resampling.BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
)


def tensor():
    return numpy.stack(transform([page]))


made = tensor()
assert made.dtype == numpy.float32, made.dtype
made.astype("<f4").tofile(folder / "image.peer")
serve({"peer": f"pillow {version('pillow')}, fastembed {version('fastembed')}"}, tensor)
