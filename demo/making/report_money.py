"""The accounts at the end of the annual report: income statement, balance sheet, notes."""

from . import report_data as data
from .kit import INK, MIST, NAVY, style, table

BODY = style("Serif", 12, 17.4)
WIDTHS = [307, 80, 80]


def amount(value):
    return f"{value:,}" if value >= 0 else f"({-value:,})"


def statement(blocks):
    """Rows for a statement: blocks of (heading, lines, name of the sum, sums); a heading of None is left out."""
    out, bold = [["£ thousand", "2025", "2024"]], []
    for heading, lines, name, sums in blocks:
        if heading:
            bold.append(len(out))
            out.append([f"<b>{heading}</b>", "", ""])
        out += [[line[0], amount(line[1]), amount(line[2])] for line in lines]
        if name:
            bold.append(len(out))
            out.append([f"<b>{name}</b>", *[f"<b>{amount(value)}</b>" for value in sums]])
    lines = [("LINEABOVE", (1, r), (-1, r), 0.8, NAVY) for r in bold if out[r][1]]
    grounds = [("BACKGROUND", (0, r), (-1, r), MIST) for r in bold if out[r][1]]
    return table(out, WIDTHS, stripe=None, pad=4.6, extra=[*lines, *grounds], body=style("Sans", 9.4, 12, INK))


def sums():
    """Operating surplus, surplus before tax and surplus for the year, each for (this year, last year)."""
    operating = [data.total(data.INCOME, k) - data.total(data.COSTS, k) for k in (1, 2)]
    before_tax = [operating[k] - data.FINANCE[k] for k in (0, 1)]
    return operating, before_tax, [before_tax[k] - data.TAX[k] for k in (0, 1)]


def negative(lines):
    return [(name, -now, -before) for name, now, before in lines]


def income_statement(r):
    column = r.page("Accounts")
    r.heading(column, "Income statement for the year to 31 March")
    operating, before_tax, after_tax = sums()
    column.add(statement([
        ("Income", data.INCOME, "Total income", [data.total(data.INCOME, k) for k in (1, 2)]),
        ("Operating costs", negative(data.COSTS), "Total operating costs", [-data.total(data.COSTS, k) for k in (1, 2)]),
        (None, [], "Operating surplus", operating),
        (None, negative([("Interest on ship loans", *data.FINANCE)]), "Surplus before tax", before_tax),
        (None, negative([("Corporation tax", *data.TAX)]), "Surplus for the year", after_tax)]), 12)
    column.text("Fuel costs fell by £603,000: about £479,000 because less was burned and the rest because the average price "
                "fell from £720 to £700 a tonne. Depreciation rose with the <i>Saint Orla</i>, which is written off over "
                "thirty years.", BODY)
    r.end()


def balance_sheet(r):
    column = r.plain()
    r.heading(column, "Balance sheet at 31 March")
    fixed, current = [[data.total(part, k) for k in (1, 2)] for part in (data.FIXED, data.CURRENT)]
    owing = [("Due within one year", *data.CREDITORS), ("Ship loans due after one year", *data.LOANS),
             ("Grants not yet taken to income", *data.GRANTS)]
    column.add(statement([
        ("Fixed assets", data.FIXED, "Total fixed assets", fixed),
        ("Current assets", data.CURRENT, "Total current assets", current),
        ("Liabilities", negative(owing), "Total liabilities", [-data.total(owing, k) for k in (1, 2)]),
        (None, [], "Net assets", [data.net_assets(k) for k in (0, 1)]),
        ("Members' funds", data.RESERVES, "Total members' funds", [data.total(data.RESERVES, k) for k in (1, 2)])]), 14)
    column.text("Approved by the board on 12 June 2025 and signed on its behalf by Marit Halcrow, chair, and Teodor Vance, "
                "chief executive.", BODY, 10)
    r.heading(column, "Auditor's opinion")
    column.text("In our opinion the accounts give a true and fair view of the state of the society's affairs at 31 March 2025 "
                "and of its surplus for the year, and have been properly prepared. We have nothing to report about the "
                "matters on which we must report by exception.", BODY, 6)
    column.text("<b>Pell &amp; Strand LLP</b>, Port Tarrow, 12 June 2025", BODY)
    r.end()


def notes(r):
    column = r.plain()
    r.heading(column, "Notes to the accounts")
    for title, words in [
        ("1  Basis.", "The accounts are drawn up at historical cost, except for piers, which were last valued in 2021 by the "
                      "district valuer. They cover the society alone; it has no subsidiaries."),
        ("2  Vessels.", "Ships are written off in equal parts over thirty years, engines over fifteen and batteries over "
                        "nine. Dry-dock costs are spread until the next survey. The gain on the <i>Queen of Skerrin</i>, "
                        "£86,000, is set against maintenance."),
        ("3  Grants.", "A grant towards a ship is taken to income over the ship's life. During the year the clean transport "
                       "fund paid £5.1 million towards the <i>Saint Orla</i>, and £840,000 was taken to income.")]:
        column.text(f"<b>{title}</b> {words}", BODY, 8)
    column.text("<b>4  Ship loans.</b> Two loans are secured on the vessels named. The covenant asks that operating surplus "
                "cover interest at least 2.5 times; it covered it 4.0 times.", BODY, 6)
    column.add(table([["Lender", "Vessel", "Rate", "Ends", "£ thousand"],
                      ["Islands Mutual Bank", "MV Saint Orla", "2.65% fixed", "2044", "16,900"],
                      ["Nordlig Skipskreditt", "MV Aldersay", "3.10% fixed", "2031", "4,550"],
                      ["Total due after one year", "", "", "", "21,450"]], [145, 102, 85, 55, 80], right_from=2, total=True), 12)
    column.text("<b>5  Capital commitments.</b> At the year's end contracts had been signed for the following works.", BODY, 6)
    column.add(table([["Project", "Contractor", "Finish", "£ thousand"],
                      ["Second berth at Aldersay", "Garrick Marine Civils", "October 2025", "3,275"],
                      ["Ticket machines and gates", "Pier to Pocket programme", "March 2026", "690"],
                      ["Tide gauges for five piers", "Brightwater Instruments", "August 2025", "118"],
                      ["Total committed", "", "", "4,083"]], [165, 147, 85, 70], right_from=2, total=True), 12)
    for words in [
        "<b>6  Pensions.</b> The society pays 9% of salary into a defined contribution scheme. The cost for the year was "
        "£884,000, and £71,000 was unpaid at the year's end.",
        "<b>7  Related parties.</b> Garrick Marine Civils employs the brother of a member of the board, who left the room for "
        "the decision. The contract was the lowest of four tenders.",
        "<b>8  Events after the year's end.</b> On 2 May 2025 the ministry confirmed a further payment of £310,000 for the "
        "winter timetable on Ness Isle. It isn't included in these accounts."]:
        column.text(words, BODY, 8)
    r.end()
