"""The command line: parse, call one function, print. Nothing here imports torch."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.text import Text

from reid_srdl.cli import (
    analyse,
    compare,
    data,
    doctor,
    extract,
    index_study,
    leaderboard,
    search,
    study,
    train,
)
from reid_srdl.cli import eval as eval_
from reid_srdl.errors import UserError
from reid_srdl.version import __version__

app = typer.Typer(
    name="reid-srdl",
    help="Train, evaluate and compare person re-identification and image-classification networks.",
    no_args_is_help=True,
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
) -> None:
    """Train, evaluate and compare person re-identification and image-classification networks.

    Add --debug to any command for a traceback.
    """


app.command(epilog=train.EXAMPLE)(train.train)
app.command("eval", epilog=eval_.EXAMPLE)(eval_.evaluate)
app.command(epilog=extract.EXAMPLE)(extract.extract)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=search.EXAMPLE)(search.search)
app.command("index-study", epilog=index_study.EXAMPLE)(index_study.index_study)
app.command(epilog=leaderboard.EXAMPLE)(leaderboard.leaderboard)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)
app.add_typer(analyse.app)
app.add_typer(data.app)
app.add_typer(study.app)


def main() -> None:
    """Runs the command line; the one place where errors become messages and exit statuses."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except UserError as error:
        if debug:
            raise
        _print_error(error.what, error.hint)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _print_error(what: str, hint: str) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text("error: ", style="bold red") + Text(what))
    console.print(Text("hint:  ", style="bold cyan") + Text(hint))
