"""The verb `pipanalysis mmrm`: fit one model to a CSV file and write what it says as JSON."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipanalysis.errors import DataError, FitError, Problem
from pipanalysis.files import write_json

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.mmrm.fit import MMRMFit


def register(app: typer.Typer) -> None:
    """Add the command `mmrm` to the command line."""
    app.command(name="mmrm")(mmrm)


def mmrm(
    data: Annotated[Path, typer.Argument(help="CSV file, one row per subject and visit.")],
    formula: Annotated[str, typer.Option(help='Model, e.g. "score ~ baseline * visit + arm * visit".')],
    subject: Annotated[str, typer.Option(help="Column with the subject's identifier.")],
    visit: Annotated[str, typer.Option(help="Column with the visit.")],
    json_file: Annotated[Path, typer.Option("--json", help="File to write the results to.")],
    covariance: Annotated[
        str, typer.Option(help="us, toep, toeph, ar1, ar1h, cs, csh, ad, adh, or e.g. un@ar1 with --member.")
    ] = "us",
    group: Annotated[str | None, typer.Option(help="Column with groups that have their own covariance.")] = None,
    weights: Annotated[str | None, typer.Option(help="Column with positive observation weights.")] = None,
    member: Annotated[str | None, typer.Option(help="Column with the member of the dyad or the endpoint.")] = None,
    ml: Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")] = False,
    df: Annotated[
        str | None,
        typer.Option(
            help="kenward-roger (default; satterthwaite with --ml), kenward-roger-linear, kenward-roger-mmrm, "
            "satterthwaite, between-within or residual."
        ),
    ] = None,
    emmeans: Annotated[
        str | None, typer.Option(help='Marginal means, e.g. "arm:visit": means of arm by visit, and their contrasts.')
    ] = None,
) -> None:
    """Fit a mixed model for repeated measures to a CSV file."""
    from pipanalysis.mmrm import MMRM
    from pipanalysis.mmrm.errors import MMRMError

    frame = read_csv(data)
    try:
        fit = MMRM(
            formula,
            frame,
            subject=subject,
            visit=visit,
            covariance=covariance,
            group=group,
            weights=weights,
            member=member,
            reml=not ml,
        ).fit()
        result = as_json(fit, df, emmeans)
    except MMRMError as error:
        problems = getattr(error, "problems", (str(error),))
        raise FitError([Problem(str(data), problem) for problem in problems]) from None
    for note in fit.notes:
        sys.stderr.write(f"note: {note}\n")
    try:
        write_json(json_file, _plain(result))
    except OSError as error:
        raise DataError(Problem(str(json_file), f"cannot be written: {error.strerror}")) from None


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; quoted and unquoted text stays text, an empty field or NA is missing.

    Raises DataError when there is no such file or it is no table.
    """
    import pandas as pd

    try:
        return pd.read_csv(path, keep_default_na=False, na_values=["", "NA", "NaN", "."])
    except FileNotFoundError:
        raise DataError(Problem(str(path), "no such file")) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(Problem(str(path), f"not a table in CSV: {error}")) from None


def as_json(fit: MMRMFit, df: str | None, emmeans: str | None) -> dict[str, Any]:
    """What the verb writes: the fit, its coefficients and, if asked for, marginal means and contrasts."""
    result: dict[str, Any] = {
        "converged": fit.converged,
        "method": "REML" if fit.reml else "ML",
        "n_subjects": fit.n_subjects,
        "n_observations": fit.n_obs,
        "deviance": fit.deviance,
        "loglik": fit.loglik,
        "aic": fit.aic,
        "bic": fit.bic,
        "covariance": _covariance(fit.covariance),
        "visits": list(fit.cells),
        "coefficients": fit.coefficients(df=df).to_dict("records"),
        "emmeans": [],
        "contrasts": [],
    }
    if emmeans is not None:
        first, *by = [name.strip() for name in emmeans.split(":")]
        means = fit.emmeans(first, by=by, df=df)
        result["emmeans"] = means.table().drop(columns="estimable").to_dict("records")
        result["contrasts"] = means.contrasts("pairwise").drop(columns="estimable").to_dict("records")
    return result


def _covariance(covariance: pd.DataFrame | dict[str, pd.DataFrame]) -> Any:
    if isinstance(covariance, dict):
        return {level: _covariance(matrix) for level, matrix in covariance.items()}
    return covariance.to_numpy().tolist()


def _plain(value: Any) -> Any:
    """Python's own numbers throughout, and None for what is not finite."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
