"""Training batches on the device: a store of the latest pages, crops of them moved and turned, their words and cells.

Pages come slower than the device learns: each is used a few times, never twice alike.
"""
import math
import torch
import torch.nn.functional as F
from augment import look_alikes, weathered
from canvas import CELL
from hashing import keys
from sources import SHAPES, NAMES
from words import MAX_CHARS

READABLE, DOUBTFUL = (7.6, 44.0), (5.6, 60.0)       # sizes of letters, pixels: to be read; neither to be read nor to be left
WIDEST = 340                                        # pixels: a wider word is seen whole by no cell
TURNED = 0.04                                       # crops that lie on a side or on their head
POSITIVE = (3, 4)                                   # rows and columns of cells at a word's centre
NEAR = (6, 26)                                      # and of cells that it touches
LIKES = 3                                           # further look-alikes of a short word


def is_short(chars):
    """Which words (code points [u, 24]) are short or have digits: single ones are lost to their likes."""
    digits = ((chars >= ord("0")) & (chars <= ord("9"))).any(1)
    return ((chars > 0).sum(1) <= 4) | digits


class Store:
    """The latest pages of one shape, on the device."""

    def __init__(self, name, room, most_words, device):
        h, w = SHAPES[name]
        self.canvas = torch.zeros(room, h, w, dtype=torch.uint8, device=device)
        self.chars = torch.zeros(room, most_words, MAX_CHARS, dtype=torch.int16, device=device)
        self.boxes = torch.zeros(room, most_words, 4, device=device)
        self.sizes = torch.zeros(room, most_words, device=device)
        self.count = torch.zeros(room, dtype=torch.long, device=device)
        self.made = 0

    def __len__(self):
        return min(self.made, len(self.count))

    def put(self, record):
        i, n = self.made % len(self.count), min(int(record["words"]), self.chars.shape[1])
        h, w = self.canvas.shape[1:]
        self.canvas[i] = torch.from_numpy(record["canvas"][:h * w].reshape(h, w).copy())
        self.chars[i, :n] = torch.from_numpy(record["chars"][:n].astype("int16"))
        self.boxes[i, :n], self.sizes[i, :n] = torch.from_numpy(record["boxes"][:n].copy()), torch.from_numpy(record["sizes"][:n].copy())
        self.count[i] = n
        self.made += 1


ROOM = {"document": (3600, 900), "drawn": (12000, 420), "third": (4000, 420), "third-wide": (3000, 420), "sixth": (6000, 420), "sixth-wide": (4000, 420)}


class Batches:
    def __init__(self, sources, device, crops=12, share=1.0):
        self.sources, self.device, self.crops = sources, device, crops
        self.stores = {n: Store(n, max(8, int(ROOM[n][0] * share)), ROOM[n][1], device) for n in NAMES}

    def take(self, most):
        """Moves pages that are ready into the stores."""
        for record in self.sources.taken(most):
            self.stores[NAMES[record["shape"]]].put(record)

    def next(self, kind, strength):
        """`kind`: "page" (crops of documents and of drawn pages), "third" or "sixth" (whole small canvases)."""
        if kind == "page":
            h, w = SHAPES["drawn"]
            some = [self.crop(n, self.crops, h, w, strength) for n in ("document", "drawn") if len(self.stores[n])]
        else:
            name = max((kind, kind + "-wide"), key=lambda n: len(self.stores[n]) * torch.rand(()).item())
            h, w = SHAPES[name]
            some = [self.crop(name, self.crops * (3 if kind == "third" else 6), h, w, strength)]
        words = max(s["chars"].shape[1] for s in some)
        pad = lambda t: F.pad(t, (0, 0) * (t.dim() - 2) + (0, words - t.shape[1]))
        return labelled({k: torch.cat([s[k] if k == "canvas" else pad(s[k]) for s in some]) for k in some[0]})

    def crop(self, name, n, h, w, strength):
        """`n` crops: canvas u8 [n, h, w]; words as chars [n, words, 24], here [n, words]; boxes moved along, sizes scaled."""
        s, d = self.stores[name], self.device
        at = torch.randint(len(s), (n,), device=d)
        words = int(s.count[at].max())
        here = torch.arange(words, device=d) < s.count[at][:, None]
        boxes, sizes = s.boxes[at, :words], s.sizes[at, :words]
        centre, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
        rand = lambda *shape: torch.rand(*shape, device=d)
        moved = (rand(n) < 0.5 * strength).float()
        whole = name != "document"
        largest = 1.13 if whole else 1.3
        scale = torch.exp(moved[:, None] * (math.log(0.8) + rand(n, 1) * math.log(largest / 0.8))) * (1 + moved[:, None] * (rand(n, 2) - 0.5) * 0.08)
        turn = torch.deg2rad(torch.randn(n, device=d) * 1.5 * moved * (rand(n) < 0.6))
        sideways = rand(n) < TURNED                 # not to be read: such pages are turned upright before
        turn = turn + sideways * torch.randint(1, 4, (n,), device=d) * (math.pi / 2)
        here = here & ~sideways[:, None]
        cos, sin = torch.cos(turn), torch.sin(turn)
        forward = torch.stack([torch.stack([cos * scale[:, 0], -sin * scale[:, 1]], 1), torch.stack([sin * scale[:, 0], cos * scale[:, 1]], 1)], 1)
        if whole:                                   # stays about where it is
            source = torch.tensor([w / 2, h / 2], device=d).expand(n, 2)
            target = source + (rand(n, 2) - 0.5) * 24
        else:                                       # aimed at a word, so that crops are where text is
            pick = (rand(n) * s.count[at]).long()
            source = centre[torch.arange(n, device=d), pick]
            target = torch.stack([(0.15 + 0.7 * rand(n)) * w, (0.1 + 0.8 * rand(n)) * h], 1)
            left = source[:, 0] * scale[:, 0] + (rand(n) - 0.5) * 24            # mostly with the page's left edge in place
            target[:, 0] = torch.where(rand(n) < 0.7, left.clamp(0, w * 0.95), target[:, 0])
        still = moved[:, None] == 0
        target = torch.where(still, source + (target - source).round(), target)     # whole pixels: nothing is blurred
        inverse = torch.linalg.inv(forward)
        offset = source - (inverse @ target[..., None])[..., 0]
        sh, sw = s.canvas.shape[1:]
        span = torch.tensor([sw, sh], device=d)
        matrix = inverse * torch.tensor([w, h], device=d) / span[:, None]
        shift = (inverse @ torch.tensor([w, h], dtype=torch.float, device=d) + 2 * offset) / span - 1
        grid = F.affine_grid(torch.cat([matrix, shift[..., None]], 2), (n, 1, h, w), align_corners=False)
        ink = F.grid_sample(255 - s.canvas[at][:, None].float(), grid, "bicubic", "zeros", align_corners=False)
        moved_centre = torch.einsum("nij,nwj->nwi", forward, centre - source[:, None]) + target[:, None]
        half = half * scale[:, None]
        half = torch.stack([half[..., 0], half[..., 1] + sin.abs()[:, None] * half[..., 0]], 2)
        return dict(canvas=ink[:, 0].clamp(0, 255), chars=s.chars[at, :words], here=here[..., None], centre=moved_centre, half=half,
                    sizes=(sizes * scale[:, 1:])[..., None])


def labelled(b):
    """What the losses take. Instances are readable words that lie wholly in a crop.

    ink [n, 1, h, w] 0..1; chars [u, 24] of the distinct words of the instances; instance [i] -> word; candidates [i, 12] cells at its centre,
    -1 for none; touched (word, cell) pairs; doubtful [cells]: cells of words that need be neither kept nor left."""
    ink, d = b["canvas"], b["canvas"].device
    n, h, w = ink.shape
    rows, cols = h // CELL, w // CELL
    here, sizes = b["here"][..., 0], b["sizes"][..., 0]
    (x, y), (hw, hh) = b["centre"].unbind(-1), b["half"].unbind(-1)
    touching = here & (x + hw > 0) & (x - hw < w) & (y + hh > 0) & (y - hh < h)
    inside = touching & (x - hw > -3) & (x + hw < w + 3) & (y - hh > -1) & (y + hh < h + 1)
    readable = inside & (sizes >= READABLE[0]) & (sizes <= READABLE[1]) & (2 * hw <= WIDEST)
    page = torch.arange(n, device=d)[:, None].expand_as(here)

    def cells(mask, left, right, top, bottom, room):
        """Cells of a rectangle of pixels for each word of the mask: [words, rows * columns], -1 outside."""
        c0, c1 = ((v[mask] / CELL).floor().long().clamp(0, cols - 1) for v in (left, right))
        r0, r1 = ((v[mask] / CELL).floor().long().clamp(0, rows - 1) for v in (top, bottom))
        r = r0[:, None] + torch.arange(room[0], device=d)
        c = c0[:, None] + torch.arange(room[1], device=d)
        ok = (r <= r1[:, None])[:, :, None] & (c <= c1[:, None])[:, None]
        at = page[mask][:, None, None] * rows * cols + r[:, :, None] * cols + c[:, None]
        return torch.where(ok, at, -1).flatten(1)

    mid, up = (0.45 * hw).clamp(6, 20), (0.3 * hh).clamp(3, 12)
    candidates = cells(readable, x - mid, x + mid, y - up, y + up, POSITIVE)
    near = cells(touching, x - hw - 6, x + hw + 6, y - hh - 4, y + hh + 4, NEAR)
    chars = b["chars"][touching]
    key = keys(chars)
    among = readable[touching]
    unique, instance = torch.unique(key[among], return_inverse=True)
    first = torch.full((len(unique),), len(key), device=d).scatter_reduce(0, instance, torch.nonzero(among)[:, 0], "amin")
    at = torch.searchsorted(unique, key).clamp(max=max(len(unique) - 1, 0))
    known = unique[at] == key if len(unique) else torch.zeros_like(among)
    touched = torch.stack([at[known][:, None].expand(-1, near.shape[1]).flatten(), near[known].flatten()])
    doubtful = torch.zeros(n * rows * cols + 1, dtype=torch.bool, device=d)
    unsure = (~readable & (sizes >= DOUBTFUL[0]) & (sizes <= DOUBTFUL[1]))[touching]
    doubtful[near[unsure].flatten()] = True
    clean, short = ink[:, None] / 255, chars[first][is_short(chars[first])]
    return dict(ink=weathered(clean), clean=clean, chars=chars[first], keys=unique, instance=instance, candidates=candidates,
                touched=touched[:, touched[1] >= 0], doubtful=doubtful[:-1], mutants=look_alikes(torch.cat([chars[first]] + [short] * LIKES)))
