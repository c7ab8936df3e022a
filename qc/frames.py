"""Write the rows of every analysis that the plan has computed twice, as CSV, for `qc/mmrm.R`.

.venv/bin/python qc/frames.py [STUDY] [OUT]

One file per analysis by `mmrm` and outcome, in OUT (default STUDY/build/qc): unit, visit, arm, value, baseline, and the
stratification variables and covariates. These are participants' data: OUT is never under results/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipanalysis.errors import PipError
from pipanalysis.estimate.double_programming import wanted_of
from pipanalysis.estimate.planning import compared_visits, suitable_outcomes
from pipanalysis.files import read_parquet
from pipanalysis.second_program.design import complete_rows
from pipanalysis.study.load import load_study


def main(folder: Path, out: Path) -> None:
    """Write the files, and one that lists them with the study's and the model's words."""
    study = load_study(folder)
    people, scores = read_parquet(study.layout.analysis_participants), read_parquet(study.layout.scores)
    named = {analysis.name: analysis for analysis in study.plan.analyses}
    out.mkdir(parents=True, exist_ok=True)
    listed = ["analysis,outcome,file,baseline,adjustments"]
    for ours in study.plan.analyses:
        for analysis in (named[name] for name in ours.analyses if named[name].method == "mmrm"):
            for outcome in suitable_outcomes(study, analysis):
                wanted = wanted_of(study, analysis, outcome, tuple(compared_visits(study, analysis, outcome)))
                rows = complete_rows(people, scores, wanted)
                others = [*wanted.factors, *wanted.numbers]
                frame = rows[["unit", "visit", "arm", "value"]].assign(
                    **{f"x{i}": rows[x] for i, x in enumerate(others)}
                )
                if wanted.baseline_score:
                    frame["baseline"] = rows[wanted.baseline_score]
                name = f"{analysis.name}-{outcome.name}.csv"
                frame.to_csv(out / name, index=False)
                by = ("by_visit" if wanted.by_visit else "common") if wanted.baseline_score else "none"
                listed.append(f"{analysis.name},{outcome.name},{name},{by},{len(others)}")
    (out / "frames.csv").write_text("\n".join(listed) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(listed) - 1} frames ({out})\n")


if __name__ == "__main__":
    study_folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    try:
        main(study_folder, Path(sys.argv[2]) if len(sys.argv) > 2 else study_folder / "build" / "qc")
    except PipError as error:
        sys.exit(str(error))
