"""The files that hold no text, only pixels: a scanned letter, a photograph of a receipt, a notice and a fax."""

import io
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader

from . import scans_text as words
from .kit import font_path, new_canvas

FACES = {"serif": "STIXGeneral", "serif-bold": "STIXGeneralBol", "serif-italic": "STIXGeneralItalic", "sans": "DejaVuSans",
         "sans-bold": "DejaVuSans-Bold", "mono": "DejaVuSansMono", "mono-bold": "DejaVuSansMono-Bold"}


def face(name, size):
    return ImageFont.truetype(font_path(FACES[name]), size, layout_engine=ImageFont.Layout.BASIC)


def wrapped(text, font, width):
    """The lines of `text` at a width in pixels."""
    lines, line = [], ""
    for word in text.replace("'", "’").split():
        trial = f"{line} {word}".strip()
        if font.getlength(trial) > width and line:
            lines.append(line)
            line = word
        else:
            line = trial
    return [*lines, line]


def signature(draw, x, y, size, seed):
    """A pen stroke that could be a name."""
    pen = random.Random(seed)
    points, px, py = [], x, y
    for k in range(26):
        nx, ny = px + size * pen.uniform(0.10, 0.42), y + size * pen.uniform(-0.62, 0.34) * (1.4 if k in (0, 1, 11) else 0.6)
        middle = (px + size * pen.uniform(-0.2, 0.5), ny + size * pen.uniform(-0.4, 0.4))
        for t in np.linspace(0, 1, 14):
            points.append(((1 - t) ** 2 * px + 2 * t * (1 - t) * middle[0] + t * t * nx,
                           (1 - t) ** 2 * py + 2 * t * (1 - t) * middle[1] + t * t * ny))
        px, py = nx, ny
    draw.line(points, fill=40, width=max(2, int(size * 0.06)), joint="curve")


def stamp(page, lines, centre, angle, size):
    """A rubber stamp, pressed unevenly."""
    font = face("sans-bold", size)
    wide, high = int(max(font.getlength(line) for line in lines) + size * 1.6), int(size * (1.35 * len(lines) + 0.9))
    ink = Image.new("L", (wide, high), 0)
    draw = ImageDraw.Draw(ink)
    draw.rounded_rectangle((4, 4, wide - 5, high - 5), radius=size // 3, outline=255, width=max(3, size // 9))
    for k, line in enumerate(lines):
        draw.text((wide / 2, size * (1.12 + 1.35 * k)), line, font=font, fill=255, anchor="mm")
    worn = np.random.default_rng(11).random((high // 6 + 1, wide // 6 + 1)) * 255
    worn = Image.fromarray(worn.astype(np.uint8)).resize((wide, high), Image.BILINEAR).point(lambda v: 175 if v > 70 else 90)
    ink = ImageChops.multiply(ink, worn).rotate(angle, expand=True, resample=Image.BICUBIC)
    page.paste(70, (centre[0] - ink.width // 2, centre[1] - ink.height // 2), ink)


def scanned(page, angle, seed):
    """What a flat-bed scanner makes of a clean page: turned, softened, unevenly lit, with a fold and grain."""
    page = page.rotate(angle, resample=Image.BICUBIC, fillcolor=238).filter(ImageFilter.GaussianBlur(0.9))
    values = np.asarray(page, dtype=np.float32)
    high, wide = values.shape
    rng = np.random.default_rng(seed)
    across, down = np.linspace(0, 1, wide)[None, :], np.linspace(0, 1, high)[:, None]
    light = 0.985 - 0.09 * across ** 2 - 0.05 * (1 - down) ** 2
    light = light - 0.30 * np.exp(-across * 90) - 0.16 * np.exp(-(1 - across) * 120)
    for fold in (1 / 3, 2 / 3):
        light = light - 0.045 * np.exp(-((down - fold - 0.004 * across) * 500) ** 2)
    grain = rng.normal(0, 2.6, (high // 2 + 1, wide // 2 + 1)).repeat(2, 0).repeat(2, 1)[:high, :wide]
    values = np.clip((values * 0.90 + 20) * light + grain, 0, 255)
    for _ in range(60):
        at_y, at_x = int(rng.integers(4, high - 4)), int(rng.integers(4, wide - 4))
        values[at_y:at_y + int(rng.integers(1, 4)), at_x:at_x + int(rng.integers(1, 4))] *= 0.55
    return Image.fromarray(values.astype(np.uint8))


def letter_page(number):
    """One page of the letter at 300 dots an inch, clean."""
    page = Image.new("L", (2480, 3508), 252)
    draw = ImageDraw.Draw(page)
    body, bold = face("serif", 54), face("serif-bold", 54)
    left, wide = 300, 1880
    if number == 0:
        draw.text((left, 210), "NESS ISLE HARBOUR TRUST", font=face("serif-bold", 84), fill=25)
        draw.text((left, 318), "Harbour Office, The Quay, Ness Isle", font=face("serif-italic", 48), fill=60)
        draw.text((left, 380), "Telephone 0555 0162 11", font=face("serif-italic", 48), fill=60)
        draw.line((left, 466, left + wide, 466), fill=40, width=5)
        y = 560
        for line in words.LETTER_ADDRESS:
            draw.text((left, y), line, font=body, fill=30)
            y += 70
        draw.text((left + wide, 560), "11 March 2025", font=body, fill=30, anchor="ra")
        draw.text((left + wide, 630), "Our ref. NIH/25/038", font=body, fill=30, anchor="ra")
        y = 960
        draw.text((left, y), words.LETTER_SUBJECT, font=bold, fill=25)
        y += 130
    else:
        draw.text((left, 210), "Ness Isle Harbour Trust, 11 March 2025, page 2", font=face("serif-italic", 46), fill=60)
        y = 360
    for paragraph in words.LETTER[number]:
        if isinstance(paragraph, list):
            for row in paragraph:
                for x, cell in zip((left + 60, left + 900, left + 1330), row):
                    draw.text((x, y), cell, font=bold if row is paragraph[0] else body, fill=30)
                y += 84
                draw.line((left + 50, y - 10, left + 1720, y - 10), fill=120, width=2)
            y += 50
            continue
        for line in wrapped(paragraph, body, wide):
            draw.text((left, y), line, font=body, fill=30)
            y += 76
        y += 44
    if number == 0:
        stamp(page, ["RECEIVED", "14 MAR 2025", "SKERRIN FERRIES"], (1330, 690), 7, 50)
        draw.text((left + wide, 3300), "…/2", font=body, fill=40, anchor="ra")
        assert y < 3280, f"the letter's first page runs to {y} of 3280"
    else:
        draw.text((left, y + 10), "Yours sincerely,", font=body, fill=30)
        signature(draw, left + 40, y + 250, 150, 7)
        draw.text((left, y + 400), "Hakon Sinclair", font=body, fill=30)
        draw.text((left, y + 472), "Harbour Master, Ness Isle", font=body, fill=30)
        draw.text((left, y + 610), "Enclosed: engineer's drawing 25-038/2; photographs (4)".replace("'", "’"), font=face("serif-italic", 48), fill=50)
    return page


def make_letter(path):
    """`scanned-letter.pdf`: two pages, each one JPEG, with no text behind it."""
    c = new_canvas(path, A4, title="Scan_20250314_0907", author="Office scanner", subject="", keywords="", date="20250314090700")
    for number, angle in enumerate((0.8, -0.55)):
        out = io.BytesIO()
        scanned(letter_page(number), angle, 20 + number).save(out, "JPEG", quality=55, dpi=(300, 300))
        out.seek(0)
        c.drawImage(ImageReader(out), 0, 0, *A4)
        c.showPage()
    c.save()


def make_receipt(path):
    """`photo-of-receipt.jpg`: taken with the telephone upright, stored lying down, with EXIF orientation 6."""
    wide, high = 1440, 1920
    rng = np.random.default_rng(5)
    grain = rng.normal(0, 1, (high, 4)).cumsum(0) * 0.5
    boards = np.repeat(grain, wide // 4, axis=1)[:, :wide] + rng.normal(0, 3, (high, wide))
    seams = (np.arange(wide) % 360 < 5)[None, :] * -55.0
    wood = np.stack([np.clip(base + boards * k + seams, 0, 255) for base, k in ((132, 0.9), (88, 0.8), (56, 0.7))], -1)
    photo = Image.fromarray(wood.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.6))

    slip = Image.new("RGB", (880, 1640), (250, 246, 236))
    draw = ImageDraw.Draw(slip)
    plain, bold, large = face("mono", 34), face("mono-bold", 34), face("mono-bold", 52)
    y = 70
    for line, font in [(words.RECEIPT_HEAD[0], large), *[(line, plain) for line in words.RECEIPT_HEAD[1:]]]:
        draw.text((440, y), line, font=font, fill=(50, 46, 52), anchor="mm")
        y += 62 if font is large else 48
    y += 30
    for left, right in words.RECEIPT:
        if left == "-":
            draw.line((60, y + 18, 820, y + 18), fill=(90, 84, 84), width=3)
            y += 44
            continue
        font = bold if left == "TOTAL" else plain
        draw.text((60, y), left, font=font, fill=(50, 46, 52))
        draw.text((820, y), right, font=font, fill=(50, 46, 52), anchor="ra")
        y += 54
    for k, line in enumerate(words.RECEIPT_FOOT):
        draw.text((440, y + 50 + k * 48), line, font=plain, fill=(50, 46, 52), anchor="mm")
    bars, x = random.Random(3), 190
    while x < 690:
        thick = bars.choice((3, 3, 6, 9))
        draw.rectangle((x, 1490, x + thick, 1580), fill=(50, 46, 52))
        x += thick + bars.choice((4, 4, 8))
    mask = Image.new("L", slip.size, 255)
    slip, mask = (layer.rotate(-1.8, expand=True, resample=Image.BICUBIC) for layer in (slip, mask))
    shadow = Image.new("L", photo.size, 0)
    shadow.paste(150, (288, 158), mask)
    photo.paste((30, 18, 10), (0, 0), shadow.filter(ImageFilter.GaussianBlur(16)))
    photo.paste(slip, (262, 118), mask)
    values = np.asarray(photo.filter(ImageFilter.GaussianBlur(0.8)), dtype=np.float32)
    across, down = np.linspace(-1, 1, wide)[None, :, None], np.linspace(-1, 1, high)[:, None, None]
    light = 1.03 - 0.16 * (across - 0.25) ** 2 - 0.14 * (down + 0.3) ** 2
    values = values * light * np.array([1.0, 0.945, 0.83]) + rng.normal(0, 2.2, (high, wide, 1))
    photo = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F], exif[0x0110], exif[0x0132] = "Fjord", "Fjord 4a", "2025:07:19 12:48:31"
    # Orientation 6 asks the viewer for a quarter turn clockwise, so the pixels are stored a quarter turn anticlockwise.
    photo.transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", quality=84, exif=exif, dpi=(72, 72))


def make_notice(path):
    """`site-notice.png`: a notice as the office put it on the web site."""
    wide, high = 1240, 1700
    page = Image.new("RGB", (wide, high), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, wide, 250), fill=(200, 85, 61))
    draw.polygon([(110, 195), (250, 195), (180, 65)], fill=(255, 255, 255))
    draw.text((180, 158), "!", font=face("sans-bold", 84), fill=(200, 85, 61), anchor="mm")
    draw.text((300, 128), "PIER CLOSED", font=face("sans-bold", 108), fill=(255, 255, 255), anchor="lm")
    y = 320
    for line, font, colour in words.NOTICE_HEAD:
        draw.text((90, y), line, font=face(*font), fill=colour)
        y += int(font[1] * 1.42)
    y += 30
    for left, right in words.NOTICE_ROWS:
        draw.rectangle((90, y, wide - 90, y + 92), fill=(232, 240, 243))
        draw.text((120, y + 46), left, font=face("sans-bold", 36), fill=(18, 52, 77), anchor="lm")
        draw.text((510, y + 46), right, font=face("sans", 36), fill=(34, 41, 47), anchor="lm")
        y += 106
    y += 34
    body = face("sans", 38)
    for paragraph in words.NOTICE:
        for line in wrapped(paragraph, body, wide - 180):
            draw.text((90, y), line, font=body, fill=(34, 41, 47))
            y += 56
        y += 26
    draw.rectangle((0, high - 110, wide, high), fill=(18, 52, 77))
    draw.text((90, high - 55), "Skerrin Ferries Cooperative", font=face("sans-bold", 36), fill=(255, 255, 255), anchor="lm")
    draw.text((wide - 90, high - 55), "Notice 31 of 2025", font=face("sans", 34), fill=(255, 255, 255), anchor="rm")
    assert y < high - 110, f"the notice runs to {y}"
    page.quantize(64, dither=Image.Dither.NONE).save(path, "PNG", optimize=True, dpi=(150, 150))


def make_fax(path):
    """`fax.tiff`: two frames, black and white, compressed as fax machines do (Group 4)."""
    frames = []
    for number, lines in enumerate(words.FAX, 1):
        page = Image.new("L", (1728, 2200), 255)
        draw = ImageDraw.Draw(page)
        draw.text((60, 26), f"12-MAY-2025 09:41   FROM: VANE SOUND FISH CO.   TO: 0555 0140 02   P.{number:02d}/02",
                  font=face("mono", 32), fill=0)
        y = 150
        for line in lines:
            name, size = "mono", 40
            if line.startswith("#"):
                name, size, line = "sans-bold", 74, line[1:].strip()
            elif line.startswith("*"):
                name, size, line = "mono-bold", 42, line[1:].strip()
            draw.text((120, y), line, font=face(name, size), fill=0)
            y += int(size * 1.5)
        if number == 2:
            signature(draw, 160, y + 110, 110, 16)
        assert y < 2080, f"fax page {number} runs to {y}"
        rng = np.random.default_rng(60 + number)
        values = np.asarray(page.rotate(0.3 * (-1) ** number, resample=Image.BICUBIC, fillcolor=255), dtype=np.float32)
        values = values + rng.normal(0, 26, values.shape)
        values[rng.random(values.shape) < 0.00025] = 0
        values[int(rng.integers(900, 1300)), 200:1500] = 0
        frames.append(Image.fromarray(np.where(values < 150, 0, 255).astype(np.uint8)).convert("1", dither=Image.Dither.NONE))
    frames[0].save(path, "TIFF", compression="group4", save_all=True, append_images=frames[1:], dpi=(204, 196))
