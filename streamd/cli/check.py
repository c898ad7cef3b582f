"""`streamd check`: say everything that is wrong with a configuration file, without running it."""

import dataclasses
import json
import os
from pathlib import Path

import click

from streamd import config
from streamd.errors import ConfigError, Finding

VALID, INVALID, UNCHECKED = 0, 1, 2


@click.command(name="check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: file, valid, findings.")
@click.pass_context
def command(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check a configuration FILE.

    Exits with 0 when it is valid, 1 when it is not, and 2 when it could not be read.
    """
    summary = ""
    try:
        data = config.read(file)
    except ConfigError as error:
        code, findings = UNCHECKED, error.findings
    else:
        code, findings, summary = _check(data, file)
    if as_json:
        said = {"file": str(file), "valid": code == VALID, "findings": [dataclasses.asdict(each) for each in findings]}
        click.echo(json.dumps(said, indent=2))
    else:
        for finding in findings:
            click.echo(str(finding), err=code == UNCHECKED)
        if code != UNCHECKED:
            click.echo(f"{file}: {summary}")
    ctx.exit(code)


def _check(data: bytes, file: Path) -> tuple[int, tuple[Finding, ...], str]:
    try:
        found = config.parse(data, file, os.environ)
    except ConfigError as error:
        return INVALID, error.findings, _count(error.findings)
    models, cameras = len(found.models), len(found.cameras)
    summary = f"valid: {cameras} camera{'s' * (cameras != 1)}, {models} model{'s' * (models != 1)}"
    return VALID, found.warnings, summary


def _count(findings: tuple[Finding, ...]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    return f"not valid: {errors} error{'s' * (errors != 1)}"
