"""Compare what served models saw with what they were scored on, and estimate how right they are."""

import argparse
import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import write_file
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, run_command, say

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.monitoring.drift import MonitorParams, Verdict
    from pipeline.records.versions import Version

NAMED = 3  # features that the line for a shell names; the page has all
SCORES = {"pixel_accuracy": "pixel accuracy", "miou": "mIoU"}  # as an `Estimate` has them
PAGE = Path("reports/monitor.html")
BARS = 24  # of a histogram
MOST = 9  # features that are drawn: the farthest


@dataclass(frozen=True)
class Found:
    """What a log says of one version."""

    version: "Version"
    rows: "pd.DataFrame"
    verdict: "Verdict"

    @property
    def name(self) -> str:
        return f"version {' '.join(self.version.names)}"


def main() -> int:
    arguments = parse_arguments()
    from pipeline.monitoring.drift import MonitorParams
    from pipeline.monitoring.log import read_log
    from pipeline.records.registry import MONITOR_TAGS, record_monitoring
    from pipeline.records.store import open_store
    from pipeline.records.versions import list_versions

    params = read_section("monitor", MonitorParams)
    rows = read_log(arguments.log, datetime.now(UTC) - timedelta(days=params.days))
    if rows.empty:
        raise UserError(f"{arguments.log}: no row in the last {params.days:g} days (monitor.days)")
    store = open_store()
    found, refused, unknown = judge_versions(rows, list_versions(store.uri), params)
    problems = refused + unknown
    write_file(arguments.out, render(arguments.log, found, problems, params))
    for line in (*map(line_of, found), *problems, f"page: {arguments.out}"):
        say(line)
    drifted = [each for each in found if each.verdict.drifted]
    failed = ""
    for each in found:
        told, alarmed = summary(each), each.version.tags.get(f"{MONITOR_TAGS}alarmed")
        if each.verdict.drifted and params.on_drift is not None and alarmed != told["until"]:
            said = alert(params.on_drift, told)
            failed = failed or said
            alarmed = alarmed if said else told["until"]  # else the next look tries it again
        tags = tags_of(told) | ({"alarmed": alarmed} if alarmed else {})
        record_monitoring(store, each.version, tags)
    if failed:
        raise UserError(failed)
    return int(bool(drifted or refused or not found))


def judge_versions(
    rows: "pd.DataFrame", versions: "Sequence[Version]", params: "MonitorParams"
) -> tuple[list[Found], list[str], list[str]]:
    """Judge the log's versions; say which lack a reference, and which digests no version has."""
    from pipeline.monitoring.drift import judge
    from pipeline.monitoring.reference import read_reference
    from pipeline.records.models import find_reference
    from pipeline.records.versions import find_served

    digests = rows["digest"].astype(str)
    labelled = {digest: find_served(versions, digest) for digest in digests.unique()}
    found, refused = [], []
    for version in {each.number: each for each in labelled.values() if each}.values():
        own = rows[digests.map(lambda digest, version=version: labelled[digest] == version)]
        try:
            reference = read_reference(find_reference(version))
        except UserError as error:
            refused.append(f"{len(own)} pictures not compared: {error}")
            continue
        found.append(Found(version, own, judge(own, reference, params)))
    unknown = [
        f"{(digests == digest).sum()} pictures not compared: no registered version has a file "
        f"whose sha256 begins with {digest}"
        for digest, version in labelled.items()
        if version is None
    ]
    return found, refused, unknown


def line_of(found: Found) -> str:
    """All that matters in one line."""
    verdict = found.verdict
    if verdict.windows:
        parts = [f"{verdict.broken} of {len(verdict.windows)} windows break a limit"]
    else:
        parts = [f"{len(found.rows)} pictures are less than a window"]
    shifts = {shift.feature: str(shift) for shift in verdict.shifts}
    moved = [name for name in verdict.moved if name in shifts]
    parts += [shifts[name] for name in moved[:NAMED]]
    if more := moved[NAMED:]:
        parts.append(f"{len(more)} more features")
    for name, each in estimates(verdict).items():
        interval = f"{each['estimate']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
        parts.append(
            f"estimated {SCORES[name]} {interval}, {each['reference']:.3f} in the reference"
        )
    return f"{verdict.outcome}: {found.name}: {'; '.join(parts)}"


def estimates(verdict: "Verdict") -> dict[str, dict[str, float]]:
    """Each of SCORES as a `Score` has it; empty without an estimate."""
    found = verdict.estimate
    return {name: getattr(found, name)._asdict() for name in SCORES} if found else {}


def summary(found: Found) -> dict[str, Any]:
    """The verdict for programs, as `monitor.on_drift` gets it."""
    from pipeline.records.versions import model_name

    verdict, times = found.verdict, found.rows["time"]
    since = verdict.windows[0].start if verdict.windows else times.iloc[0]
    return {
        "model": model_name(),
        "version": found.version.number,
        "verdict": verdict.outcome,
        "line": line_of(found),
        "windows": len(verdict.windows),
        "broken": verdict.broken,
        "since": since.isoformat(),
        "until": times.iloc[-1].isoformat(),
        "moved": {
            each.feature: {"median": each.now, "was": each.before, "distance": each.distance}
            for each in verdict.shifts
            if each.feature in verdict.moved
        },
        **estimates(verdict),
    }


def tags_of(told: Mapping[str, Any]) -> dict[str, str]:
    """What the version's tags say of the summary, each after `monitor.`."""
    tags = {key: str(told[key]) for key in ("verdict", "windows", "broken", "since", "until")}
    tags["moved"] = ", ".join(told["moved"]) or "nothing"
    return tags | {name: f"{told[name]['estimate']:.4f}" for name in SCORES if name in told}


def alert(command: str, told: dict[str, Any]) -> str:
    """Run the command with the verdict on its standard input; return what went wrong, if it did."""
    try:
        words = shlex.split(command)
        done = subprocess.run(words, input=json.dumps(told) + "\n", text=True, check=False)
    except (OSError, ValueError, IndexError) as error:
        return f"monitor.on_drift: {command!r} cannot be run: {error}"
    return f"monitor.on_drift: {command!r} failed: {done.returncode}" if done.returncode else ""


def shadows(rows: "pd.DataFrame") -> dict[str, Any] | None:
    """How far a shadow model agrees: its digest, pictures, share of the pixels, IoU by class.

    The server writes the columns: see `tools.serving.afterwards.agreement`. None without any.
    """
    if "shadow.agreement" not in rows or rows["shadow.agreement"].isna().all():
        return None
    rows = rows[rows["shadow.agreement"].notna()]
    start, pixels = "shadow.either.", rows["width"] * rows["height"]
    names = [name.removeprefix(start) for name in map(str, rows) if name.startswith(start)]
    totals = {
        name: (rows[f"shadow.both.{name}"].sum(), rows[f"{start}{name}"].sum()) for name in names
    }
    return {
        "digests": ", ".join(sorted(set(rows["shadow.digest"]))),
        "pictures": len(rows),
        "agreement": float((rows["shadow.agreement"] * pixels).sum() / pixels.sum()),
        "iou": {name: float(both / either) for name, (both, either) in totals.items() if either},
    }


def render(log: Path, found: Sequence[Found], problems: Sequence[str], params: Any) -> str:
    """The page; the template says what it needs."""
    from pipeline.records.versions import model_name
    from tools.report import figure_url, load_template

    shown = []
    for each in found:
        verdict = each.verdict
        judged = each.rows.tail(len(verdict.windows) * params.window or len(each.rows))
        # Without shifts there are too few pictures to compare.
        chart = figure_url(draw_features(judged, verdict)) if verdict.shifts else ""
        shown.append({"found": each, "chart": chart, "shadow": shadows(each.rows)})
    content = {"log": log, "shown": shown, "problems": problems, "params": params}
    return load_template("monitor.html").render(model=model_name(), **content)


def draw_features(rows: "pd.DataFrame", verdict: "Verdict") -> "Figure":
    """Draw how features are spread in a log's rows, over how they were at the evaluation."""
    import numpy as np
    from matplotlib.figure import Figure

    from pipeline.scoring.plots import BLUE, GREY, RED

    pictures, drawn = verdict.reference.features, verdict.shifts[:MOST]
    across = min(3, len(drawn))
    down = -(-len(drawn) // across)
    figure = Figure(figsize=(3.4 * across, 2.3 * down + 0.4), layout="constrained")
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes, shift in zip(every, drawn, strict=False):
        now, before = rows[shift.feature].dropna().astype(float), pictures[shift.feature].dropna()
        edges = np.histogram_bin_edges([*now, *before], BARS)
        now_colour = RED if shift.feature in verdict.moved else BLUE
        if len(before):  # a mixture may have none
            axes.hist(before, edges, density=True, histtype="stepfilled", color=GREY, alpha=0.35)
        axes.hist(now, edges, density=True, histtype="step", color=now_colour)
        axes.set_title(shift.feature, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.set_yticks([])
    for axes in every[len(drawn) :]:
        axes.remove()
    return figure


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.monitor", description=__doc__)
    parser.add_argument("log", type=Path, help="folder of a prediction log: serve --log writes one")
    parser.add_argument("--out", type=Path, default=PAGE, help=f"HTML file ({PAGE})")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
