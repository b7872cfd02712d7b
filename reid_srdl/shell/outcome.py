"""How a command ends: the one place where errors become two lines and an exit status."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any, cast

import typer

from reid_srdl.errors import Terminated, UserError
from reid_srdl.failures import in_words
from reid_srdl.report.streams import drop_output, print_error, steady_streams

_UsageError: Any = typer.BadParameter.__base__


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs a command line and returns its exit status; whatever goes wrong is told in words.

    ``--debug``, wherever it stands, shows the traceback as well.
    """
    words, debug = _without_debug(arguments)
    with steady_streams():
        try:
            with typer.main.get_command(app).make_context("reid-srdl", words) as context:
                context.command.invoke(context)
            sys.stdout.flush()
        except typer.Exit as stop:
            return stop.exit_code
        except Terminated:
            return 143
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            drop_output()
            return 1
        except Exception as error:
            if debug:
                traceback.print_exception(error)
            return _tell(error)
    return 0


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Takes --debug out of the options; behind ``--`` stand names, not options."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = [word for word in arguments[:end] if word != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _tell(error: Exception) -> int:
    """Prints an error and returns the exit status."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(cast(Any, error).ctx.get_help())
        return 2
    told = _in_words(error)
    with contextlib.suppress(OSError):
        print_error(told.what, told.hint)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return told.exit_status
    drop_output()
    return told.exit_status


def _in_words(error: Exception) -> UserError:
    """Returns an error that says what to do."""
    if isinstance(error, _UsageError):
        usage: Any = error
        command = usage.ctx.command_path if usage.ctx else "reid-srdl"
        message = usage.format_message().replace("Value error, ", "")
        return UserError(message, f"see {command} --help", usage=True)
    return in_words(error)
