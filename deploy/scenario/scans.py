"""Sample scans: A4 pages as a phone would photograph them, drawn here so that no real person's papers are shipped.

    python -m deploy.scenario.scans OUT_DIR [--seed N]

A page of made-up text is drawn, grained, lit unevenly, turned by a perspective and saved as JPEG. The same seed gives
the same pixels; sizes fall between 0.2 and 1.5 MB depending on `quality` and `height`.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, UnidentifiedImageError

from server.dossier.body import MAX_PREVIEW_BYTES

A4_RATIO = 210 / 297


@dataclass(frozen=True, slots=True)
class Scan:
    """One sample page: `name` is a file name, `part` the component of the procedure it stands for."""

    name: str
    part: str
    jpeg: bytes


BIRTH_NOTICE = (
    "GIẤY CHỨNG SINH (MẪU THỬ)",
    "Họ và tên mẹ: Lò Thị Mẫu",
    "Năm sinh: 1998 · Dân tộc: Thái",
    "Nơi thường trú: bản Mẫu, xã Mẫu Sơn",
    "Đã sinh con vào lúc: 04 giờ 20 phút ngày 17/11/2026",
    "Tại: Trạm Y tế xã Mẫu Sơn",
    "Số con trong lần sinh này: 01 · Giới tính: Nữ",
    "Cân nặng: 2900 g",
    "Dự định đặt tên con: Lò Thị Ban Mai",
    "Giấy này được vẽ bằng máy, không phải giấy tờ của ai.",
)
RESIDENCE = (
    "XÁC NHẬN THÔNG TIN VỀ CƯ TRÚ (MẪU THỬ)",
    "Chủ hộ: Lò Văn Mẫu",
    "Địa chỉ: bản Mẫu, xã Mẫu Sơn",
    "Thành viên: Lò Văn Mẫu, Lò Thị Mẫu",
    "Ngày cấp: 02/03/2025",
    "Giấy này được vẽ bằng máy, không phải giấy tờ của ai.",
)


def draw_preview(jpeg: bytes) -> bytes | None:
    """Return a small JPEG of a picture, at most `MAX_PREVIEW_BYTES`, as a phone makes one when it takes it; None for
    bytes that are no picture."""
    try:
        opened = Image.open(io.BytesIO(jpeg))
    except UnidentifiedImageError:
        return None
    with opened as picture:
        for side in (480, 384, 300, 220, 140):
            small = picture.convert("RGB")
            small.thumbnail((side, side))
            for quality in (50, 35, 20):
                out = io.BytesIO()
                small.save(out, "JPEG", quality=quality, optimize=True)
                if len(out.getvalue()) <= MAX_PREVIEW_BYTES:
                    return out.getvalue()
    return None


def draw_scan(lines: Sequence[str], *, seed: int, height: int = 1500, quality: int = 60, grain: float = 14.0) -> bytes:
    """Return a JPEG of one A4 page of `lines`, `height` pixels tall before the perspective, from `seed` alone."""
    dice = random.Random(seed)
    width = round(height * A4_RATIO)
    page = _written_page(lines, width, height, dice)
    page = _lit_unevenly(page, dice)
    page = ImageChops.add(page, _grain(width, height, grain, dice), scale=1, offset=-128)
    page = _photographed(page, dice)
    out = io.BytesIO()
    page.convert("RGB").save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def sample_scans(seed: int = 1) -> tuple[Scan, Scan]:
    """Return the two papers of the demo's birth registration, each 0.2 to 0.3 MB."""
    return (
        Scan("giay-chung-sinh.jpg", "giay-chung-sinh", draw_scan(BIRTH_NOTICE, seed=seed, height=1400, quality=70)),
        Scan("giay-to-cu-tru.jpg", "giay-to-cu-tru", draw_scan(RESIDENCE, seed=seed + 1, height=1400, quality=73)),
    )


def _written_page(lines: Sequence[str], width: int, height: int, dice: random.Random) -> Image.Image:
    page = Image.new("L", (width, height), 244)
    pen = ImageDraw.Draw(page)
    title, body = _font(height // 34), _font(height // 48)
    y = height // 12
    for number, line in enumerate(lines):
        font = body if number else title
        pen.text((width // 10 + dice.randint(-3, 3), y), line, font=font, fill=dice.randint(20, 60))
        y += height // (16 if number == 0 else 22)
    for _ in range(18):  # ruled lines filled in by hand
        y += height // 34
        pen.line((width // 10, y, width * 9 // 10, y), fill=170)
        x = width // 10
        while x < width * 8 // 10:
            step = dice.randint(4, 14)
            pen.line((x, y - dice.randint(2, 12), x + step, y - dice.randint(2, 12)), fill=70, width=2)
            x += step + dice.choice((2, 2, 2, 18))
    pen.ellipse(
        (width * 6 // 10, height * 8 // 10, width * 8 // 10, height * 8 // 10 + width // 5), outline=110, width=4
    )
    return page


def _lit_unevenly(page: Image.Image, dice: random.Random) -> Image.Image:
    shade = Image.linear_gradient("L").rotate(dice.choice((0, 90, 180, 270))).resize(page.size)
    return ImageChops.multiply(page, shade.point(lambda value: 200 + value * 55 // 255))


def _grain(width: int, height: int, strength: float, dice: random.Random) -> Image.Image:
    # Image.effect_noise draws from a generator of its own that no seed reaches; these bytes come from `dice`.
    noise = Image.frombytes("L", (width, height), dice.randbytes(width * height))
    return noise.point(lambda value: 128 + round((value - 128) * strength / 74)).filter(ImageFilter.BoxBlur(0.6))


def _photographed(page: Image.Image, dice: random.Random) -> Image.Image:
    width, height = page.size
    table = Image.new("L", (width + width // 8, height + height // 10), 92)
    table.paste(page, (width // 16, height // 20))
    wide, tall = table.size
    jitter = [dice.randint(0, width // 24) for _ in range(8)]
    corners = (
        (-jitter[0], -jitter[1]),
        (-jitter[2], tall + jitter[3]),
        (wide + jitter[4], tall + jitter[5]),
        (wide + jitter[6], -jitter[7]),
    )
    flat = tuple(float(value) for corner in corners for value in corner)
    return table.transform(table.size, Image.Transform.QUAD, flat, Image.Resampling.BICUBIC, fillcolor=92)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # not installed; the next, and at last Pillow's own, which lacks some Vietnamese letters
            continue
    return ImageFont.load_default(size)


def main() -> None:
    """Write the sample scans into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for scan in sample_scans(options.seed):
        (options.out / scan.name).write_bytes(scan.jpeg)
        print(f"{options.out / scan.name}  {len(scan.jpeg):,} bytes")


if __name__ == "__main__":
    main()
