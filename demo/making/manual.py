"""`instrument-manual.pdf`: the manual of a radar tide gauge, as its maker would send it.

It holds what readers of PDFs often get wrong: a page turned by /Rotate, a page whose crop box is smaller than its media
box, two-column text, drawings with callouts, a form, a highlight and a note.
"""

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.platypus import Paragraph

from . import manual_figures as figures
from . import manual_tables as tables
from .kit import GREY, INK, WHITE, Column, label, new_canvas, style, table, typeset

WIDE, TALL = LETTER
LEFT, RIGHT, TOP, BOTTOM = 58, WIDE - 58, TALL - 76, 66
ORANGE, COAL, PALE = HexColor("#c9571a"), HexColor("#2b3138"), HexColor("#f6efe8")
BODY = style("Sans", 10.6, 15.2)
H1, H2, H3 = style("Vera-Bold", 19, 24, COAL), style("Vera-Bold", 12, 16, ORANGE), style("Vera-Bold", 10, 14, COAL)
CAPTION = style("Sans-Italic", 9.2, 12, GREY)
GAP = 22
HALF = (RIGHT - LEFT - GAP) / 2


class Manual:
    def __init__(self, path):
        self.c = new_canvas(path, LETTER, title="WL-40 Radar Tide Gauge: installation and operating manual",
                            author="Brightwater Instruments", subject="Manual BW-40-EN, revision 6",
                            keywords="tide gauge, radar, manual, Modbus", date="20240219080000")
        self.c.showOutline()
        self.marks = 0

    def mark(self, title, level, y):
        self.marks += 1
        if y is None:
            self.c.bookmarkPage(f"m{self.marks}")
        else:
            self.c.bookmarkHorizontal(f"m{self.marks}", 0, y)
        self.c.addOutlineEntry(typeset(title), f"m{self.marks}", level=level)

    def column(self, x=LEFT, top=TOP, width=RIGHT - LEFT):
        return Column(self.c, x, top, width, BOTTOM)

    def chapter(self, column, title):
        self.mark(title, 0, TOP + 20)
        return column.text(title, H1, 8)

    def section(self, column, title, level=1):
        column.skip(5)
        self.mark(title, level, column.y + 8)
        return column.text(title, H2 if level == 1 else H3, 4)

    def end(self):
        c = self.c
        c.setFillColor(ORANGE)
        c.rect(LEFT, TALL - 48, RIGHT - LEFT, 1.6, stroke=0, fill=1)
        label(c, LEFT, TALL - 42, "WL-40 Radar Tide Gauge", "Sans-Bold", 8.6, COAL)
        label(c, RIGHT, TALL - 42, "BW-40-EN, revision 6", "Sans", 8.6, GREY, "end")
        label(c, RIGHT, 36, str(c.getPageNumber()), "Vera-Bold", 9, COAL, "end")
        label(c, LEFT, 36, "Brightwater Instruments", "Sans", 8.6, GREY)
        c.showPage()


def warning(column, word, words, colour):
    """A boxed notice with the signal word on a band and a triangle beside it."""
    look = style("Sans", 10.4, 14.6)
    text = Paragraph(typeset(words), look)
    _, high = text.wrapOn(column.canvas, column.width - 24, 1000)

    def draw(c, x, y, w, h):
        c.setStrokeColor(colour)
        c.setLineWidth(1.2)
        c.rect(x, y, w, h)
        c.setFillColor(colour)
        c.rect(x, y + h - 22, w, 22, stroke=0, fill=1)
        sign = c.beginPath()
        sign.moveTo(x + 10, y + h - 17.5)
        sign.lineTo(x + 26, y + h - 17.5)
        sign.lineTo(x + 18, y + h - 4)
        sign.close()
        c.setFillColor(WHITE)
        c.drawPath(sign, stroke=0, fill=1)
        label(c, x + 18, y + h - 16, "!", "Sans-Bold", 9, colour, "middle")
        label(c, x + 34, y + h - 15.5, word, "Vera-Bold", 11, WHITE)
        text.drawOn(c, x + 12, y + 9)
    column.figure(high + 22 + 18, draw, 12)


def cover(m):
    c = m.c
    m.mark("Cover", 0, TALL)
    c.setFillColor(COAL)
    c.rect(0, 268, WIDE, TALL - 268, stroke=0, fill=1)
    c.setFillColor(ORANGE)
    c.rect(0, 260, WIDE, 8, stroke=0, fill=1)
    label(c, LEFT, TALL - 84, "BRIGHTWATER INSTRUMENTS", "Vera-Bold", 13, ORANGE)
    label(c, LEFT, TALL - 170, "WL-40", "Vera-Bold", 62, WHITE)
    label(c, LEFT, TALL - 208, "Radar Tide Gauge", "Vera", 28, WHITE)
    figures.gauge(c, 378, 330, 1.5)
    label(c, LEFT, 214, "Installation and operating manual", "Vera-Bold", 18, COAL)
    label(c, LEFT, 186, "For firmware 4.2 and later", "Sans", 13, GREY)
    label(c, LEFT, 92, "Document BW-40-EN, revision 6, February 2024", "Sans", 10.5, INK)
    label(c, LEFT, 76, "Keep this manual with the instrument. Original instructions.", "Sans", 10.5, GREY)
    c.showPage()


def safety(m):
    column = m.chapter(m.column(), "1  Safety")
    column.text("Read this chapter before you unpack the gauge. The person who mounts it works above water, often alone and "
                "in wind; most accidents with tide gauges are falls.", BODY, 8)
    m.section(column, "1.1  Warnings")
    warning(column, "DANGER", "Work above water only with a life jacket and a second person on the pier. Do not mount the "
                              "gauge in wind above 10 m/s.", HexColor("#b3261e"))
    warning(column, "WARNING", "The supply unit holds a dangerous voltage for 30 seconds after it is switched off. Wait, then "
                               "measure between terminals 1 and 2 before you touch them.", ORANGE)
    warning(column, "CAUTION", "Never lift the gauge by its antenna. A dent of 1 mm in the horn changes the measured level "
                               "by up to 8\u00a0mm.", HexColor("#8a6d00"))
    m.section(column, "1.2  Radio")
    column.text("The gauge transmits at 80 GHz with a power below 0.3 mW. It may be operated without a licence in harbours and "
                "is harmless to people, seals and birds.", BODY, 8)
    m.section(column, "1.3  Intended use")
    column.bullets(["Measuring the level of sea or river water from above, outdoors",
                    "Not for tanks with flammable liquids, and not as the only warning of a flood",
                    "Only persons trained by the owner may open the housing"], BODY, 3)
    column.skip(4)
    m.section(column, "1.4  Disposal")
    column.text("The clock's lithium cell must be taken out before the gauge is scrapped. Return it to the maker or to a "
                "collection point; the aluminium housing may be recycled.", BODY)
    m.end()


def description(m):
    column = m.chapter(m.column(), "2  Description")
    m.section(column, "2.1  How it works")
    start = column.y
    left, right = m.column(LEFT, start, HALF), m.column(LEFT + HALF + GAP, start, HALF)
    for words in [
        "The gauge looks down at the water and sends a short sweep of radio waves, sixteen times a second. The echo comes "
        "back later the lower the water is. From the delay the processor computes the distance from the flange to the "
        "surface, and subtracts it from the height of the flange above chart datum.",
        "Waves would make such a level dance. The gauge therefore keeps the last 960 echoes, one minute's worth, throws away "
        "the highest and the lowest tenth, and gives the mean of the others as the <b>tide level</b>."]:
        left.text(words, BODY, 8)
    for words in [
        "From the same echoes it computes the <b>significant wave height</b>: four times the standard deviation over "
        "twenty minutes. Harbour masters use it to decide whether a ship may come alongside.",
        "Unlike a float or a pressure cell, the radar never touches the water. Weed, ice and salt do not disturb it. "
        "Spiders do: a web across the horn is the commonest cause of a weak echo, and is simply brushed away."]:
        right.text(words, BODY, 8)
    column = m.column(top=min(left.y, right.y) - 4)
    m.section(column, "2.2  Block diagram")
    column.figure(212, figures.blocks, 4)
    column.text("Figure 1. Signal path. The supply feeds all blocks; the clock keeps time for five years without supply.",
                CAPTION, 8)
    m.section(column, "2.3  What is in the box")
    column.bullets(["Gauge WL-40 with 10 m of cable", "Stainless flange DN 80 with four bolts M16 and isolating washers",
                    "Supply unit PS-24 and this manual", "Test certificate with the gauge's own zero offset"], BODY, 2)
    m.end()


def panel(m):
    column = m.chapter(m.column(), "3  Front panel")
    column.text("The panel is behind the door of the supply unit. It can be read in sunlight and worked with gloves.", BODY, 8)
    column.figure(292, figures.panel, 6)
    column.text("Figure 2. Front panel of the supply unit PS-24.", CAPTION, 10)
    rows = [["No.", "Part", "Use"],
            ["1", "Display", "Tide level in metres above chart datum, wave height, state"],
            ["2", "Echo light", "Green: good echo. Yellow: weak. Red: none for ten seconds"],
            ["3", "Menu wheel", "Turn to choose, press to confirm, hold for 3 seconds to go back"],
            ["4", "HOLD button", "Freezes the outputs for 15 minutes while you work in front of the horn"],
            ["5", "USB socket", "Log files are copied to a stick that is put in; the light blinks until done"],
            ["6", "Key switch", "0 off, I on, II service. The key can be taken out at 0 and I only"],
            ["7", "Fuse", "2 A slow, 5 × 20 mm. A spare is clipped inside the door"]]
    column.add(table(rows, [34, 92, 370], right_from=9, head_fill=COAL, stripe=PALE), 4)
    m.end()


def installation(m):
    column = m.chapter(m.column(), "4  Installation")
    m.section(column, "4.1  Choosing the place")
    start = column.y
    left, right = m.column(LEFT, start, HALF), m.column(LEFT + HALF + GAP, start, HALF)
    left.text("The beam is a cone of 8 degrees. At 10 metres it is 1.4 metres wide. Nothing but water may be inside it at any "
              "state of the tide.", BODY, 7)
    left.bullets(["At least 1.5 m above the highest water", "At least 1.2 m from piles and walls",
                  "Not above a drain, an outfall or moored boats", "Horn within 0.5 degrees of vertical"], BODY, 4)
    left.text("Turn the arrow on the flange away from the nearest wall: the antenna sees least to that side.", BODY, 7)
    left.text("Paint does not hurt the horn, but fill in the maker's form before painting.", BODY, 7)
    right.figure(248, figures.mounting, 2)
    right.text("Figure 3. Clearances. Heights are above chart datum.", CAPTION, 8)
    column = m.column(top=min(left.y, right.y) - 2)
    m.section(column, "4.2  Wiring")
    column.text("Use screened cable and earth the screen at the supply unit only. Terminals take 0.5 to 2.5 mm².", BODY, 6)
    column.add(table([["Terminal", "Signal", "Colour", "Remark"],
                      ["1", "Supply +24 V", "brown", "12 to 30 V DC, 0.4 A at most"],
                      ["2", "Supply 0 V", "blue", "Not joined to earth"],
                      ["3", "RS-485 A", "white", "120 ohm resistor at the last gauge"],
                      ["4", "RS-485 B", "green", ""],
                      ["5", "4–20 mA out", "yellow", "Load 500 ohm at most"],
                      ["6", "Alarm relay", "grey", "Opens on error; 30 V, 1 A"],
                      ["PE", "Earth and screen", "green-yellow", "6 mm² to the pier's earth"]],
                     [64, 132, 100, 200], right_from=9, head_fill=COAL, stripe=PALE, pad=4.4), 4)
    m.end()


def commissioning(m):
    c = m.c
    column = m.chapter(m.column(), "5  Commissioning")
    m.section(column, "5.1  First start")
    steps = ["Turn the key to I. The display shows the firmware version, then <b>WARM-UP</b> for 90 seconds.",
             "Choose <b>Setup → Datum</b> and enter the height of the flange's lower face above chart datum, in millimetres.",
             "Choose <b>Setup → Echo map</b>. Keep the water below the horn free of boats for four minutes.",
             "Compare the level with a staff or a dipping tape at three states of the tide. The difference should be below "
             "5 mm. Enter the mean difference under <b>Setup → Zero offset</b>.",
             "Fill in the record below and keep it with the manual."]
    for k, step in enumerate(steps, 1):
        column.bullets([step], BODY, 4, mark=f"{k}.")
    m.section(column, "5.2  Commissioning record")
    top = column.y
    c.setFillColor(PALE)
    c.rect(LEFT, top - 246, RIGHT - LEFT, 244, stroke=0, fill=1)
    form = c.acroForm
    fields = [("station", "Station", ""), ("serial", "Serial number", "WL40-"), ("datum", "Flange above datum (mm)", ""),
              ("offset", "Zero offset (mm)", ""), ("engineer", "Engineer", ""), ("date", "Date", "")]
    for k, (name, title, value) in enumerate(fields):
        x, y = LEFT + 16 + (k % 2) * 246, top - 52 - (k // 2) * 52
        label(c, x, y + 26, title, "Sans-Bold", 9.4, COAL)
        # Drawn under each field too: a viewer without forms then still shows where to write.
        c.setFillColor(WHITE)
        c.rect(x, y, 222, 21, stroke=0, fill=1)
        form.textfield(name=name, tooltip=title, value=value, x=x, y=y, width=222, height=21, fontSize=10, borderWidth=0.7,
                       borderColor=GREY, fillColor=WHITE, textColor=INK, fontName="Helvetica")
    for k, (name, title) in enumerate([("clear", "Beam is clear at lowest water"), ("earthed", "Screen earthed at one end only"),
                                       ("alarm", "Alarm relay tested with the horn covered")]):
        y = top - 186 - k * 22
        c.setFillColor(WHITE)
        c.rect(LEFT + 16, y, 13, 13, stroke=0, fill=1)
        form.checkbox(name=name, tooltip=title, x=LEFT + 16, y=y, size=13, borderWidth=0.7, borderColor=GREY,
                      fillColor=WHITE, buttonStyle="check", checked=False)
        label(c, LEFT + 38, y + 2.5, title, "Sans", 10.4, INK)
    column.skip(254)
    m.section(column, "5.3  Menu")
    column.add(table([["Menu", "Setting", "Range", "As delivered"],
                      ["Setup → Filter", "Time over which echoes are averaged", "10 to 600 s", "60 s"],
                      ["Setup → Output", "Level at 4 mA and at 20 mA", "–20 to 40 m", "0 m, 10 m"],
                      ["Log → Interval", "Time between two stored levels", "1 to 60 min", "6 min"]],
                     [106, 200, 95, 95], right_from=9, head_fill=COAL, stripe=PALE, pad=4.6))
    m.end()


def specifications(m):
    column = m.chapter(m.column(), "6  Specifications")
    for title, rows in tables.SPECIFICATIONS:
        m.section(column, title)
        column.add(table([["Property", "Value"], *rows], [206, 290], right_from=9, head_fill=COAL, stripe=PALE, pad=3.9), 4)
    m.end()


def registers(m):
    """A page that is portrait in the file and turned by /Rotate 90, so that viewers show it landscape."""
    c = m.c
    m.mark("7  Communication", 0, None)
    m.mark("7.1  Modbus", 1, None)
    m.mark("7.1.1  Register map", 2, None)
    # ReportLab takes the size as shown, and writes a portrait media box.
    c.setPageSize((TALL, WIDE))
    c.setPageRotation(90)
    c.saveState()
    c.translate(WIDE, 0)
    c.rotate(90)
    across, high = TALL, WIDE
    label(c, 50, high - 42, "WL-40 Radar Tide Gauge", "Sans-Bold", 8.6, COAL)
    label(c, across - 50, high - 42, "BW-40-EN, revision 6", "Sans", 8.6, GREY, "end")
    c.setFillColor(ORANGE)
    c.rect(50, high - 48, across - 100, 1.6, stroke=0, fill=1)
    column = Column(c, 50, high - 62, across - 100, 52)
    column.text("7  Communication", H1, 4)
    column.text("7.1  Modbus", H2, 2)
    column.text("Modbus RTU, 19,200 baud, even parity, address 40 as delivered. Two-word values have the high word first.",
                BODY, 4)
    column.text("7.1.1  Register map", H3, 4)
    column.add(table(tables.REGISTERS, tables.REGISTER_WIDTHS, right_from=9, head_fill=COAL, stripe=PALE, pad=4.2,
                     body=style("Sans", 9.4, 12)))
    label(c, across - 50, 30, str(c.getPageNumber()), "Vera-Bold", 9, COAL, "end")
    label(c, 50, 30, "Brightwater Instruments", "Sans", 8.6, GREY)
    c.restoreState()
    c.showPage()
    c.setPageRotation(0)
    c.setPageSize(LETTER)


def errors(m):
    column = m.chapter(m.column(), "8  Error codes")
    column.text("The display shows the code, the echo light turns red, and the alarm relay opens. The code stays in the log. "
                "Codes from E-300 on need a service engineer.", BODY, 8)
    m.section(column, "8.1  List of codes")
    column.add(table(tables.ERRORS, [50, 152, 294], right_from=9, head_fill=COAL, stripe=PALE, pad=4.3))
    m.end()


def maintenance(m):
    c = m.c
    column = m.chapter(m.column(), "9  Maintenance")
    m.section(column, "9.1  Every six months")
    column.bullets(["Press HOLD, then brush webs and salt from the horn with a soft brush and fresh water",
                    "Check the bolts of the flange: 70 Nm for M16",
                    "Compare the level with a dipping tape, and note the difference in the log book"], BODY, 4)
    m.section(column, "9.2  Every two years")
    column.text("Change the desiccant bag in the housing (part BW-1180) and the seal of the door (part BW-1192). The cable gland "
                "is tightened to 6 Nm, no more.", BODY, 6)
    words = typeset("The clock's lithium cell CR2450 lasts five years. Change it with the supply on, or the log is lost.")
    base, end = column.y, LEFT + c.stringWidth(words, BODY.fontName, BODY.fontSize)
    column.text(words, BODY, 8)
    low = column.y + 8
    c.highlightAnnotation("Cell changed at Ness Isle on 4 June 2025. Next: June 2030.", (LEFT, low, end, base),
                          [LEFT, base, end, base, LEFT, low, end, low], Color=[1.0, 0.87, 0.3])
    c.textAnnotation("Order two spare seals BW-1192 with the next delivery.", (RIGHT - 20, low - 4, RIGHT, low + 16))
    m.section(column, "9.3  Checking the calibration")
    column.text("Hang the test plate (part BW-2004) below the horn at a measured distance, between 1.5 and 3 metres. Choose "
                "<b>Service → Plate test</b>. The gauge takes 200 readings in about a minute.", BODY, 6)
    column.figure(176, figures.calibration, 4)
    column.text("Figure 4. Plate tests of 40 gauges in service: error against age. The band shows the permitted 3 mm.",
                CAPTION, 8)
    m.section(column, "9.4  Spare parts")
    column.add(table([["Part", "Description", "Price"],
                      ["BW-1180", "Desiccant bag, pack of five", "£14.00"], ["BW-1192", "Seal for the door", "£22.50"],
                      ["BW-1207", "Fuse 2 A slow, pack of ten", "£6.80"], ["BW-2004", "Test plate with suspension", "£185.00"],
                      ["BW-3310", "Radar module, exchange", "£940.00"]], [90, 296, 110], right_from=2, head_fill=COAL,
                     stripe=PALE, pad=4.2))
    m.end()


def warranty(m):
    """The back page as the printer made it: larger media with crop marks and a slug, which the crop box hides."""
    c = m.c
    c.setCropBox((36, 36, WIDE - 36, TALL - 36))
    c.setTrimBox((36, 36, WIDE - 36, TALL - 36))
    c.setStrokeColor(INK)
    c.setLineWidth(0.4)
    for x in (36, WIDE - 36):
        for y0, y1 in ((0, 26), (TALL - 26, TALL)):
            c.line(x, y0, x, y1)
    for y in (36, TALL - 36):
        for x0, x1 in ((0, 26), (WIDE - 26, WIDE)):
            c.line(x0, y, x1, y)
    c.setFillColor(PALE)
    c.rect(0, 30, WIDE, 128, stroke=0, fill=1)
    c.setFillColor(WHITE)
    c.rect(0, 0, WIDE, 30, stroke=0, fill=1)
    label(c, WIDE / 2, 12, "PRINTER'S SLUG: job 7741, plate 11 of 11, trim here, do not bind", "Mono", 7, INK, "middle")
    column = m.chapter(m.column(x=82, top=TOP - 6, width=WIDE - 164), "10  Warranty and service")
    m.section(column, "10.1  Warranty")
    for words in [
        "Brightwater Instruments repairs or replaces, free of charge, any gauge that fails within 36 months of delivery through "
        "a fault of material or workmanship. The flange and the supply unit are covered for 60 months.",
        "The warranty does not cover damage by lightning where the gauge was not earthed as shown in chapter 4, by boats, or by "
        "opening of the sealed radar module."]:
        column.text(words, BODY, 7)
    m.section(column, "10.2  Sending a gauge for repair")
    column.bullets(["Call the service desk and ask for a return number (RMA); parcels without one are not accepted",
                    "Export the log to a USB stick and put it in the parcel",
                    "Protect the horn with the red cap, and remove the lithium cell",
                    "A repair takes 15 working days; a gauge on loan costs £48 a week"], BODY, 4)
    m.section(column, "10.3  Declaration of conformity")
    column.text("The maker declares that the radar tide gauge WL-40 conforms with the directives on radio equipment, low voltage "
                "and hazardous substances. The full text is sent on request.", BODY, 8)
    m.section(column, "10.4  Revisions of this manual")
    column.add(table([["Revision", "Date", "Change"],
                      ["4", "May 2021", "Supply unit PS-24 replaces PS-12"],
                      ["5", "October 2022", "Wave height; registers 30013 to 30015"],
                      ["6", "February 2024", "Errors E-207 and E-208; firmware 4.2"]], [80, 118, 250], right_from=9,
                     head_fill=COAL, stripe=PALE))
    label(c, 82, 126, "Service desk", "Vera-Bold", 12, COAL)
    label(c, 82, 106, "Monday to Friday, 07:30 to 17:00", "Sans", 10.6)
    label(c, 82, 90, "Telephone 0555 0140 40", "Sans", 10.6)
    label(c, 82, 74, "service@brightwater.example", "Sans", 10.6)
    label(c, WIDE - 82, 74, str(c.getPageNumber()), "Vera-Bold", 9, COAL, "end")
    c.showPage()


def make(path):
    m = Manual(path)
    for page in [cover, safety, description, panel, installation, commissioning, specifications, registers, errors,
                 maintenance, warranty]:
        page(m)
    m.c.save()
