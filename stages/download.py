"""Put the archives of the data set into a folder: from urls, from paths, or drawn here."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.files import file_digest, write_json
from pipeline.core.layout import cache_folder
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, path_arguments, run_command, say
from pipeline.data.description import (
    DownloadParams,
    Place,
    SampleParams,
    Source,
    Sources,
    read_description,
)
from pipeline.ingest.archives import archive_path, check_archive
from pipeline.ingest.fetch import fetch


def main() -> None:
    paths = {
        "datasets": "folder of descriptions, with the data set's NAME.yaml",
        "raw": "folder to fill: the archives of the data set",
        "metrics": "JSON file to write: names, sizes, md5",
    }
    arguments = path_arguments("download", __doc__, paths)
    params = read_section("download", DownloadParams)
    where = arguments.datasets / f"{params.dataset}.yaml"
    sources = replace_sources(read_description(where).sources, params.places, where)
    archives = download(sources, arguments.raw, cache_folder("downloads"))
    metrics = {stem: describe(archive) for stem, archive in archives.items()}
    write_json(arguments.metrics, {"dataset": params.dataset, **metrics})


def replace_sources(sources: Sources, places: Sequence[Place], where: Path) -> Sources:
    """The sources with those of download.places. Raises UserError for a name that is none."""
    known = {} if isinstance(sources, SampleParams) else sources
    for place in places:
        if place.source not in known:
            names = ", ".join(known) or "none: it is drawn here"
            strange = f"{where} has no source '{place.source}'; known: {names}"
            raise UserError(f"params.yaml: download.places: {strange}")
    replaced = {place.source: Source(place.url, place.md5) for place in places}
    return {**known, **replaced} if known else sources


def download(sources: Sources, raw: Path, cache: Path) -> dict[str, Path]:
    """Leave an archive of each source in `raw`; return them by name.

    Partial downloads are kept in the folder `cache`. Raises UserError for an archive that cannot be
    fetched, or is none.
    """
    if isinstance(sources, SampleParams):
        from pipeline.sample import draw_sample  # with Pillow, which only the drawing needs

        draw_sample(raw, sources)
        return {stem: archive_path(raw, stem) for stem in ("images", "annotations")}
    archives = {stem: archive_path(raw, stem) for stem in sources}
    for archive, source in zip(archives.values(), sources.values(), strict=True):
        fetch((source.url, *source.mirrors), archive, source.md5, cache)
        check_archive(archive)
    return archives


def describe(archive: Path) -> dict[str, str | int]:
    """Name, bytes and md5 of an archive, printed as well."""
    size, md5 = archive.stat().st_size, file_digest(archive, "md5")
    say(f"{archive.name}: {size:,} bytes, md5 {md5}")
    return {"file": archive.name, "bytes": size, "md5": md5}


if __name__ == "__main__":
    run_command(main)
