"""colpali-engine's HierarchicalTokenPooler, factor 3. Where torch and colpali-engine are not installed, the copy of its
arithmetic beside this file."""

import importlib.util
import sys
import types
from importlib.metadata import version
from pathlib import Path

import numpy
from serve import serve

FACTOR = 3

folder = Path(sys.argv[1])
patches = numpy.fromfile(folder / "patches.f32", dtype="<f4").reshape(-1, 128)
package = importlib.util.find_spec("colpali_engine")
if package and importlib.util.find_spec("torch"):
    # The package itself imports every model; the pooler needs none of them.
    colpali_engine = types.ModuleType("colpali_engine")
    colpali_engine.__path__ = list(package.submodule_search_locations)
    sys.modules["colpali_engine"] = colpali_engine
    import torch
    from colpali_engine.compression.token_pooling.hierarchical_token_pooling import HierarchicalTokenPooler

    torch.set_num_threads(1)
    peer = f"colpali-engine {version('colpali-engine')}, torch {version('torch')}"
    pooler, tokens = HierarchicalTokenPooler(), [torch.from_numpy(patches)]

    def pool():
        return pooler.pool_embeddings(tokens, return_dict=True, pool_factor=FACTOR)

    clusters = pool().cluster_id_to_indices[0]
else:
    from hierarchical_token_pooling import pool_single_embedding

    peer = "colpali-engine 0.3.18 (copy without torch)"

    def pool():
        return pool_single_embedding(patches, FACTOR)

    clusters = pool()[1]

labels = numpy.empty(len(patches), dtype="<u4")
for label, (indices,) in clusters.items():
    labels[numpy.asarray(indices)] = label
labels.tofile(folder / "pooling.peer")
serve({"peer": f"{peer}, scipy {version('scipy')}"}, pool)
