"""A version by the name that people give it: its number or one of its aliases."""

from collections.abc import Sequence

from pipeline.core.terminal import UserError
from pipeline.records.registry import MODEL_NAME, Version


def find_named(versions: Sequence[Version], name: str) -> Version:
    """The version called "3" or "@champion". Raises UserError, which says what there is."""
    for version in versions:
        if name in (str(version.number), *alias_names(version)):
            return version
    known = [" ".join((str(each.number), *alias_names(each))) for each in reversed(versions)]
    raise UserError(
        f"{MODEL_NAME} has no version {name}; registered: "
        + (", ".join(known) or "none, run `make` first")
    )


def alias_names(version: Version) -> list[str]:
    """Its aliases as people write them: ["@challenger", "@champion"]."""
    return [f"@{alias}" for alias in version.aliases]
