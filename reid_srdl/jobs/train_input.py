"""What ``reid-srdl train`` takes besides keys of the configuration, and what goes together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from reid_srdl.config.option import HOW, WHAT, WHERE, Option
from reid_srdl.errors import UserError
from reid_srdl.jobs.slurm.asked import QueueLine

if TYPE_CHECKING:
    from reid_srdl.group.processes import Group


class TrainLine(QueueLine):
    """What the command line of ``train`` asks for."""

    config: Annotated[
        Path | None,
        Option("--config", "YAML file of keys; options given here override it.", WHAT),
    ] = None
    assignments: Annotated[
        list[str] | None,
        Option(
            "--set",
            "Any key, e.g. optim.lr=0.05 or method.restart=off; may be repeated.",
            HOW,
            metavar="KEY=VALUE",
            many=True,
        ),
    ] = None
    origin: Annotated[
        str | None,
        Option(
            "--from",
            "Start a new run, configured as RUN, from the weights of PHASE after EPOCH; default: "
            "the last epoch that is kept.",
            WHAT,
            metavar="RUN:PHASE[@EPOCH]",
        ),
    ] = None
    seeds: Annotated[
        str | None,
        Option(
            "--seeds",
            "Train a run from each of these seeds; print their leaderboard row.",
            HOW,
            metavar="0,1,...",
        ),
    ] = None
    jobs: Annotated[
        int | None,
        Option(
            "--jobs",
            "With --seeds: how many runs train at once; default: 1.",
            WHERE,
            metavar="N",
        ),
    ] = Field(None, ge=1)
    share: Annotated[
        bool | None,
        Option(
            "--share/--no-share",
            "Train phases that several runs need only once; default: with --seeds.",
            WHERE,
        ),
    ] = None
    resume: Annotated[
        Path | None,
        Option(
            "--resume",
            "Resume the run in this folder, with its own configuration.",
            WHERE,
            metavar="RUN",
        ),
    ] = None
    on: Annotated[
        Literal["local", "slurm"],
        Option("--on", "Where --seeds are trained; for SLURM see study run --help.", WHERE),
    ] = "local"
    offline: Annotated[
        bool,
        Option(
            "--offline",
            "Download nothing, like REID_SRDL_OFFLINE=1; missing files are errors.",
            WHERE,
        ),
    ] = False
    tensorboard: Annotated[
        bool,
        Option(
            "--tensorboard",
            "Write RUN/tensorboard, for TensorBoard.",
            WHERE,
        ),
    ] = False
    print_config: Annotated[
        bool, Option("--print-config", "Print the whole configuration and stop.", WHERE)
    ] = False
    plan: Annotated[
        bool,
        Option(
            "--plan",
            "Print phases, cost and time, and stop; nothing is written.",
            WHERE,
        ),
    ] = False

    def check(self, *, json: bool) -> None:
        """Refuses options that say nothing beside each other.

        Args:
            json: what comes out is asked for as JSON.

        Raises:
            UserError: so.
        """
        more = self.named("train") - {
            "--resume",
            "--offline",
            "--device",
            "--data-dir",
            "--tensorboard",
        }
        if json and self.print_config:
            what = "--json: the configuration is printed as YAML"
            raise UserError(what, "leave --json out", usage=True)
        if self.resume is not None and more:
            raise UserError(
                "--resume: takes the run's own configuration, and --device and --data-dir alone",
                "leave the other options out, or start another run with another --name",
                usage=True,
            )
        if self.plan and self.print_config:
            raise UserError("--plan and --print-config: one at a time", "leave one out", usage=True)
        if self.seeds is None and self.jobs is not None:
            what = "--jobs: is for --seeds"
            raise UserError(what, "add --seeds, or leave --jobs out", usage=True)
        if self.wanted(self.jobs) is not None and self.seeds is None:
            what = "--on slurm: is for --seeds"
            raise UserError(what, "add --seeds, e.g. --seeds 0 for a single run", usage=True)
        if self.tensorboard and ((self.jobs or 1) > 1 or self.on == "slurm"):
            what = "--tensorboard: is for one run after another"
            raise UserError(what, "leave --jobs out", usage=True)
        if self.seeds is not None and "train.seed" in self.given:
            raise UserError("--seed: beside --seeds", "leave one of them out", usage=True)
        if self.seeds is not None and (self.plan or self.print_config):
            what = "--seeds: --plan and --print-config tell of one run"
            raise UserError(what, "give --seed for one of the seeds", usage=True)

    def check_shared(self, group: Group) -> None:
        """Refuses what several processes would do several times, or cannot do.

        Args:
            group: the processes that were started together.

        Raises:
            UserError: so.
        """
        alone = self.named("train") & {"--seeds", "--plan", "--print-config", "--share"}
        if group.size > 1 and alone:
            raise UserError(
                f"{', '.join(sorted(alone))}: torchrun started {group.size} processes, which train "
                "one run together",
                "give this command without torchrun",
                usage=True,
            )
