"""The two graphs: page canvas -> cell vectors and gate; word n-grams -> word vector."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from pages import ALPHABET
from words import BUCKETS

DIM = 128


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU; `same` padding."""

    def __init__(self, i, o, k, stride=1):
        kh, kw = (k, k) if isinstance(k, int) else k
        super().__init__(nn.Conv2d(i, o, (kh, kw), stride, (kh // 2, kw // 2), bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.block = ConvBlock(c, c, k)

    def forward(self, x):
        return x + self.block(x)


class PageNet(nn.Module):
    """Ink [B, 1, H, W] in 0..1 -> vectors [B, cells, 128] (normalised), gate logits [B, cells], features at 1/8 (for the
    character loss). Strokes at 1/4, characters at 1/8, words at 1/16, where 1x7 convolutions see a long word whole."""

    def __init__(self, c4=48, c8=88, c16=224):
        super().__init__()
        self.strokes = ConvBlock(16, c4, 3)
        self.characters = nn.Sequential(ConvBlock(c4, c8, 3, 2), Residual(c8, 3), Residual(c8, 3))
        self.words = nn.Sequential(ConvBlock(c8, c16, 3, 2), Residual(c16, (1, 7)), Residual(c16, (3, 3)), Residual(c16, (1, 7)),
                                   Residual(c16, (1, 5)))
        self.head = nn.Conv2d(c16, DIM, 1)
        self.gate = nn.Conv2d(c16, 1, 1)

    def features(self, ink):
        """Features at 1/8: [B, c8, H / 8, W / 8]."""
        return self.characters(self.strokes(F.pixel_unshuffle(ink, 4)))

    def forward(self, ink):
        x8 = self.features(ink)
        x = self.words(x8)
        v = self.head(x).float().flatten(2).transpose(1, 2)
        return F.normalize(v, dim=-1, eps=1e-6), self.gate(x).float().flatten(1), x8


class CharacterHead(nn.Module):
    """Which character stands at each 4-pixel half of an 8 x 8 patch: only for training."""

    def __init__(self, c8=88):
        super().__init__()
        self.classes = len(ALPHABET) + 2
        self.linear = nn.Linear(c8, 2 * self.classes)

    def forward(self, features):
        return self.linear(features).view(-1, 2, self.classes)


class WordNet(nn.Module):
    """n-gram ids -> word vector [W, 128] (normalised): mean of table rows times sqrt(n), then two residual layers."""

    def __init__(self, hidden=512):
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, DIM, mode="sum")
        nn.init.normal_(self.table.weight, std=0.1)
        self.a1, self.b1 = nn.Linear(DIM, hidden), nn.Linear(hidden, DIM)
        self.a2, self.b2 = nn.Linear(DIM, hidden), nn.Linear(hidden, DIM)

    def forward(self, ids, offsets, counts):
        return self.tail(self.table(ids, offsets) / counts.sqrt()[:, None])

    def tail(self, x):
        x = x + self.b1(F.relu(self.a1(x)))
        x = x + self.b2(F.relu(self.a2(x)))
        return F.normalize(x, dim=-1, eps=1e-6)
