"""The arithmetic of colpali-engine's HierarchicalTokenPooler with numpy in the place of torch, line for line.

Source: colpali-engine 0.3.18, colpali_engine/compression/token_pooling/hierarchical_token_pooling.py,
`HierarchicalTokenPooler._pool_single_embedding`, under this licence:

MIT License

Copyright (c) 2024 Manuel Faysse, Hugues Sibille, Tony Wu

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage


def pool_single_embedding(embedding, pool_factor):
    """`embedding`: (token_length, embedding_dim), float32. Returns the pooled embedding and the mapping from cluster id
    to token indices."""
    token_length = embedding.shape[0]

    list_pooled_embeddings = []

    similarities = embedding @ embedding.T
    distances = 1 - similarities

    Z = linkage(distances, metric="euclidean", method="ward")  # noqa: N806
    max_clusters = max(token_length // pool_factor, 1)
    cluster_labels = fcluster(Z, t=max_clusters, criterion="maxclust") - 1

    cluster_id_to_indices = {}

    for cluster_id in range(max_clusters):
        cluster_indices = np.where(cluster_labels == cluster_id)
        cluster_id_to_indices[cluster_id] = cluster_indices

        if len(cluster_indices[0]) > 0:
            pooled_embedding = embedding[cluster_indices].mean(axis=0)
            pooled_embedding = pooled_embedding / max(np.linalg.norm(pooled_embedding), 1e-12)
            list_pooled_embeddings.append(pooled_embedding)

    return np.stack(list_pooled_embeddings), cluster_id_to_indices
