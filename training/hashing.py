"""n-gram ids of many words at once, on any device: the same numbers as words.ids, hundreds of times faster.

Words are rows of code points, int32 [W, MAX_CHARS], padded with 0.
"""
import numpy as np
import torch
from words import BUCKETS, MAX_CHARS, fnv1a, ids

PRIME, MASK = 0x01000193, 0xFFFFFFFF


def code_points(words):
    """Folded words -> int32 array [W, MAX_CHARS]."""
    out = np.zeros((len(words), MAX_CHARS), np.int32)
    for i, w in enumerate(words):
        out[i, :len(w)] = np.frombuffer(w[:MAX_CHARS].encode("utf-32-le"), np.int32)
    return out


def step(h, c):
    """FNV-1a states after the UTF-8 bytes of characters below U+0800."""
    two = c >= 0x80
    first = torch.where(two, 0xC0 | (c >> 6), c)
    h = ((h ^ first) * PRIME) & MASK
    return torch.where(two, ((h ^ (0x80 | (c & 0x3F))) * PRIME) & MASK, h)


def ngram_ids(chars):
    """Code points [W, MAX_CHARS] -> ids int64 [W, n], padded with BUCKETS. Rows are in no order that matters: they are summed."""
    c = chars.long()
    w, m = c.shape
    n = (c > 0).sum(1, keepdim=True)
    place = torch.arange(m + 2, device=c.device)
    framed = torch.zeros(w, m + 2, dtype=torch.long, device=c.device)
    framed[:, 1:-1] = c
    framed[:, 0] = ord("^")
    framed.scatter_(1, n + 1, ord("$"))
    out = []

    def add(state, here):
        out.append(torch.where(here, state & (BUCKETS - 1), BUCKETS))

    g = fnv1a(b"g:")
    for k in (1, 2, 3, 4):
        s, length = (c, n) if k == 1 else (framed, n + 2)
        count = s.shape[1] - k + 1
        h = torch.full((w, count), g, dtype=torch.long, device=c.device)
        for j in range(k):
            h = step(h, s[:, j:j + count])
        add(h, place[:count] + k <= length)
    starts = torch.tensor([fnv1a(f"s{i}:".encode()) for i in range(m)], device=c.device)
    ends = torch.tensor([fnv1a(f"e{i}:".encode()) for i in range(m)], device=c.device)
    for k in (1, 2):
        count = m - k + 1
        here = place[:count] + k <= n
        for h in (starts[:count].expand(w, count), ends[(n - k - place[:count]).clamp(min=0)]):
            for j in range(k):
                h = step(h, c[:, j:j + count])
            add(h, here)
    h = torch.full((w,), fnv1a(b"w:"), dtype=torch.long, device=c.device)
    for j in range(m):
        h = torch.where(c[:, j] > 0, step(h, c[:, j]), h)
    add(h[:, None], n > 0)
    return torch.cat(out, 1)


def keys(chars):
    """One number a word, int64 [W]: words are the same if these are."""
    k = torch.zeros(len(chars), dtype=torch.long, device=chars.device)
    for j in range(chars.shape[1]):
        k = k * 6364136223846793005 + chars[:, j].long() + 1
    return k


def check(words):
    """Raises if these words' ids are not those of words.ids."""
    for w, row in zip(words, ngram_ids(torch.from_numpy(code_points(words))).tolist()):
        if sorted(i for i in row if i != BUCKETS) != sorted(ids(w)):
            raise AssertionError(f"n-gram ids of {w!r} differ from words.ids")
