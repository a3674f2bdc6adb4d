"""Write a model card: one HTML file with numbers, pictures and origin, to read, print or mail."""

import argparse
import base64
import io
import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from pipeline.core.files import atomic_file, file_digest
from pipeline.core.terminal import UserError, console, run_command
from pipeline.data.pets import CLASSES
from pipeline.records.runs import checkpoint_run, find_run
from pipeline.records.store import Store, open_store
from pipeline.records.versions import find_version
from pipeline.scoring.plots import draw_curves, save_figure
from tools.scores import SHOWN

TEMPLATES = Path(__file__).parent / "templates"
STAGE_METRICS = ("download", "extract", "split", "train", "evaluate", "export")
SHEETS = ("examples", "median", "worst")
PLOTS = ("confusion", "reliability", "breeds")


def main() -> None:
    arguments = parse_arguments()
    store = open_store()
    digest = file_digest(existing(arguments.models / "checkpoint.pth"))

    origin = origin_of(store, digest, arguments.models / "model.onnx")
    page = render(
        origin=origin,
        stages={name: read_json(arguments.metrics / f"{name}.json") for name in STAGE_METRICS},
        config=read_json(arguments.models / "config.json"),
        scores=rows(arguments.metrics / "tables/scores.csv"),
        slices=rows(arguments.metrics / "tables/slices.csv"),
        images=pictures(arguments.metrics / "plots"),
    )
    name = re.sub(r"[^.\w+-]", "_", origin["name"])  # people may call a run a/b
    file = arguments.out or Path("reports") / f"{name}.html"
    with atomic_file(file) as temporary:
        temporary.write_text(page, encoding="utf-8")
    with checkpoint_run(digest, arguments.pets) as run:
        run.log_artifact(file, "report")
    console.print(f"report: {file} ({file.stat().st_size / 1e6:.1f} MB)", highlight=False)


def render(**content: Any) -> str:
    """The page of the report; what it takes is said by the template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    environment.filters["score"] = lambda score: "-" if pd.isna(score) else f"{score:.3f}"
    environment.filters["count"] = lambda number: f"{number:,}"
    template = environment.get_template("report.html")
    return template.render(classes=CLASSES, shown=SHOWN, **content)


def origin_of(store: Store, checkpoint_sha256: str, onnx_file: Path) -> dict[str, Any]:
    """What the store knows of the model's run and version; a run is opened by `dvc repro`."""
    run = find_run(store, checkpoint_sha256)
    if run is None:
        raise UserError(
            f"no MLflow run knows this checkpoint ({checkpoint_sha256[:12]}): run `make`, which"
            " records what DVC's cache restored"
        )
    onnx_sha256 = file_digest(onnx_file) if onnx_file.is_file() else None
    return {
        "name": run.info.run_name,
        "run_id": run.info.run_id,
        "date": pd.Timestamp(run.info.start_time, unit="ms").date().isoformat(),
        "tags": run.data.tags,
        "params": dict(sorted(run.data.params.items())),
        "version": find_version(store.uri, onnx_sha256) if onnx_sha256 else None,
        "onnx_sha256": onnx_sha256,
    }


def pictures(plots: Path) -> dict[str, str]:
    """All pictures as data URLs: photographs as JPEG, so that the file can be mailed."""
    found = {name: _photographic(existing(plots / f"evaluate/{name}.png")) for name in SHEETS}
    found |= {
        name: _data_url(existing(plots / f"evaluate/{name}.png").read_bytes(), "png")
        for name in PLOTS
    }
    buffer = io.BytesIO()
    save_figure(buffer, draw_curves(pd.read_csv(existing(plots / "train/curves.csv"))))
    return found | {"curves": _data_url(buffer.getvalue(), "png")}


def rows(file: Path) -> list[dict[Hashable, Any]]:
    """The rows of a table as the template reads them."""
    return pd.read_csv(existing(file)).to_dict("records")


def existing(file: Path) -> Path:
    """The file. Raises UserError if it is not there."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)")
    return file


def read_json(file: Path) -> Any:
    return json.loads(existing(file).read_text())


def _photographic(file: Path) -> str:
    buffer = io.BytesIO()
    with Image.open(file) as image:
        image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return _data_url(buffer.getvalue(), "jpeg")


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("--metrics", type=Path, default=Path("metrics"), help="folder of scores")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the model")
    parser.add_argument("--pets", type=Path, default=Path("data/pets"), help="the data set")
    parser.add_argument("--out", type=Path, help="HTML file (reports/NAME.html)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
