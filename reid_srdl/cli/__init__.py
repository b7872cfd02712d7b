"""The command line: parse, call one function, print. Nothing here imports torch."""

from __future__ import annotations

import sys

import typer

from reid_srdl.cli import (
    analyse,
    compare,
    cross,
    curves,
    data,
    doctor,
    embed,
    export,
    extract,
    import_,
    index_study,
    leaderboard,
    profile,
    report,
    runs,
    search,
    study,
    train,
)
from reid_srdl.cli import eval as eval_
from reid_srdl.places import as_a_shell_would
from reid_srdl.shell.help import App
from reid_srdl.shell.outcome import run
from reid_srdl.version import __version__

app = App(
    name="reid-srdl",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"reid-srdl {__version__}")
        raise typer.Exit()


@app.callback()
def _shell(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
    debug: bool = typer.Option(
        False, "--debug", help="Show the traceback of an error; may stand anywhere in a command."
    ),
) -> None:
    """Train, evaluate and compare person re-identification and image-classification networks."""


app.command(shared=True, epilog=train.EXAMPLE)(train.train)
app.command("eval", shared=True, epilog=eval_.EXAMPLE)(eval_.evaluate)
app.command(epilog=extract.EXAMPLE)(extract.extract)
app.command("import", epilog=import_.EXAMPLE)(import_.import_)
app.command(epilog=export.EXAMPLE)(export.export)
app.command(epilog=embed.EXAMPLE)(embed.embed)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=cross.EXAMPLE)(cross.cross)
app.command(epilog=search.EXAMPLE)(search.search)
app.command("index-study", epilog=index_study.EXAMPLE)(index_study.index_study)
app.command(epilog=leaderboard.EXAMPLE)(leaderboard.leaderboard)
app.command(epilog=curves.EXAMPLE)(curves.curves)
app.command(shared=True, epilog=profile.EXAMPLE)(profile.profile)
app.command(epilog=report.EXAMPLE)(report.report)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)
for group in (analyse.app, data.app, study.app, runs.app, runs.cache_app):
    app.add_typer(group)


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(app, [as_a_shell_would(word) for word in sys.argv[1:]]))
