"""Put the two archives of the data set into a folder: from a url, from a path, or drawn here."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from pipeline.core.files import file_digest, write_json
from pipeline.core.layout import cache_folder
from pipeline.core.params import STRICT, read_section
from pipeline.core.terminal import console, path_arguments, redacted, run_command
from pipeline.ingest.archives import archive_name, check_archive
from pipeline.ingest.fetch import fetch
from pipeline.sample import SampleParams


def _without_password(url: str) -> str:
    if redacted(url) != url:
        raise ValueError("user and password do not belong in params.yaml: put them into ~/.netrc")
    return url


Address = Annotated[str, Field(min_length=1), AfterValidator(_without_password)]


@dataclass(frozen=True, config=STRICT)
class ArchiveParams:
    """Where one archive comes from."""

    url: Address  # http(s), file: or a path
    md5: Annotated[str, Field(pattern="^[0-9a-fA-F]{32}$")] | None = None  # verified if given
    mirrors: tuple[Address, ...] = ()  # tried in order after the url


@dataclass(frozen=True, config=STRICT)
class FetchedParams:
    """A data set in the official layout that exists somewhere."""

    images: ArchiveParams
    annotations: ArchiveParams


def _kind(values: object) -> str:
    return "drawn" if isinstance(values, dict) and "builtin" in values else "fetched"


# One entry of `datasets`: drawn if it has the key `builtin`, else fetched.
DatasetParams = Annotated[
    Annotated[SampleParams, Tag("drawn")] | Annotated[FetchedParams, Tag("fetched")],
    Discriminator(_kind),
]


DatasetName = Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]  # others mislead `dvc exp run -S`


@dataclass(frozen=True, config=STRICT)
class DownloadParams:
    """The params.yaml section `download`."""

    dataset: str  # one of the names in `datasets`
    datasets: dict[DatasetName, DatasetParams]

    def __post_init__(self) -> None:
        if self.dataset not in self.datasets:
            known = ", ".join(self.datasets) or "none"
            raise ValueError(f"dataset '{self.dataset}' is not in datasets; known: {known}")


def main() -> None:
    paths = {
        "raw": "folder to fill: the archives images.*, annotations.*",
        "metrics": "JSON file to write: names, sizes, md5",
    }
    arguments = path_arguments("download", __doc__, paths)
    params = read_section("download", DownloadParams)
    dataset = params.datasets[params.dataset]
    archives = download(dataset, arguments.raw, cache_folder("downloads"))
    metrics = {stem: describe(archives[stem]) for stem in ("images", "annotations")}
    write_json(arguments.metrics, {"dataset": params.dataset, **metrics})


def download(dataset: SampleParams | FetchedParams, raw: Path, cache: Path) -> dict[str, Path]:
    """Leave one `images.tar*` and one `annotations.tar*` in `raw`; return them by stem.

    Partial downloads are kept in the folder `cache`. Raises UserError for an archive that cannot be
    fetched, or is none.
    """
    if isinstance(dataset, SampleParams):
        from pipeline.sample import draw_sample  # with Pillow, which only the drawing needs

        draw_sample(raw, dataset)
        archives = {stem: raw / f"{stem}.tar" for stem in ("images", "annotations")}
    else:
        archives = {}
        # The small one first: DVC discards what is in `raw` when the stage fails.
        for stem, source in (("annotations", dataset.annotations), ("images", dataset.images)):
            archives[stem] = raw / archive_name(stem, source.url)
            fetch((source.url, *source.mirrors), archives[stem], source.md5, cache)
            check_archive(archives[stem])
    # Archives of an earlier data set, and what a killed run left of one.
    for stem, archive in archives.items():
        for path in {*raw.glob(f"{stem}.*"), *raw.glob(f".{stem}.*.tmp")} - {archive}:
            path.unlink()
    return archives


def describe(archive: Path) -> dict[str, str | int]:
    """Name, bytes and md5 of an archive, printed as well."""
    size, md5 = archive.stat().st_size, file_digest(archive, "md5")
    console.print(f"{archive.name}: {size:,} bytes, md5 {md5}", soft_wrap=True)
    return {"file": archive.name, "bytes": size, "md5": md5}


if __name__ == "__main__":
    run_command(main)
