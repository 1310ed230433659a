"""Three invoices to the ferry company, from three suppliers whose ideas of layout differ."""

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4

from .kit import GREY, INK, RULE, WHITE, Column, label, new_canvas, style, table, typeset

WIDE, TALL = A4


def money(value):
    return f"{value:,.2f}"


def lines_with_sums(lines, tax):
    """Rows (description, quantity, unit, price, amount), and the net sum, tax and gross sum in pounds."""
    rows = [[name, f"{count:,g}", unit, money(price), money(count * price)] for name, count, unit, price in lines]
    net = round(sum(count * price for _, count, _, price in lines), 2)
    vat = round(net * tax, 2)
    return rows, net, vat, net + vat


def block(c, x, y, lines, font="Sans", size=9.6, leading=13.5, ink=INK):
    for k, line in enumerate(lines):
        label(c, x, y - k * leading, line, font, size, ink)


def make_coatings(path):
    """`invoice-2025-0417.pdf`: a paint maker; classic, with the address in the window."""
    red = HexColor("#8c1c2b")
    c = new_canvas(path, A4, title="Invoice 2025-0417", author="Marrow & Pike Marine Coatings Ltd",
                   subject="Hull and deck coating, MV Aldersay", keywords="invoice", date="20250417101500")
    c.setFillColor(red)
    c.rect(56, TALL - 84, 30, 30, stroke=0, fill=1)
    label(c, 71, TALL - 76, "M&P", "Serif-Bold", 12, WHITE, "middle")
    label(c, 96, TALL - 67, "Marrow & Pike", "Serif-Bold", 19, INK)
    label(c, 96, TALL - 82, "Marine Coatings Ltd, makers of ship's paint since 1926", "Serif-Italic", 10.5, GREY)
    block(c, 392, TALL - 62, ["Slipway Works, Kell Road", "Port Tarrow", "Telephone 0555 0171 20", "VAT no. GB 555 0117 88"],
          "Serif", 9.8, 13)
    c.setStrokeColor(red)
    c.setLineWidth(1.2)
    c.line(56, TALL - 122, WIDE - 56, TALL - 122)
    block(c, 56, TALL - 164, ["Skerrin Ferries Cooperative", "Accounts payable", "1 Pier Road", "Skerrin"], "Serif", 11.5, 15.5)
    label(c, 330, TALL - 168, "INVOICE", "Serif-Bold", 25, red)
    facts = [("Invoice number", "2025-0417"), ("Invoice date", "17 April 2025"), ("Your order", "SFC-PO-3382"),
             ("Delivery note", "L-90211, 9 April 2025"), ("Payment due", "17 May 2025")]
    for k, (name, value) in enumerate(facts):
        label(c, 330, TALL - 192 - k * 15, name, "Serif", 10.5, GREY)
        label(c, 424, TALL - 192 - k * 15, value, "Serif-Bold", 10.5)
    column = Column(c, 56, TALL - 296, WIDE - 112, 90)
    column.text("Goods and work for <b>MV Aldersay</b>, car deck and hull, dry dock at Port Tarrow", style("Serif", 11.5, 15), 10)
    rows, net, vat, gross = lines_with_sums([
        ("GripDeck 70 non-slip coating, grey RAL 7011", 48, "20 l", 186.50), ("Seaguard epoxy primer, red oxide", 36, "20 l", 142.00),
        ("Hullshield antifouling, copper-free, black", 30, "20 l", 318.75), ("Thinner no. 7", 12, "5 l", 24.90),
        ("Blasting of the car deck to Sa 2½", 620, "m²", 17.40), ("Painter, two coats", 164, "hour", 39.50),
        ("Measuring of film thickness with certificate", 1, "each", 480.00)], 0.20)
    column.add(table([["Description", "Quantity", "Unit", "Price £", "Amount £"], *rows], [243, 60, 50, 62, 68], head_fill=red,
                     body=style("Serif", 10.6, 13.5), head=style("Serif-Bold", 10.4, 13, WHITE), stripe=None, pad=6), 14)
    for name, value, bold in [("Net amount", net, ""), ("VAT 20%", vat, ""), ("Total due", gross, "-Bold")]:
        column.take(17, name)
        label(c, 420, column.y, name, "Serif" + bold, 11.5, INK, "end")
        label(c, WIDE - 62, column.y, "£" + money(value), "Serif" + bold, 11.5, INK, "end")
    c.setStrokeColor(red)
    c.line(330, column.y - 6, WIDE - 56, column.y - 6)
    column.skip(34)
    column.text("<b>Payment.</b> Within 30 days to Islands Mutual Bank, sort code 00-55-17, account 0055 1726. Please quote the invoice "
                "number. A discount of 2% (£" + money(round(gross * 0.02, 2)) + ") may be taken on payment before 1 May 2025.",
                style("Serif", 10.8, 15), 8)
    column.text("The coating is guaranteed for five years against peeling, provided that it isn't washed with lye. Paint remains "
                "our property until paid for.", style("Serif", 10.8, 15))
    label(c, WIDE / 2, 46, "Marrow & Pike Marine Coatings Ltd. Registered in Port Tarrow, no. 00551926. Directors: E. Pike, T. Marrow.",
          "Serif", 8.8, GREY, "middle")
    c.save()


def make_fuel(path):
    """`invoice-HC-88231.pdf`: a fuel company; modern, with a coloured side bar."""
    deep, lime = HexColor("#103b36"), HexColor("#b8d433")
    c = new_canvas(path, A4, title="Invoice HC-88231", author="Halden Coastal Fuels", subject="Marine gas oil, May 2025",
                   keywords="invoice", date="20250602073000")
    c.setFillColor(deep)
    c.rect(0, 0, 176, TALL, stroke=0, fill=1)
    drop = c.beginPath()
    drop.moveTo(52, TALL - 44)
    drop.curveTo(70, TALL - 74, 74, TALL - 80, 74, TALL - 88)
    drop.curveTo(74, TALL - 104, 30, TALL - 104, 30, TALL - 88)
    drop.curveTo(30, TALL - 80, 34, TALL - 74, 52, TALL - 44)
    c.setFillColor(lime)
    c.drawPath(drop, stroke=0, fill=1)
    label(c, 28, TALL - 132, "Halden", "Vera-Bold", 21, WHITE)
    label(c, 28, TALL - 154, "Coastal Fuels", "Vera", 15, WHITE)
    y = TALL - 216
    for name, values in [("INVOICE", ["HC-88231"]), ("DATE", ["2 June 2025"]), ("CUSTOMER NUMBER", ["40117"]),
                         ("PAY BEFORE", ["16 June 2025"]), ("BILL TO", ["Skerrin Ferries", "Cooperative", "1 Pier Road", "Skerrin"]),
                         ("QUESTIONS", ["0555 0188 02", "desk@halden.example"])]:
        label(c, 28, y, name, "Vera-Bold", 7.5, lime)
        block(c, 28, y - 17, values, "Vera", 10, 14.5, WHITE)
        y -= 36 + 14.5 * len(values)
    column = Column(c, 204, TALL - 44, WIDE - 204 - 36, 60)
    column.text("Deliveries in May", style("Vera-Bold", 23, 28, deep), 2)
    column.text("Marine gas oil, by road tanker and by barge", style("Vera", 11, 15, GREY), 18)
    deliveries = [("5 May", "Saint Orla", "barge", 41_200, 0.5710), ("9 May", "Aldersay", "tanker", 28_450, 0.5710),
                  ("14 May", "Tarrow Lass", "tanker", 30_120, 0.5745), ("20 May", "Saint Orla", "barge", 38_900, 0.5745),
                  ("23 May", "Holm Ranger", "tanker", 12_600, 0.5690), ("29 May", "Kittiwake", "tanker", 6_340, 0.5690)]
    rows = [[day, ship, how, f"{litres:,}", f"{price:.4f}", money(litres * price)] for day, ship, how, litres, price in deliveries]
    litres, net = sum(d[3] for d in deliveries), round(sum(round(d[3] * d[4], 2) for d in deliveries), 2)
    rows.append(["Total", "", "", f"{litres:,}", "", money(net)])
    column.add(table([["Day", "Vessel", "By", "Litres", "£ a litre", "Amount £"], *rows], [48, 80, 48, 56, 55, 68], right_from=3,
                     head_fill=deep, body=style("Vera", 8.6, 12), head=style("Vera-Bold", 8, 11, WHITE), total=True,
                     stripe=HexColor("#f3f6e4"), pad=6.5), 22)
    carriage, levy = 1_260.00, round(litres * 0.0031, 2)
    vat = round((net + carriage + levy) * 0.05, 2)
    for name, value in [("Fuel", net), ("Barge hire, two deliveries", carriage), ("Harbour levy, 0.31 p a litre", levy), ("VAT 5%", vat)]:
        column.take(20, name)
        label(c, 204, column.y, name, "Vera", 10.5)
        label(c, WIDE - 36, column.y, money(value), "Vera", 10.5, INK, "end")
    column.skip(14)

    def due(c, x, y, w, h):
        c.setFillColor(lime)
        c.roundRect(x, y, w, h, 6, stroke=0, fill=1)
        label(c, x + 18, y + 21, "Amount due", "Vera-Bold", 14, deep)
        label(c, x + w - 18, y + 19, "£" + money(net + carriage + levy + vat), "Vera-Bold", 20, deep, "end")
    column.figure(56, due, 22)
    column.text("Collected by direct debit on 16 June 2025. Sulphur content 0.08%, density 0.845 at 15 °C; the samples are kept "
                "for a year under seal numbers 77120 to 77125.", style("Vera", 9.2, 14.5, GREY), 26)
    column.text("Price of gas oil this year, pence a litre", style("Vera-Bold", 9.5, 13, deep), 8)

    def prices(c, x, y, w, h):
        for k, (month, pence) in enumerate(zip(["Jan", "Feb", "Mar", "Apr", "May"], [61.2, 60.4, 58.9, 57.8, 57.2])):
            left, tall = x + k * w / 5 + 8, (h - 32) * pence / 62
            c.setFillColor(deep if k < 4 else lime)
            c.rect(left, y + 16, w / 5 - 16, tall, stroke=0, fill=1)
            label(c, left + w / 10 - 8, y + 20 + tall, f"{pence:.1f}", "Vera-Bold", 8.5, INK, "middle")
            label(c, left + w / 10 - 8, y + 3, month, "Vera", 8.5, GREY, "middle")
        c.setStrokeColor(RULE)
        c.line(x, y + 16, x + w, y + 16)
    column.figure(140, prices)
    c.save()


def make_bakery(path):
    """`invoice-bakery-93.pdf`: a small bakery; typed, in one typewriter face."""
    c = new_canvas(path, A4, title="Bill 93", author="Oda's Oven", subject="Bread and cakes for the galleys", keywords="invoice, bill",
                   date="20250630161000")
    warm = HexColor("#5a3a1e")
    c.setStrokeColor(warm)
    c.setLineWidth(1.5)
    c.roundRect(40, 40, WIDE - 80, TALL - 80, 14)
    c.setLineWidth(0.5)
    c.roundRect(45, 45, WIDE - 90, TALL - 90, 11)
    label(c, WIDE / 2, TALL - 112, "Oda’s Oven", "Slab-BoldItalic", 36, warm, "middle")
    label(c, WIDE / 2, TALL - 136, "bread, cakes and pies   ·   Harbour Lane, Ness Isle", "Slab-Italic", 11.5, warm, "middle")
    block(c, 76, TALL - 192, ["Bill no. 93", "30 June 2025"], "Mono", 11.5, 17)
    block(c, 330, TALL - 192, ["Skerrin Ferries", "for the galley of the", "Kittiwake and Holm Ranger"], "Mono", 11.5, 17)
    items = [("Loaf, rye", 126, 3.20), ("Loaf, white", 204, 2.60), ("Bere bannock", 380, 0.85), ("Mutton pie", 295, 2.95),
             ("Cheese scone", 410, 1.10), ("Carrot cake, whole", 34, 14.50), ("Shortbread, tin", 18, 9.75), ("Egg sandwich", 160, 2.40)]
    y, dots = TALL - 276, "." * 60
    label(c, 76, y, "Item", "Mono-Bold", 11.5)
    for name, x in [("Number", 328), ("Each", 412), ("Amount", WIDE - 76)]:
        label(c, x, y, name, "Mono-Bold", 11.5, INK, "end")
    c.line(76, y - 8, WIDE - 76, y - 8)
    for k, (name, count, price) in enumerate(items):
        at = y - 30 - k * 24
        label(c, 76, at, (name + " " + dots)[:28], "Mono", 11.5)
        label(c, 328, at, str(count), "Mono", 11.5, INK, "end")
        label(c, 412, at, money(price), "Mono", 11.5, INK, "end")
        label(c, WIDE - 76, at, money(count * price), "Mono", 11.5, INK, "end")
    at = y - 30 - len(items) * 24
    c.line(76, at + 10, WIDE - 76, at + 10)
    whole = sum(count * price for _, count, price in items)
    back = 23 * 0.50
    for k, (name, value) in enumerate([("Sum for June", money(whole)), ("Trays returned, 23 at 50p", "–" + money(back))]):
        label(c, 76, at - 14 - k * 24, name, "Mono", 11.5)
        label(c, WIDE - 76, at - 14 - k * 24, value, "Mono", 11.5, INK, "end")
    label(c, 76, at - 78, "To pay", "Mono-Bold", 15)
    label(c, WIDE - 76, at - 78, "£" + money(whole - back), "Mono-Bold", 15, INK, "end")
    c.line(76, at - 88, WIDE - 76, at - 88)
    column = Column(c, 76, at - 112, WIDE - 152, 60)
    look = style("Mono", 10.6, 17)
    column.text("No VAT on food. Cash, or by bank to O. Rendall, Islands Mutual, 00-55-93, account 0055 9301.", look, 10)
    column.text(typeset("The oven is being relined from 14 to 18 July: please order by the 10th. Scones will be made in my sister's "
                        "kitchen and may be a little smaller."), look)
    label(c, WIDE - 90, 96, "Oda Rendall", "Slab-BoldItalic", 15, warm, "end")
    c.save()
