"""Extract the archives, check every pair of image and mask, and apply people's reviews of them."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import write_json
from pipeline.core.params import STRICT, read_section
from pipeline.core.terminal import path_arguments, run_command
from pipeline.data.description import DownloadParams, read_description


@dataclass(frozen=True, config=STRICT)
class ExtractParams:
    """The params.yaml section `extract`."""

    max_quarantined_fraction: Annotated[float, Field(ge=0, le=1)]  # of the listed names
    shards: Annotated[int, Field(ge=0, le=100_000)]  # tar files that hold the pairs; 0: none does


def main() -> None:
    paths = {
        "datasets": "folder of descriptions, with the data set's NAME.yaml",
        "raw": "folder with the archives of the data set",
        "labels": "folder of people's decisions about masks, and of added pairs",
        "data": "folder to write: images/ and masks/, or shards/; tables about them",
        "reviewed": "folder to write: decisions that hold, masks that they changed, added pairs",
        "metrics": "JSON file to write: counts",
    }
    arguments = path_arguments("extract", __doc__, paths)
    params = read_section("extract", ExtractParams)
    dataset = read_section("download", DownloadParams).dataset
    from pipeline.ingest.extraction import extract
    from pipeline.ingest.reviews import apply_reviews

    where = arguments.datasets / f"{dataset}.yaml"
    description = read_description(where)
    metrics = extract(
        description,
        where,
        arguments.raw,
        arguments.data,
        params.max_quarantined_fraction,
        shards=params.shards,
    )
    counts = apply_reviews(description, where, arguments.labels, arguments.data, arguments.reviewed)
    write_json(arguments.metrics, metrics | counts)


if __name__ == "__main__":
    run_command(main)
