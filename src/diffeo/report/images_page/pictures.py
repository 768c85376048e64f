"""Pictures as pieces of HTML that need no other file."""

from __future__ import annotations

import base64
import io

from diffeo.errors import import_extra
from diffeo.report.images_page.content import Array, Shown
from diffeo.report.page.html import text

__all__ = ["figures", "picture"]

# screen pixels that small pictures are enlarged to, by a whole factor
_WIDE, _TALL, _LARGEST = 620, 420, 6


def picture(shown: Shown) -> str:
    """A figure with the picture as a PNG inside, enlarged so that its pixels can be seen."""
    height, width, _ = shown.picture.shape
    scale = max(1, min(_WIDE // width, _TALL // height, _LARGEST))
    below = f"<figcaption>{text(shown.caption)}</figcaption>" if shown.caption else ""
    return (
        f'<figure class="picture"><img src="data:image/png;base64,{_png(shown.picture)}" '
        f'alt="{text(shown.alt)}" width="{width * scale}" height="{height * scale}">'
        f"{below}</figure>"
    )


def figures(shown: tuple[Shown, ...]) -> str:
    """Pictures beside each other, as many as there is room for."""
    return f'<div class="pictures">{"".join(map(picture, shown))}</div>'


def _png(array: Array) -> str:
    image = import_extra("PIL.Image", "images")
    written = io.BytesIO()
    image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(
        written, "PNG", optimize=True
    )
    return base64.b64encode(written.getvalue()).decode("ascii")
