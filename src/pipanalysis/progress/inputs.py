"""The only files that the progress page is made from: what intake and derive wrote before the arm is joined.

The workflow takes its inputs from here and the page reads through here, so that neither can reach anything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import DataError, Problem
from pipanalysis.study.event_tables import event_file

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.load import Study


def event_tables(study: Study) -> list[str]:
    """Return the event tables that the page shows something of, those whose file is there; never a closed one."""
    progress = study.progress
    named = [progress.screening.table] if progress.screening else []
    named += [str(study.instruments[coding.instrument].double_coded) for coding in progress.double_coding]
    named += [progress.activities.table] if progress.activities else []
    kept = []
    for name in dict.fromkeys(named):
        file = event_file(study, name)
        if file is not None and not file.closed and (file.required or (study.layout.raw / file.path).exists()):
            kept.append(name)
    return kept


def needs_scores(study: Study) -> bool:
    """Tell whether the page shows pooled outcomes, the only thing that it needs scores for."""
    shown = study.progress.blinded_summaries
    return (shown.allowed and bool(shown.scores)) or study.progress.sample_size is not None


def progress_inputs(study: Study) -> list[Path]:
    """Return every file that the page is made from, beside the configuration and the page's own history."""
    layout = study.layout
    files = [layout.checked_participants, layout.checked_visits, layout.queries, layout.intake_record]
    files += [layout.checked_events(table) for table in event_tables(study)]
    files += [layout.scores] if needs_scores(study) else []
    answers = layout.raw / study.progress.query_answers
    return [*files, *([answers] if answers.exists() else [])]


def read_queries(path: Path) -> pd.DataFrame:
    """Read the data queries that intake wrote, every column as text.

    Raises:
        DataError: the file is missing or damaged.
    """
    import pandas as pd

    try:
        return pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "the queries that `intake` writes")) from None


def read_record(path: Path) -> list[dict[str, Any]]:
    """Read which raw files intake read, with checksums.

    Raises:
        DataError: the record is missing or damaged.
    """
    try:
        files: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "the record that `intake` writes")) from None
    return files
