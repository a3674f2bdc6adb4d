"""Write a model card: one HTML file with numbers, pictures and origin, to read, print or mail."""

import argparse
import base64
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import file_digest, read_csv, read_json, write_file
from pipeline.core.layout import CHECKPOINT, METRICS, ONNX, PAIRS, PLOTS, TABLES
from pipeline.core.terminal import UserError, printable, run_command, say
from pipeline.data.classes import Classes
from pipeline.model.settings import ModelConfig
from tools.scores import existing, lowest, read_config, read_scores

if TYPE_CHECKING:
    import jinja2
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

TEMPLATES = Path(__file__).parent / "templates"
STAGES = ("download", "extract", "split", "train", "evaluate", "export")
SHEETS = ("examples", "median", "worst")
CHARTS = ("confusion", "reliability", "slices")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("--out", type=Path, help="HTML file (reports/NAME.html)")
    arguments = parser.parse_args()
    from pipeline.records.runs import checkpoint_run

    digest = file_digest(existing(CHECKPOINT))
    origin = origin_of(digest, file_digest(existing(ONNX)))
    page = render(
        origin=origin,
        stages={name: read_json(existing(METRICS / f"{name}.json")) for name in STAGES},
        config=read_config(),
        slices=read_csv(existing(TABLES / "slices.csv")).to_dict("records"),
        images=pictures(),
    )
    name = re.sub(r"[^.\w+-]", "_", origin["name"])  # people may call a run a/b
    name = name.encode()[:200].decode(errors="ignore")  # a file's name has 255 bytes at most
    file = arguments.out or Path("reports") / f"{name}.html"
    write_file(file, page)
    with checkpoint_run(digest, PAIRS) as run:
        run.log_artifact(file, "report")
    say(f"report: {file} ({file.stat().st_size / 1e6:.1f} MB)")


def origin_of(checkpoint_sha256: str, onnx_sha256: str) -> dict[str, Any]:
    """The model's run and version. Raises UserError without a run, which `dvc repro` opens."""
    from pipeline.records.runs import find_run
    from pipeline.records.store import open_store
    from pipeline.records.versions import find_served, list_versions, model_name

    store = open_store()
    run = find_run(store, checkpoint_sha256)
    if run is None:
        raise UserError(
            f"no MLflow run knows this checkpoint ({checkpoint_sha256[:12]}): run `make`, which"
            " records what DVC's cache restored"
        )
    return {
        "name": run.info.run_name,
        "run_id": run.info.run_id,
        "date": datetime.fromtimestamp(run.info.start_time / 1000, UTC).date().isoformat(),
        "tags": run.data.tags,
        "params": dict(sorted(run.data.params.items())),
        "model": model_name(),
        "version": find_served(list_versions(store.uri), onnx_sha256),
        "onnx_sha256": onnx_sha256,
    }


def tiles(classes: Classes, words: Mapping[str, str]) -> dict[str, str]:
    """The scores at the top of the page with their names: one of each kind in `headline_words`."""
    kinds = [f"iou.{classes.subject}", r"\w+\.iou\..*", r"boundary_iou\..*"]
    found = [next(filter(re.compile(kind).fullmatch, words), None) for kind in kinds]
    names = [*filter(None, found), "per_image.worst_tenth_miou", "calibration_error"]
    return {"miou": "test mIoU"} | {name: words[name] for name in names}


def render(*, config: ModelConfig, **content: Any) -> str:
    """The page of the report; the template says what it needs."""
    words, scores = read_scores(config.classes)
    names = config.classes.names
    content["absent"] = [name for name in names if isnan(scores[f"iou.{name}"]["value"])]
    shown = {name: words[name] for name in lowest(words, scores)}
    top = tiles(config.classes, words)
    template = load_template("report.html")
    return template.render(config=config, scores=scores, words=shown, tiles=top, **content)


@cache
def load_template(name: str) -> "jinja2.Template":
    """A template of a page that people may mail: one file, whose texts are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What a macro made is markup, and its texts were printable before.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["score"] = lambda score: f"{score:.3f}".replace("nan", "absent")
    environment.filters["count"] = "{:,}".format
    return environment.get_template(name)


def pictures() -> dict[str, str]:
    """All pictures as data URLs; photographs as JPEG, to make the file small enough to mail."""
    from PIL import Image

    from pipeline.scoring.plots import draw_curves

    files = {name: existing(PLOTS / f"evaluate/{name}.png") for name in (*SHEETS, *CHARTS)}
    found = {name: _data_url(files[name].read_bytes(), "png") for name in CHARTS}
    for name in SHEETS:
        with Image.open(files[name]) as image:
            found[name] = picture_url(image.convert("RGB"))
    curves = draw_curves(read_csv(existing(PLOTS / "train/curves.csv")))
    return found | {"curves": figure_url(curves)}


def picture_url(picture: "Picture") -> str:
    """The picture as a JPEG in a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return _data_url(buffer.getvalue(), "jpeg")


def figure_url(figure: "Figure") -> str:
    """The figure as a PNG in a data URL."""
    from pipeline.scoring.plots import save_figure

    buffer = io.BytesIO()
    save_figure(buffer, figure)
    return _data_url(buffer.getvalue(), "png")


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


if __name__ == "__main__":
    run_command(main)
