"""`annual-report-2025.pdf`: a ferry cooperative's annual report, with contents, bookmarks, page labels and charts."""

import io

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4

from . import report_data as data
from . import report_money as money
from .charts import bars, donut, lines, rows
from .kit import (CORAL, GREY, INK, MIST, NAVY, RULE, SAND, SERIES, TEAL, WHITE, Column, label, new_canvas, style, table,
                  typeset, waves)

WIDE, TALL = A4
LEFT, RIGHT, TOP, BOTTOM = 62, WIDE - 62, TALL - 84, 74
BODY = style("Serif", 12, 17.4)
LEAD = style("Serif-Italic", 14.5, 20, TEAL)
H1, H2 = style("Sans-Bold", 21, 25, NAVY), style("Sans-Bold", 12, 15, TEAL)
NOTE = style("Sans-Bold", 9.2, 12, NAVY)


class Report:
    """Draws pages in order, keeps the outline, and remembers each heading's page for the table of contents."""

    def __init__(self, target, contents):
        self.c = new_canvas(target, A4, title="Annual Report and Accounts 2025", author="Skerrin Ferries Cooperative",
                            subject="Year to 31 March 2025", keywords="ferries, annual report, accounts",
                            date="20250612090000")
        self.contents = contents
        self.found = []
        self.c.addPageLabel(0, style="ROMAN_LOWER", start=1)
        self.c.addPageLabel(2, style="ARABIC", start=1)
        self.c.showOutline()

    def mark(self, title, level, y):
        page = self.c.getPageNumber()
        key, title = f"h{len(self.found)}", typeset(title)
        self.c.bookmarkHorizontal(key, 0, y)
        self.c.addOutlineEntry(title, key, level=level, closed=False)
        self.found.append((title, level, "ii" if page == 2 else str(page - 2), key))

    def page(self, title):
        """A page that begins a section."""
        self.mark(title, 0, TOP + 40)
        self.c.setFillColor(SAND)
        self.c.rect(LEFT, TOP + 30, 34, 4, stroke=0, fill=1)
        column = Column(self.c, LEFT, TOP + 22, RIGHT - LEFT, BOTTOM)
        return column.text(title, H1, 12)

    def plain(self):
        return Column(self.c, LEFT, TOP + 22, RIGHT - LEFT, BOTTOM)

    def heading(self, column, title):
        column.skip(6)
        self.mark(title, 1, column.y + 8)
        column.text(title, H2, 5)

    def end(self):
        page = self.c.getPageNumber()
        name = "ii" if page == 2 else str(page - 2)
        self.c.setStrokeColor(RULE)
        self.c.setLineWidth(0.6)
        self.c.line(LEFT, 52, RIGHT, 52)
        label(self.c, LEFT, 38, "Skerrin Ferries Cooperative  |  Annual Report and Accounts 2025", "Sans", 8, GREY)
        label(self.c, RIGHT, 38, name, "Sans-Bold", 9, NAVY, "end")
        self.c.showPage()


def cover(r):
    c = r.c
    c.setFillColor(NAVY)
    c.rect(0, 0, WIDE, TALL, stroke=0, fill=1)
    c.setFillColor(TEAL)
    c.rect(0, 0, WIDE, 300, stroke=0, fill=1)
    c.setFillColor(SAND)
    c.circle(430, 372, 66, stroke=0, fill=1)
    c.setFillColor(WHITE)
    hull = c.beginPath()
    for k, (px, py) in enumerate([(96, 318), (408, 318), (382, 270), (120, 270)]):
        (hull.lineTo if k else hull.moveTo)(px, py)
    hull.close()
    c.drawPath(hull, stroke=0, fill=1)
    c.rect(140, 322, 214, 26, stroke=0, fill=1)
    c.rect(196, 352, 132, 20, stroke=0, fill=1)
    c.setFillColor(CORAL)
    c.rect(222, 376, 30, 40, stroke=0, fill=1)
    c.setFillColor(NAVY)
    c.rect(222, 400, 30, 7, stroke=0, fill=1)
    for k in range(9):
        c.circle(156 + k * 23, 335, 4.2, stroke=0, fill=1)
    c.setFillColor(TEAL)
    c.rect(0, 236, WIDE, 48, stroke=0, fill=1)
    waves(c, -20, 96, WIDE + 40, 14, HexColor("#4f9aa8"))
    label(c, LEFT, 742, "Skerrin Ferries Cooperative", "Sans-Bold", 15, SAND)
    label(c, LEFT, 660, "Annual Report", "Sans-Bold", 45, WHITE)
    label(c, LEFT, 610, "and Accounts 2025", "Sans-Bold", 45, WHITE)
    label(c, LEFT, 574, "For the year ended 31 March 2025", "Serif-Italic", 16, WHITE)
    c.setFillColor(NAVY)
    c.rect(0, 0, WIDE, 62, stroke=0, fill=1)
    label(c, LEFT, 27, "Owned by 5,210 islanders since 1983", "Sans", 10, WHITE)
    r.mark("Cover", 0, TALL)
    c.showPage()


def contents(r):
    column = r.page("Contents")
    c = r.c
    for title, level, name, key in r.contents:
        if title in ("Cover", "Contents"):
            continue
        step, font, size = (25, "Sans-Bold", 10.6) if level == 0 else (16.5, "Serif", 10.6)
        column.take(step, title)
        x = LEFT + 16 * level
        label(c, x, column.y, title, font, size, NAVY if level == 0 else INK)
        label(c, RIGHT, column.y, name, font, size, NAVY if level == 0 else INK, "end")
        c.setStrokeColor(RULE)
        c.setDash(1, 3)
        c.line(x + c.stringWidth(title, font, size) + 8, column.y + 2, RIGHT - 24, column.y + 2)
        c.setDash()
        c.linkRect("", key, (LEFT, column.y - 3, RIGHT, column.y + 11), Border="[0 0 0]")
    r.end()


def chair(r):
    column = r.page("Letter from the chair")
    column.text("Forty-two years after the first shares were sold from a card table on Skerrin pier, more than a million "
                "passengers crossed with us in a single year.", LEAD, 12)
    figures = [("1,029,485", "passengers, up 3.6%"), ("94.5%", "sailings on time"), ("£2.46m", "operating surplus"),
               ("–9.7%", "fuel burned")]

    def strip(c, x, y, w, h):
        for k, (big, small) in enumerate(figures):
            left = x + k * w / 4
            c.setFillColor(MIST)
            c.rect(left, y, w / 4 - 8, h, stroke=0, fill=1)
            label(c, left + 11, y + h - 29, big, "Sans-Bold", 18, TEAL)
            label(c, left + 11, y + 12, small, "Sans", 8.3, GREY)
    column.figure(58, strip, 16)
    for words in [
        "Dear members,",
        "The year was shaped by one arrival and one departure. In May the <i>Saint Orla</i> entered service on the Aldersay "
        "crossing, eleven weeks late but inside her budget of £23.8 million. In September we said goodbye to the <i>Queen of "
        "Skerrin</i>, which had carried three generations of islanders and, on one memorable night in 1994, the whole of "
        "the Holm Vane brass band and its piano.",
        "The new ship has changed what we can promise. She can lie alongside at Aldersay in a swell of 2.4 metres, where "
        "the old limit was 1.6, and she crosses the sound on batteries for the last nine minutes. Weather cancellations "
        "fell by 84 sailings. People noticed: complaints per ten thousand passengers fell from 6.1 to 4.4, the lowest since "
        "we began to count them.",
        "Not everything went well. Passenger numbers on the Port Tarrow crossing fell for a second year, and storm "
        "damage at the Ness Isle pier took the berth out of use for eleven days at the worst time for the lamb sales. We have "
        "apologised to the crofters concerned and paid £41,200 in compensation.",
        "Membership grew to 5,210, with 364 new members under the age of thirty. They asked at two packed evenings in Skerrin "
        "for bicycles to go free, for a later boat home on Fridays, and for coffee that does not come from a machine. "
        "The first was done in June, the second follows in September, and the third is a matter for the galley.",
        "The board proposes a dividend on members' shares of 2.0%, unchanged, and a transfer of the remaining surplus to "
        "the general reserve, against the replacement of the <i>Holm Ranger</i> in 2029. Thank you for your trust, your "
        "letters and your patience in January."]:
        column.text(words, BODY, 8)
    column.text("<b>Marit Halcrow</b>, Chair<br/>12 June 2025", BODY)
    r.end()


def chief(r):
    column = r.page("Chief executive's review")
    column.text("Our plan for the year had four aims. We met three of them.", LEAD, 10)
    r.heading(column, "What we set out to do")
    goals = [["Aim for the year", "Target", "Result", "Met"],
             ["Sailings on time, within ten minutes", "94.0%", "94.5%", "Yes"],
             ["Fuel burned, change on the year before", "–8.0%", "–9.7%", "Yes"],
             ["Passengers on the Port Tarrow crossing", "300,000", "289,420", "No"],
             ["Lost-time injuries per million hours", "below 4.0", "3.1", "Yes"]]
    column.add(table(goals, [250, 76, 76, 65]), 14)
    r.heading(column, "The Saint Orla's first year")
    for words in [
        "The <i>Saint Orla</i> made 3,914 crossings between 11 May 2024 and the end of the year and missed 37. Her "
        "batteries hold 2.6 megawatt-hours and are charged overnight from the new shore supply at Skerrin, which the "
        "grid operator energised in March, two months early. The noise in the village at six in the morning, a matter "
        "raised at every members' meeting since 2016, is no longer measurable above the wind.",
        "Two faults kept her in port: a bow-thruster seal in August and a cooling pump in January. Both were repaired "
        "under warranty. We now carry a spare pump on board, and the yard has changed the seal's design."]:
        column.text(words, BODY, 8)
    r.heading(column, "Next year")
    column.bullets([
        "Open the second berth at Aldersay in October 2025, which ends the conflict between the 07:40 and 07:55 sailings.",
        "Replace paper tickets on every route by a card or a phone, and keep a counter for those who want neither.",
        "Order the design of a fully electric replacement for the <i>Holm Ranger</i>, with a decision by members in 2026.",
        "Win back 12,000 passengers on the Port Tarrow crossing with a later Friday sailing at 21:15."], BODY, 4)
    column.skip(6)
    column.text("<b>Teodor Vance</b>, Chief executive", BODY)
    r.end()


def traffic(r):
    column = r.page("Traffic")
    r.heading(column, "Passengers and vehicles by route")
    column.text("Four of five services carried more people than the year before. The Aldersay crossing grew by 4.7% with "
                "the larger ship; Ness Isle grew by 8.6% in spite of the closure of its berth in October.", BODY, 8)
    out = [["Route", f"Passengers {data.LAST}", f"Passengers {data.YEAR}", "Change", f"Vehicles {data.LAST}",
            f"Vehicles {data.YEAR}"]]
    for name, before, now, cars_before, cars in data.ROUTES:
        out.append([name, f"{before:,}", f"{now:,}", f"{100 * (now / before - 1):+.1f}%".replace("-", "–"),
                    f"{cars_before:,}" if cars_before else "–", f"{cars:,}" if cars else "–"])
    sums = [data.total(data.ROUTES, k) for k in (1, 2, 3, 4)]
    out.append(["All services", f"{sums[0]:,}", f"{sums[1]:,}", f"{100 * (sums[1] / sums[0] - 1):+.1f}%",
                f"{sums[2]:,}", f"{sums[3]:,}"])
    column.add(table(out, [133, 74, 74, 52, 67, 67], total=True), 16)
    column.text("Figure 1. Passengers by route, thousands", NOTE, 4)
    short = ["Aldersay", "Holm Vane", "Port Tarrow", "Ness Isle", "Cruises"]
    series = [[row[k] / 1000 for row in data.ROUTES] for k in (1, 2)]
    column.figure(236, lambda c, x, y, w, h: bars(c, x, y, w, h, short, series, [data.LAST, data.YEAR], high=500,
                                                  colours=[SERIES[4], TEAL], form=lambda v: f"{v + 1e-6:.1f}"), 8)
    r.heading(column, "Port Tarrow")
    column.text("The fall of 2.3% on the Port Tarrow crossing follows the opening of the Kell bridge in 2023. We asked 1,140 "
                "former passengers why they had left: 58% named the last sailing, at 19:30, as too early, and only 14% the "
                "fare. The later sailing on Fridays begins in September.", BODY)
    r.end()


def punctuality(r):
    column = r.page("Punctuality and reliability")
    r.heading(column, "Sailings on time")
    column.text("A sailing is on time when the ramp is down within ten minutes of the published arrival. Over the year "
                "94.5% of sailings were, against 93.2% the year before. January remains the hardest month: 87.9%.", BODY, 8)
    column.text("Figure 2. Sailings on time by month, per cent", NOTE, 4)
    column.figure(236, lambda c, x, y, w, h: lines(
        c, x, y, w, h, data.MONTHS, [data.ON_TIME_LAST, data.ON_TIME], [data.LAST, data.YEAR], low=80, high=100, steps=4,
        colours=[SERIES[4], TEAL], mark=[(1, 2), (0, 9), (1, 11)]), 8)
    r.heading(column, "Cancelled sailings")
    out = [["Cause", data.LAST, data.YEAR, "Share"]]
    now, before = data.total(data.CANCELLED, 1), data.total(data.CANCELLED, 2)
    for name, count, old in data.CANCELLED:
        out.append([name, f"{old:,}", f"{count:,}", f"{100 * count / now:.1f}%"])
    out.append(["All causes", f"{before:,}", f"{now:,}", "100.0%"])
    column.add(table(out, [257, 70, 70, 70], total=True), 10)
    column.text(f"We planned {data.SAILINGS:,} sailings and cancelled {now:,} of them, or {100 * now / data.SAILINGS:.1f}%. "
                "Storm Ingvild alone, from 3 to 6 December, accounts for 74. Passengers booked on a cancelled sailing are "
                "now told by text message, on average 2 hours and 50 minutes before departure.", BODY)
    r.end()


def fleet(r):
    column = r.page("Fleet and fuel")
    r.heading(column, "Vessels in service")
    head = ["Vessel", "Built", "Length", "Passengers", "Cars", "Speed", "Propulsion"]
    column.add(table([head, *data.FLEET], [92, 42, 55, 70, 42, 54, 112]), 10)
    column.text("The <i>Queen of Skerrin</i> (1979) was sold for recycling in September 2024 to a yard on the approved "
                "list. The <i>Tarrow Lass</i> spent 23 days in dry dock for her five-year survey, four more than planned, "
                "after thin plating was found in the forward ballast tank.", BODY, 8)
    r.heading(column, "Fuel and emissions")
    column.text("Figure 3. Marine gas oil burned, tonnes", NOTE, 4)
    column.figure(178, lambda c, x, y, w, h: bars(c, x, y, w, h, data.FUEL_YEARS, [data.FUEL_TONNES], [""], high=8000,
                                                  steps=4), 8)
    now, before = [round(t * data.CO2_PER_TONNE) for t in (data.FUEL_TONNES[4], data.FUEL_TONNES[3])]
    column.text(f"We burned 6,205 tonnes of marine gas oil, 665 tonnes less than the year before, which released {now:,} "
                f"tonnes of carbon dioxide ({data.LAST}: {before:,}). Per passenger carried this is 19.3 kilograms. Shore "
                "electricity, 1,870 megawatt-hours, came from the tidal array in Vane Sound.", BODY, 8)
    r.heading(column, "The next ship")
    column.text("A study by naval architects found that a battery ferry of 50 metres could serve Holm Vane for all but six "
                "days of a typical year. It would need a charger of 1.8 megawatts at the pier and would cost about "
                "£14 million, of which up to half may come from the islands' clean transport fund.", BODY)
    r.end()


def fares(r):
    column = r.page("Fares and income")
    r.heading(column, "Where the money comes from")
    whole = data.total(data.INCOME, 1)

    def ring(c, x, y, w, h):
        donut(c, x + 8, y, h, [line[1] for line in data.INCOME], SERIES, middle=[("£34.0m", 17), ("income", 9)])
        for k, (name, now, _) in enumerate(data.INCOME):
            at = y + h - 44 - k * 29
            c.setFillColor(SERIES[k])
            c.rect(x + 258, at, 11, 11, stroke=0, fill=1)
            label(c, x + 278, at + 2, name, "Sans", 9.6)
            label(c, x + w, at + 2, f"£{now:,}k", "Sans-Bold", 9.6, INK, "end")
    column.text("Figure 4. Income by source", NOTE, 8)
    column.figure(200, ring, 14)
    column.text(f"Income rose by 4.0% to £{whole / 1000:.1f} million. The public service contract, which pays for sailings "
                "that no fare could support, remains our largest source at 34% and runs until March 2029.", BODY, 8)
    r.heading(column, "Fares from April 2025")
    out = [["Single fare", "Adult", "Child 5–15", "Islander card", "Car up to 5 m", "Bicycle"],
           ["Skerrin – Aldersay", "£8.40", "£4.20", "£4.60", "£27.50", "free"],
           ["Aldersay – Holm Vane", "£6.10", "£3.05", "£3.30", "£19.80", "free"],
           ["Skerrin – Port Tarrow", "£9.20", "£4.60", "£5.05", "£31.00", "free"],
           ["Port Tarrow – Ness Isle", "£5.80", "£2.90", "£3.10", "£17.40", "free"],
           ["Seabird cruise, 3 hours", "£34.00", "£17.00", "£28.00", "–", "–"]]
    column.add(table(out, [137, 58, 66, 76, 78, 52]), 12)
    column.text("Fares rose by 2.9% on average, below the year's inflation of 3.4%. Bicycles travel free on all routes since "
                "June 2024; 18,700 were carried. Under the islander card, children under sixteen travel free to school and "
                "to any medical appointment.", BODY)
    r.end()


def people(r):
    column = r.page("People and safety")
    r.heading(column, "Our staff")
    column.text("At the end of March 2025 we employed 318 people, 211 of them resident on the islands. The year's eleven "
                "apprentices are the largest intake since the cooperative was founded.", BODY, 6)
    column.text("Figure 5. Staff by department", NOTE, 4)
    column.figure(168, lambda c, x, y, w, h: rows(c, x, y, w, h, *zip(*data.STAFF), high=130, left=110), 10)
    r.heading(column, "Safety")
    column.text("There were 2 lost-time injuries in 648,000 hours worked, a rate of 3.1 per million hours. Both were falls on "
                "wet steel decks; the car deck of the <i>Aldersay</i> was given a new non-slip coating in April. We held 212 "
                "drills, and the lifeboat at Port Tarrow was called to help our passengers once, for a suspected heart "
                "attack. The patient recovered.", BODY, 8)
    r.heading(column, "Principal risks")
    out = [["Risk", "What could happen", "What we do about it"],
           ["Ageing ships", "The Holm Ranger, 38 years old, fails its survey before a replacement is built",
            "Charter agreement for the MV Corrie until 2029; plating measured twice a year"],
           ["Fuel price", "A rise of 10% in gas oil costs £434,000 a year", "Half of next year's fuel bought forward"],
           ["Contract", "The public service contract is not renewed in 2029", "Talks with the ministry begin in 2026"],
           ["Cyber attack", "Booking or payroll is out of use for days", "Offline manifests; restore rehearsed each quarter"]]
    column.add(table(out, [76, 190, 201], right_from=9))
    r.end()


def governance(r):
    column = r.page("Governance")
    r.heading(column, "The board")
    out = [["Member of the board", "Elected by", "Since", "Meetings attended"],
           ["Marit Halcrow (chair)", "Aldersay members", "2017", "10 of 10"],
           ["Josef Linklater", "Skerrin members", "2019", "9 of 10"],
           ["Aoife Tarrant", "Port Tarrow members", "2022", "10 of 10"],
           ["Dr Ruben Isbister", "Holm Vane members", "2021", "8 of 10"],
           ["Signe Moar", "Ness Isle members", "2024", "6 of 6"],
           ["Col Brandt", "Staff", "2020", "10 of 10"]]
    column.add(table(out, [160, 137, 70, 100], right_from=2), 10)
    column.text("The board met ten times. Each island elects one member for four years, and the staff elect one. No member of "
                "the board is paid; expenses came to £6,140.", BODY, 8)
    r.heading(column, "Annual general meeting")
    column.text("The meeting takes place on Saturday 20 September 2025 at 14:00 in the sail loft at Skerrin, and on a screen "
                "in each island's hall. Members travel free on that day. Motions must reach the secretary by 22 August.", BODY, 8)
    r.heading(column, "Terms used in this report")
    for term, meaning in [
        ("Islander card", "A card for residents that gives about 45% off the adult fare."),
        ("Linkspan", "The hinged bridge between the pier and the ship's ramp, which rises and falls with the tide."),
        ("Lost-time injury", "An injury that keeps a person from work for a day or more."),
        ("Public service contract", "The agreement by which the ministry pays for sailings that fares do not cover."),
        ("Swell limit", "The height of swell at the pier above which a ship may not come alongside.")]:
        column.text(f"<b>{term}.</b> {meaning}", BODY, 3)
    r.heading(column, "Registered office")
    column.text("Skerrin Ferries Cooperative Limited, 1 Pier Road, Skerrin. Registered society no. 24117 R. "
                "Auditors: Pell &amp; Strand LLP, Port Tarrow. Bankers: Islands Mutual Bank.", BODY)
    r.end()


def draw(target, found):
    r = Report(target, found)
    for part in [cover, contents, chair, chief, traffic, punctuality, fleet, fares, people, money.income_statement,
                 money.balance_sheet, money.notes, governance]:
        part(r)
    r.c.save()
    return r.found


def make(path):
    """Draws twice: once to learn the headings' pages, once with the table of contents filled in."""
    found = draw(io.BytesIO(), [])
    draw(path, found)
