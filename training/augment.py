"""What scanners, copiers and screens do to a page, on the device; and words that look like other words."""
import torch
import torch.nn.functional as F
from text import LOOK_ALIKE

LETTERS = [ord(c) for c in "abcdefghijklmnopqrstuvwxyz0123456789"]


def weathered(ink):
    """Ink [n, 1, h, w] 0..1 -> the same, many of the pages as a scan, a copy or a fax gives them, some with inverted boxes."""
    n, _, h, w = ink.shape
    d = ink.device
    rand = lambda: torch.rand(n, 1, 1, 1, device=d)
    between = lambda lo, hi: lo + rand() * (hi - lo)
    scanned = rand() < 0.4
    x = 1 - ink                                         # light
    sigma = between(0.3, 1.0)
    taps = torch.exp(-torch.arange(-2, 3, device=d) ** 2 / (2 * sigma[:, 0, 0] ** 2))
    taps = taps / taps.sum(1, keepdim=True)
    soft = F.pad(x.transpose(0, 1), (2, 2, 2, 2), "replicate")
    soft = F.conv2d(F.conv2d(soft, taps.view(n, 1, 1, 5), groups=n), taps.view(n, 1, 5, 1), groups=n).transpose(0, 1)
    x = torch.where(scanned & (rand() < 0.5), soft, x)
    kind = rand()
    dark, paper = between(0, 0.43), between(0.8, 1)
    x = torch.where(scanned & (kind < 0.35), dark + x * (paper - dark), x)
    x = torch.where(scanned & (kind > 0.35) & (kind < 0.6), torch.sigmoid((x - between(0.47, 0.75)) * between(8, 20)), x)
    across, down = torch.linspace(-1, 1, w, device=d), torch.linspace(-1, 1, h, device=d)[:, None]
    gx, gy = between(-0.18, 0.18), between(-0.18, 0.18)
    x = torch.where(scanned & (rand() < 0.4), x * (1 - gx.abs() - gy.abs() + gx * across + gy * down), x)
    x = x + torch.randn_like(x) * between(0.008, 0.08) * (scanned & (rand() < 0.6))
    speck = torch.rand_like(x)
    x = torch.where(scanned & (rand() < 0.15) & (speck < 0.004), (speck < 0.002).float(), x)
    rows, columns = torch.arange(h, device=d)[:, None], torch.arange(w, device=d)
    boxed = rand() < 0.12
    for _ in range(2):
        top, left = between(-0.1, 1) * h, between(-0.1, 1) * w
        box = (rows >= top) & (rows < top + between(16, 160)) & (columns >= left) & (columns < left + between(60, w))
        x = torch.where(boxed & box, 1 - x * between(0.7, 1), x)
    x = torch.where(rand() < 0.012, 1 - x, x)
    return 1 - (x.clamp(0, 1) * 255).round() / 255


def table_of_look_alikes(device):
    """int32 [65536, 4]: characters that each may be taken for; any letter or digit if there is none."""
    t = torch.tensor(LETTERS)[torch.randint(len(LETTERS), (65536, 4))]
    for c, others in LOOK_ALIKE.items():
        t[ord(c)] = torch.tensor([ord((others * 4)[i]) for i in range(4)])
    return t.to(device)


tables = {}


def look_alikes(chars):
    """Code points [u, 24] -> the same with one edit each: a letter changed (mostly into one of similar shape), lost, doubled or swapped."""
    d = chars.device
    if d not in tables:
        tables[d] = table_of_look_alikes(d), torch.tensor(LETTERS, device=d)
    similar, letters = tables[d]
    u, m = chars.shape
    c = F.pad(chars.long(), (0, 1))
    n = (chars > 0).sum(1)
    i = (torch.rand(u, device=d) * n).long()[:, None]
    kind = torch.rand(u, 1, device=d)
    place = torch.arange(m, device=d).expand(u, m)
    lose, insert, swap = (kind > 0.72) & (kind < 0.82) & (n[:, None] > 2), (kind > 0.82) & (kind < 0.9), kind > 0.9
    source = torch.where(lose & (place >= i), place + 1, torch.where(insert & (place > i), place - 1, place))
    other = (i + 1).clamp(max=(n[:, None] - 1).clamp(min=0))
    source = torch.where(swap & (place == i), other, torch.where(swap & (place == other), i, source))
    out = c.gather(1, source)
    now = c.gather(1, i)
    new = torch.where(torch.rand(u, 1, device=d) < 0.5, similar[now, torch.randint(4, (u, 1), device=d)], letters[torch.randint(len(letters), (u, 1), device=d)])
    return torch.where((place == i) & ~(lose | swap), new, out).to(chars.dtype)
