"""Write the demo's documents into `demo/documents/`.

    python3 -m venv .venv && .venv/bin/pip install -r demo/requirements.txt
    .venv/bin/python demo/make_documents.py

Every name, figure and address is invented. Seeds and dates are fixed: with the pinned packages a second run writes
the same bytes.
"""

import argparse
from pathlib import Path

from making import deck, invoices, kit, manual, report, scans

MAKERS = {
    "annual-report-2025.pdf": report.make,
    "product-strategy-deck.pdf": deck.make,
    "instrument-manual.pdf": manual.make,
    "invoice-2025-0417.pdf": invoices.make_coatings,
    "invoice-HC-88231.pdf": invoices.make_fuel,
    "invoice-bakery-93.pdf": invoices.make_bakery,
    "scanned-letter.pdf": scans.make_letter,
    "photo-of-receipt.jpg": scans.make_receipt,
    "site-notice.png": scans.make_notice,
    "fax.tiff": scans.make_fax,
}


def main():
    parser = argparse.ArgumentParser(description="Write the demo's documents.")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "documents", help="folder to write to")
    parser.add_argument("names", nargs="*", metavar="NAME", help="write only these files; all when none is given")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - MAKERS.keys())
    if unknown:
        parser.error(f"no such document: {', '.join(unknown)}; there are {', '.join(MAKERS)}")
    args.into.mkdir(parents=True, exist_ok=True)
    kit.register_fonts()
    for name in args.names or MAKERS:
        path = args.into / name
        MAKERS[name](path)
        print(f"{path.stat().st_size:>9,} bytes  {name}")


if __name__ == "__main__":
    main()
