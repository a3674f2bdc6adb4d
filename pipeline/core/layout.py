"""The paths that the tools share (a stage gets its own from dvc.yaml), and the usable cores."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
DATASETS = Path("datasets")  # one file a data set
LOCK = Path("dvc.lock")
REQUIREMENTS = Path("requirements.lock")

LABELS = Path("labels")  # what people decided about masks: an input of extract
PAIRS = Path("data/pairs")  # pictures and masks, from extract
REVIEWED = Path("data/reviewed")  # the decisions that hold, and what they changed
INDEX = PAIRS / "index.csv"
SPLITS = Path("data/splits")  # train.csv, val.csv and test.csv

MODELS = Path("models")
CHECKPOINT = MODELS / "checkpoint.pth"
CONFIG = MODELS / "config.json"
ONNX = MODELS / "model.onnx"

METRICS = Path("metrics")  # one JSON file a stage
TRAIN_METRICS = METRICS / "train.json"
EVALUATE_METRICS = METRICS / "evaluate.json"
EXPORT_METRICS = METRICS / "export.json"
TABLES = METRICS / "tables"  # scores.csv, slices.csv and per_image.csv
PLOTS = METRICS / "plots"
SUSPECTS = METRICS / "labels"  # suspects.csv, masks/ and sheets/, from tools.labels

CACHE = "PETSEG_CACHE"  # names the folder of what can be rebuilt, if several machines share one

FP32, INT8 = PRECISIONS = ("fp32", "int8")  # of an exported model: it has a file in each


def int8_beside(model: Path) -> Path:
    """The INT8 file of a model: model.int8.onnx beside model.onnx."""
    return model.with_suffix(f".int8{model.suffix}")


def cores() -> int:
    """How many cores this process may use: fewer than the machine has, under Slurm or taskset."""
    affinity = getattr(os, "sched_getaffinity", None)  # missing on some systems
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def workspace_root() -> Path:
    """The repository that owns the lasting state: the MLflow store and the caches.

    DVC runs some experiments in a temporary copy of the workspace. DVC_ROOT then still names the
    repository that they came from. Installed as a package, it is the current folder.
    """
    own = Path(__file__).resolve().parents[2]
    here = own if (own / "dvc.yaml").is_file() else Path.cwd()
    return Path(os.environ.get("DVC_ROOT") or here)


def expand_home(path: str | Path) -> Path:
    """The path with ~ or ~NAME expanded; as it is, if there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises then


def in_repository(path: str) -> Path:
    """The place of a path in params.yaml: a relative one starts in the repository's root."""
    return workspace_root() / expand_home(path)


def cache_folder(name: str) -> Path:
    """Create and return the cache folder `name`, whose content can be rebuilt.

    It lies in .cache of the repository, or in the folder that PETSEG_CACHE names.
    """
    folder = in_repository(os.environ.get(CACHE) or ".cache") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
