"""`product-strategy-deck.pdf`: ten 16:9 slides on the ferry company's ticket product, as exported by a slide program."""

from reportlab.lib.colors import HexColor

from .charts import lines
from .kit import (CORAL, GREY, INK, MIST, NAVY, RULE, SAND, TEAL, WHITE, Column, arrow, label, new_canvas, style, table,
                  typeset, waves)

WIDE, TALL = 960, 540
LEFT, RIGHT = 58, WIDE - 58
NIGHT, GLOW = HexColor("#0b1e2d"), HexColor("#7fd1c7")
BULLET = style("Sans", 21, 29)


class Deck:
    def __init__(self, path):
        self.c = new_canvas(path, (WIDE, TALL), title="Pier to Pocket: product strategy 2026–2028",
                            author="Digital Team, Skerrin Ferries", subject="Ticketing product strategy",
                            keywords="tickets, strategy, roadmap", date="20250903143000")
        self.c.showOutline()

    def mark(self, title):
        key = f"slide{self.c.getPageNumber()}"
        self.c.bookmarkPage(key)
        self.c.addOutlineEntry(typeset(title), key, level=0)

    def slide(self, title, kicker):
        self.mark(title)
        label(self.c, LEFT, TALL - 52, kicker.upper(), "Sans-Bold", 11.5, TEAL)
        column = Column(self.c, LEFT, TALL - 62, RIGHT - LEFT, 52)
        return column.text(title, style("Sans-Bold", 33, 40, NAVY), 16)

    def end(self, ink=GREY):
        label(self.c, LEFT, 24, "Pier to Pocket  |  Product strategy 2026–2028", "Sans", 10, ink)
        label(self.c, RIGHT, 24, str(self.c.getPageNumber()), "Sans-Bold", 10, ink, "end")
        self.c.showPage()


def box(c, x, y, w, h, fill, title, lines_=(), ink=WHITE, size=15):
    c.setFillColor(fill)
    c.roundRect(x, y, w, h, 8, stroke=0, fill=1)
    top = y + h / 2 + (len(lines_) * 15 - size) / 2 + (2 if lines_ else 1)
    label(c, x + w / 2, top, title, "Sans-Bold", size, ink, "middle")
    for k, line in enumerate(lines_):
        label(c, x + w / 2, top - 18 - k * 15, line, "Sans", 11.5, ink, "middle")


def title(d):
    c = d.c
    d.mark("Pier to Pocket")
    c.setFillColor(TEAL)
    c.rect(0, 0, WIDE, TALL, stroke=0, fill=1)
    c.setFillColor(NAVY)
    c.rect(0, 0, WIDE, 150, stroke=0, fill=1)
    waves(c, -10, 34, WIDE + 20, 8, HexColor("#2d5672"), step=40, rise=9, gap=14, line=1.3)
    c.saveState()
    c.translate(730, 330)
    c.rotate(-9)
    c.setFillColor(WHITE)
    c.roundRect(-95, -150, 190, 300, 22, stroke=0, fill=1)
    c.setFillColor(NAVY)
    c.roundRect(-82, -122, 164, 244, 6, stroke=0, fill=1)
    for r in range(11):
        for k in range(11):
            corner = (r < 3 or r > 7) and (k < 3 or k > 7) and not (r > 7 and k > 7)
            if (r * 7 + k * 5 + r * k * 3) % 4 < 2 or corner:
                c.setFillColor(WHITE)
                c.rect(-60.5 + k * 11, -50 + r * 11, 11.3, 11.3, stroke=0, fill=1)
    label(c, 0, 92, "Skerrin – Holm Vane", "Sans-Bold", 13, SAND, "middle")
    label(c, 0, -84, "Valid today", "Sans", 12, WHITE, "middle")
    c.restoreState()
    label(c, LEFT, 372, "Pier to Pocket", "Sans-Bold", 56, WHITE)
    label(c, LEFT, 326, "Product strategy 2026–2028", "Sans", 26, WHITE)
    label(c, LEFT, 284, "Board away day, Port Tarrow, 3 September 2025", "Sans", 15, HexColor("#d8eef0"))
    c.showPage()


def today(d):
    column = d.slide("Half of our passengers still queue for paper", "Where we stand")
    facts = [("51%", "of tickets are sold at a counter", CORAL), ("7 min", "average wait on a Friday evening", SAND),
             ("£1.12", "cost of selling one paper ticket", TEAL)]

    def cards(c, x, y, w, h):
        for k, (big, small, colour) in enumerate(facts):
            left = x + k * (w + 24) / 3
            c.setFillColor(MIST)
            c.roundRect(left, y, (w - 48) / 3, h, 8, stroke=0, fill=1)
            c.setFillColor(colour)
            c.rect(left, y + h - 6, (w - 48) / 3, 6, stroke=0, fill=1)
            label(c, left + 24, y + h - 84, big, "Sans-Bold", 54, NAVY)
            label(c, left + 24, y + 28, small, "Sans", 15.5, INK)
    column.figure(170, cards, 26)
    column.bullets(["A phone ticket costs us 19 pence and is never lost overboard",
                    "Last year 14,200 bookings were changed by telephone, one call at a time",
                    "Counters stay open: one passenger in nine has no smartphone"], BULLET, 6)
    d.end()


def voices(d):
    column = d.slide("What 2,306 passengers told us", "Research, spring 2025")
    column.bullets(["<b>64%</b> want to change a booking without a phone call",
                    "<b>57%</b> want to know that the boat is late before leaving home",
                    "<b>41%</b> want one ticket for the boat and the island bus",
                    "<b>33%</b> worry that a phone with a flat battery means no ticket"], style("Sans", 22, 30), 8)
    column.skip(14)

    def quote(c, x, y, w, h):
        c.setFillColor(MIST)
        c.rect(x, y, w, h, stroke=0, fill=1)
        c.setFillColor(SAND)
        c.rect(x, y, 6, h, stroke=0, fill=1)
        inner = Column(c, x + 30, y + h - 20, w - 60, y)
        inner.text("“I don't need an app with weather and recipes. I need to know whether I'll get home tonight.”",
                   style("Serif-Italic", 23, 29, NAVY), 4)
        inner.text("Nurse, Ness Isle, crosses four times a week", style("Sans", 13.5, 17, GREY))
    column.figure(124, quote)
    d.end()


def channels(d):
    column = d.slide("Phones overtake the counter in 2026", "Forecast")
    years = ["2021", "2022", "2023", "2024", "2025", "2026", "2027", "2028"]
    series = [[78, 71, 64, 57, 51, 38, 24, 15], [6, 12, 19, 26, 33, 46, 60, 70], [16, 17, 17, 17, 16, 16, 16, 15]]
    column.figure(350, lambda c, x, y, w, h: lines(
        c, x, y, w - 250, h, years, series, ["Counter", "Phone", "Web"], low=0, high=80, steps=4, size=13,
        colours=[CORAL, TEAL, SAND], form=lambda v: f"{v:.0f}%", mark=[(0, 4), (1, 7)]), 4)
    side = Column(d.c, RIGHT - 215, 398, 215, 60)
    side.text("Share of tickets sold, by channel", style("Sans-Bold", 17, 22, NAVY), 10)
    side.text("Forecast from 2026: phone tickets reach 46% and pass the counter, which falls to 38%.",
              style("Sans", 16, 22), 10)
    side.text("Assumes that the islander card moves to the phone in March 2026.", style("Sans", 16, 22, GREY))
    d.end()


def vision(d):
    c = d.c
    d.mark("One ticket, every pier")
    c.setFillColor(NIGHT)
    c.rect(0, 0, WIDE, TALL, stroke=0, fill=1)
    waves(c, -10, 60, WIDE + 20, 3, HexColor("#16384f"), step=60, rise=12, gap=22, line=1.6)
    label(c, LEFT, TALL - 60, "OUR VISION FOR 2028", "Sans-Bold", 12, GLOW)
    label(c, LEFT, 376, "One ticket, every pier.", "Sans-Bold", 60, WHITE)
    column = Column(c, LEFT, 336, 720, 130)
    white = style("Sans", 23, 31, WHITE)
    column.bullets(["Buy in thirty seconds, with a thumb, in the rain",
                    "Works without signal: the ticket is checked offline for 72 hours",
                    "Late boat? The refund arrives before the passenger does"], white, 9)
    d.end(HexColor("#9fb4c1"))


def architecture(d):
    column = d.slide("How the pieces fit together", "Architecture")
    del column
    c = d.c
    pale = HexColor("#d5e6ea")
    for y, title_, sub in [(345, "Phone app", "iOS and Android"), (245, "Website", "bookings, accounts"),
                           (145, "Pier counter", "tablet and printer")]:
        box(c, LEFT, y, 170, 72, pale, title_, [sub], NAVY)
        arrow(c, LEFT + 174, y + 36, 306, 281 + (y - 245) * 0.32, NAVY, 1.8, 9)
    box(c, 310, 215, 170, 132, NAVY, "Ticket service", ["signs every ticket", "holds seats 12 minutes"])
    box(c, 570, 345, 170, 72, TEAL, "Payments", ["cards, islander card"])
    box(c, 570, 245, 170, 72, TEAL, "Sailings", ["timetable, delays"])
    box(c, 570, 145, 170, 72, TEAL, "Ledger", ["refunds, reports"])
    for y in (345, 245, 145):
        arrow(c, 484, 281 + (y - 245) * 0.32, 566, y + 36, NAVY, 1.8, 9)
    box(c, 786, 215, 116, 132, CORAL, "Gate reader", ["checks offline", "with a public key"], size=14)
    arrow(c, 744, 281, 782, 281, NAVY, 1.8, 9)
    c.setDash(4, 4)
    arrow(c, 395, 212, 395, 104, GREY, 1.5, 8)
    c.setDash()
    label(c, 395, 84, "Nightly copy to the harbour office: manifests survive an outage of 48 hours", "Sans", 14, GREY, "middle")
    d.end()


def options(d):
    column = d.slide("Three ways to build it", "Options compared")
    look, head = style("Sans", 15.5, 20), style("Sans-Bold", 15, 19, WHITE)
    column.add(table([
        ["", "A. Buy a product", "B. Build our own", "C. Share with bus company"],
        ["Cost over three years", "£1.24 million", "£0.98 million", "£0.71 million"],
        ["First route live", "May 2026", "September 2026", "March 2026"],
        ["Works without signal", "No", "Yes", "Yes, from version 2"],
        ["Fits the islander card", "With changes", "Yes", "Yes"],
        ["Staff needed", "2", "5", "3"],
        ["Main danger", "Price rises after 2028", "Key people leave", "Two owners, slow decisions"],
        ["Recommendation", "", "", "Preferred"]], [204, 200, 200, 240], body=look, head=head, right_from=9, pad=7.2,
        total=True), 12)
    d.end()


def roadmap(d):
    column = d.slide("Roadmap: one route at a time", "Plan")
    quarters = ["Q4 25", "Q1 26", "Q2 26", "Q3 26", "Q4 26", "Q1 27", "Q2 27", "Q3 27"]
    work = [("Islander card on the phone", 0, 2, TEAL), ("Aldersay: first route live", 1, 2, NAVY),
            ("Gate readers on five piers", 2, 3, SAND), ("Port Tarrow and Ness Isle", 3, 2, NAVY),
            ("Delay alerts and refunds", 4, 2, TEAL), ("Boat and bus in one ticket", 5, 3, CORAL)]

    def plan(c, x, y, w, h):
        start, slot, row = x + 235, (w - 235) / 8, (h - 30) / 6
        for k, quarter in enumerate(quarters):
            c.setFillColor(MIST if k % 2 == 0 else WHITE)
            c.rect(start + k * slot, y, slot, h, stroke=0, fill=1)
            label(c, start + (k + 0.5) * slot, y + h - 19, quarter, "Sans-Bold", 13, GREY, "middle")
        for k, (name, first, long, colour) in enumerate(work):
            at = y + h - 30 - (k + 1) * row
            c.setStrokeColor(RULE)
            c.setLineWidth(0.6)
            c.line(x, at, x + w, at)
            label(c, x, at + row / 2 - 5, name, "Sans", 16, INK)
            c.setFillColor(colour)
            c.roundRect(start + first * slot + 3, at + row * 0.22, long * slot - 6, row * 0.56, 6, stroke=0, fill=1)
    column.figure(300, plan, 16)
    column.text("<b>Gate:</b> a route goes live only after 500 crossings with fewer than 3 rejected tickets in a thousand.",
                style("Sans", 16, 21))
    d.end()


def risks(d):
    column = d.slide("What could sink us, and what we do about it", "Risks")
    pairs = [("Flat batteries", "Any crew member can find a ticket by name and booking code."),
             ("No signal at Holm Vane", "Readers check the signature offline; lists are exchanged at the pier."),
             ("Older passengers left behind", "Counters stay; volunteers teach in each island's library."),
             ("Fraud with screenshots", "The code changes every 20 seconds and carries the sailing's number.")]

    def grid(c, x, y, w, h):
        for k, (name, answer) in enumerate(pairs):
            left, low = x + (k % 2) * (w / 2 + 9), y + (1 - k // 2) * (h / 2 + 8)
            c.setFillColor(MIST)
            c.roundRect(left, low, w / 2 - 9, h / 2 - 8, 8, stroke=0, fill=1)
            inner = Column(c, left + 24, low + h / 2 - 28, w / 2 - 57, low)
            inner.text(name, style("Sans-Bold", 21, 26, CORAL), 8)
            inner.text(answer, style("Sans", 18, 25))
    column.figure(312, grid)
    d.end()


def ask(d):
    column = d.slide("What we ask of the board today", "Decisions")
    column.bullets(["Approve option C and a budget of <b>£710,000</b> over three years",
                    "Name a sponsor on the board: we propose <b>Aoife Tarrant</b>",
                    "Let the team hire a security engineer before <b>1 December 2025</b>",
                    "Meet again in <b>April 2026</b>, after the first hundred days on the Aldersay route"],
                   style("Sans", 23, 32), 12, mark="→")
    c = d.c
    c.setFillColor(NAVY)
    c.roundRect(LEFT, 66, RIGHT - LEFT, 82, 8, stroke=0, fill=1)
    label(c, LEFT + 28, 112, "Pays for itself by February 2028", "Sans-Bold", 23, WHITE)
    label(c, LEFT + 28, 84, "93 pence saved on each of 410,000 tickets a year moved from paper to phone", "Sans", 16, WHITE)
    d.end()


def make(path):
    d = Deck(path)
    for slide in [title, today, voices, channels, vision, architecture, options, roadmap, risks, ask]:
        slide(d)
    d.c.save()
