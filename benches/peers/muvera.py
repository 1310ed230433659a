"""FastEmbed's MUVERA document encoding."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy
from fastembed.postprocess import Muvera
from serve import serve

folder = Path(sys.argv[1])
patches = numpy.fromfile(folder / "patches.f32", dtype="<f4").reshape(-1, 128)
muvera = Muvera(dim=128, k_sim=5, dim_proj=16, r_reps=20, random_seed=42)
muvera.process_document(patches).astype("<f8").tofile(folder / "muvera.peer")
serve({"peer": f"fastembed {version('fastembed')}"}, lambda: muvera.process_document(patches))
