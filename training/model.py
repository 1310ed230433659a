"""The two nets: page canvas -> cell vectors and gate; word n-grams -> word vector; and the shipped weights as their start.

No batch statistics: what a batch holds (dense pages, a cover, an inverted snip) must not change what a page becomes.
"""
import os
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from words import BUCKETS

DIM = 128


class ConvBlock(nn.Sequential):
    """Convolution with bias, ReLU; `same` padding."""

    def __init__(self, i, o, k, stride=1):
        kh, kw = (k, k) if isinstance(k, int) else k
        super().__init__(nn.Conv2d(i, o, (kh, kw), stride, (kh // 2, kw // 2)), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.block = ConvBlock(c, c, k)

    def forward(self, x):
        return x + self.block(x)


class PageNet(nn.Module):
    """Ink [B, 1, H, W] in 0..1 -> vectors [B, cells, 128] (normalised), gate logits [B, cells]. Strokes at 1/4, characters at
    1/8, words at 1/16, where 1x7 convolutions see a long word whole. H and W are any multiples of 16."""

    def __init__(self, c4=48, c8=88, c16=224):
        super().__init__()
        self.strokes = nn.Sequential(ConvBlock(16, c4, 3), Residual(c4, 3))
        self.characters = nn.Sequential(ConvBlock(c4, c8, 3, 2), Residual(c8, 3), Residual(c8, 3))
        self.words = nn.Sequential(ConvBlock(c8, c16, 3, 2), Residual(c16, (1, 7)), Residual(c16, (3, 3)), Residual(c16, (1, 7)),
                                   Residual(c16, (1, 5)))
        self.head = nn.Conv2d(c16, DIM, 1)
        self.gate = nn.Conv2d(c16, 1, 1)

    def forward(self, ink):
        x = self.words(self.characters(self.strokes(F.pixel_unshuffle(ink, 4))))
        v = self.head(x).float().flatten(2).transpose(1, 2)
        return F.normalize(v, dim=-1, eps=1e-6), self.gate(x).float().flatten(1)

    def convolutions(self):
        """All convolutions in the order of the graph, the gate's and the head's last."""
        stages = (self.strokes, self.characters, self.words)
        return [c for stage in stages for c in (stage[0][0], *(r.block[0] for r in list(stage)[1:]))] + [self.gate, self.head]


class WordNet(nn.Module):
    """n-gram ids [W, N], padded with BUCKETS -> word vectors [W, 128] (normalised): sum of the table's rows over sqrt(their
    number), then two residual layers."""

    def __init__(self, hidden=512):
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS + 1, DIM, mode="sum", padding_idx=BUCKETS)
        nn.init.normal_(self.table.weight[:BUCKETS], std=0.1)
        self.a1, self.b1 = nn.Linear(DIM, hidden), nn.Linear(hidden, DIM)
        self.a2, self.b2 = nn.Linear(DIM, hidden), nn.Linear(hidden, DIM)

    def forward(self, ids):
        counts = (ids != BUCKETS).sum(1, keepdim=True)
        x = self.table(ids).float() / counts.clamp(min=1).sqrt()
        x = x + self.b1(F.relu(self.a1(x)))
        x = x + self.b2(F.relu(self.a2(x)))
        return F.normalize(x.float(), dim=-1, eps=1e-6)


def trained(path):
    """(PageNet, WordNet) with the weights that a training run left."""
    run = torch.load(path, map_location="cpu")
    page, word = PageNet(), WordNet()
    page.load_state_dict({k: v.float() for k, v in run["page"].items()}), word.load_state_dict({k: v.float() for k, v in run["word"].items()})
    return page, word


def shipped(folder):
    """(PageNet, WordNet) with the weights of a model folder: the int8 numbers times their scales, which is all that is kept of a
    trained model. Training goes on from them."""
    import onnx
    page, word = PageNet(), WordNet()
    graph = onnx.load(os.path.join(folder, "page.onnx")).graph
    tensors = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    made = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    convs = [n for n in graph.node if n.op_type == "Conv"]
    ours = page.convolutions()
    if len(convs) != len(ours):
        raise ValueError(f"{folder}/page.onnx has {len(convs)} convolutions, expected {len(ours)}")
    with torch.no_grad():
        for node, conv in zip(convs, ours):
            for name, into in zip(node.input[1:], (conv.weight, conv.bias)):
                whole, scale = (tensors[i] for i in made[name].input[:2])
                value = whole.astype(np.float32) * scale.reshape(-1, *[1] * (whole.ndim - 1))
                if value.shape != tuple(into.shape):
                    raise ValueError(f"{folder}/page.onnx: {node.name} has shape {value.shape}, expected {tuple(into.shape)}")
                into.copy_(torch.from_numpy(value))
        t = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(os.path.join(folder, "question.onnx")).graph.initializer}
        word.table.weight[:BUCKETS] = torch.from_numpy(t["table"].astype(np.float32) * t["scale"][:, None])
        word.table.weight[BUCKETS] = 0
        for k in ("a1", "b1", "a2", "b2"):
            getattr(word, k).weight.copy_(torch.from_numpy(t[k].T.copy()))
            getattr(word, k).bias.copy_(torch.from_numpy(t[k + "b"].copy()))
    return page, word
