"""The scores on the test list as people reviewed it, beside those on the list as published.

What people left out is left out, and masks that they corrected are taken. No such score replaces
the headline: a list that is reviewed with the model in view may be bent towards it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.reviewed import Verdict, read_decisions
from pipeline.scoring.measure import PER_IMAGE, Measured, joined
from pipeline.scoring.tables import headline, score_table

UNCHANGED = (None, Verdict.RIGHT)


def reviewed_headline(
    measured: Measured,
    names: Sequence[str],
    reviewed: Path,
    classes: Classes,
    measure_again: Callable[[list[str]], Measured],
) -> dict[str, Any]:
    """The headline on the reviewed list, and how many decisions of each kind made it: "reviewed".

    measured: of the named images, on the masks as published. reviewed: the folder that extract
    wrote. `measure_again` measures images, by their names, on the corrected masks in it.
    Empty without a decision about the list. Raises UserError if everything is left out.
    """
    decisions = read_decisions(reviewed)
    verdicts = {name: decisions[name].verdict for name in names if name in decisions}
    if not verdicts:
        return {}
    same = [place for place, name in enumerate(names) if verdicts.get(name) in UNCHANGED]
    left_out = {name for name, verdict in verdicts.items() if verdict is Verdict.LEAVE_OUT}
    corrected = [name for name in verdicts.keys() - left_out if verdicts[name] not in UNCHANGED]
    if len(left_out) == len(names):
        raise UserError("labels/review.csv leaves out the whole test list")
    # Tables read everything but the confusion matrix, which is of all images together.
    parts = [replace(measured, **{name: getattr(measured, name)[same] for name in PER_IMAGE})]
    parts += [measure_again(sorted(corrected))] if corrected else []
    table = score_table(joined(np.concatenate, parts), classes)
    scores = headline(table, len(same) + len(corrected), classes)
    by_kind = dict(sorted(Counter(map(str, verdicts.values())).items()))
    return {"reviewed": {"decisions": by_kind, **scores}}
