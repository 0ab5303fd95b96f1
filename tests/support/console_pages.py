"""The console's pages, and their pictures: `python -m tests.support.console_pages --out docs/images/console`."""

import argparse
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

from PIL import Image

from tests.support.browser import NARROW, WIDE, Language, Theme, open_browser, open_page
from tests.support.console_mill import run_console_mill
from tests.support.console_seed import MODEL, TUNED, seed

SETTLE_MS: Final = 2500
PICTURES: Final[dict[str, tuple[tuple[int, int], Theme, Language]]] = {
    "": (WIDE, "light", "en"),
    "-dark-zh": (WIDE, "dark", "zh"),
    "-narrow": (NARROW, "light", "zh"),
}
"""Endings of the pictures' names, and how the page is looked at."""
KEPT: Final = {"": None, "-dark-zh": {"run", "stories"}, "-narrow": {"run"}}
"""Which pages are kept in each way; None: all."""
COLOURS: Final = 128
"""Pages have few: a palette keeps the pictures small."""


def list_pages(ids: dict[str, str]) -> dict[str, str]:
    """Return each page's address by its name, on a seeded mill."""
    models = quote(MODEL)
    return {
        "home": "/",
        "recipes": "/recipes",
        "recipe": "/recipes/ultraman",
        "runs": "/runs",
        "run": f"/runs/{ids['run']}",
        "stories": f"/stories?run={ids['done']}",
        "datasets": "/datasets",
        "jobs": "/jobs",
        "job": f"/jobs/{ids['job']}",
        "models": "/models",
        "lineage": f"/models/{quote(TUNED)}",
        "playground": f"/playground?models={models},{models}&prompt={quote('唐,飞行,努力 ->')}",
        "cost": "/cost",
        "system": "/system",
    }


def take_pictures(out: Path) -> None:
    """Start a mill, seed it, and write the pictures of its pages."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="storymill-pictures-") as folder,
        run_console_mill(Path(folder) / "state") as mill,
        open_browser() as browser,
    ):
        ids = seed(mill.state_dir)
        context = browser.new_context(device_scale_factor=1)
        page = context.new_page()
        page.goto(mill.make_link())
        page.wait_for_selector(".shell")
        for ending, (size, theme, language) in PICTURES.items():
            with open_page(
                browser, mill.base_url, size=size, theme=theme, language=language, context=context
            ) as watched:
                for name, path in list_pages(ids).items():
                    if (kept := KEPT[ending]) is not None and name not in kept:
                        continue
                    watched.open(path)
                    watched.page.wait_for_timeout(SETTLE_MS)
                    if name == "playground":
                        watched.page.get_by_role("button", name="Write").click()
                        watched.page.wait_for_selector(".panel:last-child .verified", timeout=60_000)
                        watched.page.wait_for_timeout(SETTLE_MS)
                    write_small(watched.page.screenshot(), out / f"{name}{ending}.png")


def write_small(png: bytes, path: Path) -> None:
    """Write a picture with a palette."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Write the pictures of docs/console.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/console"))
    take_pictures(parser.parse_args().out)


if __name__ == "__main__":
    main()
