"""Vector charts. Each function draws in the box whose lower left corner is (x, y); values are labelled where they fit."""

from math import cos, pi, sin

from .kit import GREY, INK, RULE, SERIES, WHITE, label


def number(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def grid(c, x, y, width, height, low, high, steps, font, size, form, ink, rule):
    """Horizontal rules from `low` to `high`, each labelled to its left."""
    for k in range(steps + 1):
        at = y + height * k / steps
        c.setStrokeColor(rule)
        c.setLineWidth(0.5)
        c.line(x, at, x + width, at)
        label(c, x - 5, at - size * 0.35, form(low + (high - low) * k / steps), font, size, ink, "end")


def legend(c, x, y, names, colours, font="Sans", size=8, ink=INK):
    for name, colour in zip(names, colours):
        c.setFillColor(colour)
        c.rect(x, y, size, size, stroke=0, fill=1)
        label(c, x + size * 1.5, y + size * 0.12, name, font, size, ink)
        x += size * 3.4 + c.stringWidth(name, font, size)


def bars(c, x, y, width, height, groups, series, names, *, high, steps=5, size=8, font="Sans", ink=GREY, rule=RULE,
         colours=SERIES, form=number, axis=number, values=True):
    """Grouped columns. `series` is one list of values for each of `names`; `groups` names the clusters."""
    x, width = x + size * 4.2, width - size * 4.2
    y, height = y + size * 2, height - size * 4.6
    grid(c, x, y, width, height, 0, high, steps, font, size, axis, ink, rule)
    slot = width / len(groups)
    bar = slot * 0.72 / len(series)
    for g, group in enumerate(groups):
        for s, column in enumerate(series):
            left, tall = x + slot * (g + 0.14) + bar * s, height * column[g] / high
            c.setFillColor(colours[s])
            c.rect(left, y, bar * 0.93, tall, stroke=0, fill=1)
            if values:
                label(c, left + bar * 0.46, y + tall + 2.5, form(column[g]), font, size * 0.86, ink, "middle")
        label(c, x + slot * (g + 0.5), y - size * 1.5, group, font, size, ink, "middle")
    if len(names) > 1:
        legend(c, x, y + height + size * 1.5, names, colours, font, size, ink)


def lines(c, x, y, width, height, groups, series, names, *, low, high, steps=5, size=8, font="Sans", ink=GREY,
          rule=RULE, colours=SERIES, form=number, mark=()):
    """Lines over the points `groups`. `mark` lists (series, point) pairs whose value is written at the dot."""
    x, width = x + size * 4.2, width - size * 5.5
    y, height = y + size * 2, height - size * 4.6
    grid(c, x, y, width, height, low, high, steps, font, size, form, ink, rule)
    gap = width / (len(groups) - 1)
    place = [[(x + gap * k, y + height * (v - low) / (high - low)) for k, v in enumerate(one)] for one in series]
    for k, group in enumerate(groups):
        label(c, x + gap * k, y - size * 1.5, group, font, size, ink, "middle")
    for s, points in enumerate(place):
        c.setStrokeColor(colours[s])
        c.setLineWidth(size * 0.22)
        c.setLineJoin(1)
        path = c.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        c.drawPath(path, stroke=1, fill=0)
        c.setFillColor(colours[s])
        for point in points:
            c.circle(*point, size * 0.28, stroke=0, fill=1)
    for s, k in mark:
        px, py = place[s][k]
        trough = 0 < k < len(groups) - 1 and series[s][k] < min(series[s][k - 1], series[s][k + 1])
        label(c, px, py + size * (-1.6 if trough else 0.7), form(series[s][k]), "Sans-Bold", size, colours[s], "middle")
    legend(c, x, y + height + size * 1.5, names, colours, font, size, ink)


def donut(c, x, y, size, shares, colours, *, middle, hole=0.58, ground=WHITE):
    """A ring of shares in a square of side `size`; `middle` is one or two lines of (text, font size)."""
    cx, cy, radius = x + size / 2, y + size / 2, size / 2
    start, whole = 90.0, sum(shares)
    for share, colour in zip(shares, colours):
        sweep = -360 * share / whole
        c.setFillColor(colour)
        c.setStrokeColor(ground)
        c.setLineWidth(1.5)
        c.wedge(x, y, x + size, y + size, start, sweep, stroke=1, fill=1)
        turn = (start + sweep / 2) * pi / 180
        if share / whole > 0.06:
            reach = radius * (1 + hole) / 2
            label(c, cx + reach * cos(turn), cy + reach * sin(turn) - 3, f"{100 * share / whole:.0f}%", "Sans-Bold", 9,
                  WHITE, "middle")
        start += sweep
    c.setFillColor(ground)
    c.circle(cx, cy, radius * hole, stroke=0, fill=1)
    for k, (words, points) in enumerate(middle):
        label(c, cx, cy + 2 - k * 14, words, "Sans-Bold" if k == 0 else "Sans", points, INK, "middle")


def rows(c, x, y, width, height, names, values, *, high, left, size=8.5, font="Sans", colour=SERIES[0], form=number):
    """Horizontal bars, one for each name, with the value at the end; `left` is the room for the names."""
    slot = height / len(names)
    for k, (name, value) in enumerate(zip(names, values)):
        base = y + height - slot * (k + 1)
        long = (width - left - 40) * value / high
        c.setFillColor(colour)
        c.rect(x + left, base + slot * 0.2, long, slot * 0.6, stroke=0, fill=1)
        label(c, x + left - 6, base + slot * 0.5 - size * 0.35, name, font, size, INK, "end")
        label(c, x + left + long + 5, base + slot * 0.5 - size * 0.35, form(value), "Sans-Bold", size, INK)
