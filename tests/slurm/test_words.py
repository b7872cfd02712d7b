"""What is said of SLURM without one: options, what squeue and sbatch say, logs, who waits."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.seeds import train_at_once
from reid_srdl.jobs.slurm.asked import QueueLine, Wanted, further, minutes_of
from reid_srdl.jobs.slurm.inside import own_id
from reid_srdl.jobs.slurm.ledger import Ledger, Listed, Sent
from reid_srdl.jobs.slurm.needs import needs_of
from reid_srdl.jobs.slurm.queue import Job, check_there, jobs_of, largest_array, refusal
from reid_srdl.jobs.slurm.sending import send
from reid_srdl.jobs.slurm.told import standing, why_failed
from reid_srdl.jobs.studies.asked import asked_plan
from reid_srdl.report.study_progress import StudyDisplay
from tests.cli.run import assert_told, reid_srdl_here
from tests.data.conftest import cache
from tests.reports.runs import classes, config, run_classes
from tests.slurm import cluster

__all__ = ["cache"]

REFUSED = "sbatch: error: Batch job submission failed: "
ACCOUNT = f"{REFUSED}Invalid account or account/partition combination specified"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands first on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    for name in ("sbatch", "srun", "squeue", "scancel"):
        cluster.command(tmp_path / "bin", name, "exit 0")
    return tmp_path / "bin"


def test_times_are_those_of_sbatch() -> None:
    told = {"5": 5, "2:30": 3, "1:00:00": 60, "1-0": 1440, "1-2:30": 1590, "0-0:0:1": 1}
    assert {text: minutes_of(text) for text in told} == told
    for wrong in ("", "soon", "1:2:3:4", "-5", "1-"):
        with pytest.raises(UserError, match="not a time"):
            minutes_of(wrong)


def test_further_options_are_passed_through_but_for_those_that_are_decided_here() -> None:
    read = further(["mem=32G", "--exclusive", "constraint=a100&nvlink"])
    assert read == {"mem": "32G", "exclusive": True, "constraint": "a100&nvlink"}
    for given, hint in (("time=5", "--time"), ("array=1", "--jobs"), ("signal=9", "leave it out")):
        with pytest.raises(UserError) as caught:
            further([given])
        assert hint in caught.value.hint
    for given in ("no-requeue", "gpus-per-task=1", "kill-on-invalid-dep=no"):
        with pytest.raises(UserError, match="is not passed through"):
            further([given])
    with pytest.raises(UserError, match="not an option"):
        further(["-p main"])


def test_what_is_wanted_of_each_job() -> None:
    assert QueueLine().wanted(2) is None
    asked = QueueLine(on="slurm", time="1:0:0", gpus=1, partition="p", account="a")
    assert asked.wanted(2) == Wanted("p", 60, 1, 2, "a", {}, 2)
    with pytest.raises(UserError, match=r"--cpus, --partition: for --on slurm alone"):
        QueueLine(partition="p", cpus=3).wanted(None)
    for short in ("0", "2", "0:90"):
        with pytest.raises(UserError, match="too short"):
            QueueLine(on="slurm", time=short).wanted(None)
    with pytest.raises(UserError, match="one GPU"):
        QueueLine(on="slurm", gpus=2).wanted(None)


def test_squeue_and_sacct_are_read(commands: Path) -> None:
    lines = ("7_0|PENDING|0|Dependency|", "7_1|FAILED|35072|NonZeroExitCode|", "8|FAILED|9|None|")
    cluster.command(commands, "squeue", "cat <<E\n" + "\n".join(lines) + "\nE")
    accounts = ("9|CANCELLED by 0|0:0|None", "10|FAILED|0:9|None", "12|CANCELLED|0:0|Dependency")
    cluster.command(commands, "sacct", "cat <<E\n" + "\n".join(accounts) + "\nE")
    found = jobs_of(["7_0", "7_1", "8", "9", "10", "11", "12"])
    assert found == {
        "7_0": Job("PENDING", 0, "Dependency"),
        "7_1": Job("FAILED", 137, "NonZeroExitCode"),
        "8": Job("FAILED", 137, "None"),
        "9": Job("CANCELLED", 0, "None"),
        "10": Job("FAILED", 137, "None"),
        "12": Job("CANCELLED", 0, "Dependency"),
    }
    assert [job for job, one in found.items() if one.waits_in_vain] == ["12"]
    assert found["7_0"].alive
    assert not found["7_1"].alive
    cluster.command(
        commands, "squeue", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1"
    )
    with pytest.raises(UserError, match="SLURM does not answer: Unable to contact"):
        jobs_of(["7_0"])


def test_an_array_is_no_longer_than_the_cluster_allows(commands: Path) -> None:
    cluster.command(commands, "scontrol", "echo 'MaxArraySize            = 51'")
    assert largest_array() == 51
    cluster.command(commands, "scontrol", "exit 1")
    assert largest_array() == 1001


@pytest.mark.parametrize(
    ("told", "what", "hint"),
    [
        (f"sbatch: error: invalid partition specified: x\n{REFUSED}Invalid", "x", "sinfo"),
        (ACCOUNT, "Invalid account", "--account"),
        (f"{REFUSED}Requested time limit is invalid (missing or exceeds some limit)", "", "--time"),
        ("sbatch: error: Memory specification can not be satisfied", "Memory", "--sbatch mem="),
        ("sbatch: error: Invalid generic resource (gres) specification", "gres", "--gpus"),
        ("sbatch: unrecognized option '--foo=1'", "--foo=1", "--sbatch"),
    ],
)
def test_refusals_say_what_to_do(told: str, what: str, hint: str) -> None:
    error = refusal(told)
    assert error.what.startswith("SLURM refuses the jobs: ")
    assert what in error.what
    assert hint in error.hint


@pytest.mark.parametrize(
    ("job", "log", "why"),
    [
        (Job("OUT_OF_MEMORY", 137), "", "--sbatch mem=32G"),
        (Job("FAILED", 137), "slurmstepd: error: Detected 1 oom-kill event(s)", "--sbatch mem="),
        (Job("FAILED", 9), "slurmstepd: error: Exceeded job memory limit", "--sbatch mem="),
        (Job("FAILED", 1), "error: the GPU is out of memory\nhint: x", "the GPU is out of memory"),
        (Job("FAILED", 137), "", "killed by signal 9 (out of memory?)"),
        (Job("FAILED", 1), "error: no such data\nhint:  x", "no such data"),
        (Job("FAILED", 1, "BadConstraints"), "", "SLURM says BadConstraints"),
        (Job("TIMEOUT"), "", "its time was up"),
        (Job("CANCELLED", 0, "DependencyNeverSatisfied"), "", "it waits for failed"),
        (None, "Segmentation fault", "Segmentation fault"),
        (None, "", "it left no record, and its log says nothing"),
    ],
)
def test_why_a_job_failed(tmp_path: Path, job: Job | None, log: str, why: str) -> None:
    (tmp_path / "log").write_text(log)
    assert why in why_failed(job, tmp_path / "log")


def test_without_slurm_or_submitit_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("train", "--dataset", "class-folder", "--data-dir", classes(tmp_path / "set"))
    done = reid_srdl_here(*words, "--seeds", "0", "--on", "slurm", streams=capsys)
    assert_told(done, "no SLURM here (sbatch is not on the PATH)", "leave --on out")
    done = reid_srdl_here(*words, "--on", "slurm", streams=capsys)
    assert_told(done, "--on slurm: is for --seeds", status=2)
    done = reid_srdl_here("study", "run", "table5", "--on", "slurm", streams=capsys)
    assert_told(done, "no SLURM here (sbatch is not on the PATH)", "leave --on out")
    assert not (tmp_path / "runs").exists()
    for name in ("sbatch", "srun", "squeue"):
        cluster.command(tmp_path, name, "exit 0")
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(UserError, match="submitit is not installed"):
            check_there()


def test_a_refused_account_is_told_and_nothing_is_noted(
    tmp_path: Path, commands: Path, cache: Path
) -> None:
    cluster.command(commands, "sbatch", f"echo '{ACCOUNT}' >&2; exit 1")
    ledger = Ledger(tmp_path / "runs")
    with pytest.raises(UserError, match="Invalid account"):
        send([config(tmp_path, tmp_path / "runs")], (), Wanted(account="x"), ledger)
    assert ledger.read() == Listed()


def test_a_job_that_slurm_has_forgotten_is_finished_where_its_record_is_there(
    tmp_path: Path, commands: Path, cache: Path
) -> None:
    runs = tmp_path / "runs"
    run_classes(classes(tmp_path / "set"), tmp_path / "there")
    sent = f"cp -r {tmp_path}/there/r {runs}/r; echo Submitted batch job 7"
    asked = config(tmp_path / "set", runs, data={"name": "class-folder"})
    for text, state in ((sent, "finished"), ("echo Submitted batch job 8", "failed")):
        cluster.command(commands, "sbatch", text)  # squeue says nothing
        shutil.rmtree(runs, ignore_errors=True)
        with StudyDisplay("seeds", 0) as display:
            (outcome,) = train_at_once([asked], 1, display, Wanted())
        assert outcome.state == state, outcome.error
    assert "it left no record" in outcome.error


def test_where_runs_stand(tmp_path: Path, commands: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.place.mkdir()
    ledger.note({name: Sent(job=str(n), log=f"{n}.out") for n, name in enumerate("abcd")})
    lines = ("1|PENDING|0|Priority|", "2|RUNNING|0|None|", "3|CANCELLED|0|None|")
    cluster.command(commands, "squeue", "cat <<E\n" + "\n".join(lines) + "\nE")
    found = standing(tmp_path, ["a", "b", "c", "d", "e"], ["a"])
    assert [(one.run, one.state, one.told) for one in found] == [
        ("a", "finished", ""),
        ("b", "queued", "Priority"),
        ("c", "running", ""),
        ("d", "failed", "it was cancelled"),
    ]
    assert found[3].log == tmp_path / "3.out"
    cluster.command(commands, "squeue", "exit 1")
    assert [one.state for one in standing(tmp_path, ["a", "b"], ["a"])] == ["finished", "unknown"]
    ledger.path.write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        standing(tmp_path, ["a"], [])


def test_a_job_knows_its_own_id() -> None:
    alone = {"SLURM_JOB_ID": "7"}
    assert own_id(alone) == "7"
    # The last task of an array has the array's own id, which names all of its tasks.
    assert own_id({**alone, "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}) == "7_1"


def test_runs_wait_for_teachers_and_for_the_first_that_does_a_phase() -> None:
    plan = asked_plan("table5", 1.0, "0", None)
    first, second = (run.name for run in plan.runs)
    assert needs_of(plan.runs, {first, second}, share=True) == {first: (), second: (first,)}
    assert needs_of(plan.runs, {second}, share=True) == {second: ()}  # the first is finished
    assert needs_of(plan.runs, {first, second}, share=False) == {first: (), second: ()}

    plan = asked_plan("table2", 1.0, "0,1", "cifar100-kd-wrn")
    names = {run.name for run in plan.runs}
    needs = needs_of(plan.runs, names, share=True)
    assert needs["cifar100-kd-wrn-seed1"] == ("cifar100-wrn-seed1",)
    assert needs["cifar100-wrn-seed1"] == ()


def test_budgets_and_data_tell_phases_apart() -> None:
    for key, other in (("train.budget", "equal"), ("data.pad", 2)):
        one = asked_plan("table5", 1.0, "0", None).runs
        section, _, name = key.partition(".")
        changed = getattr(one[1].config, section).model_copy(update={name: other})
        run = replace(one[1], config=one[1].config.model_copy(update={section: changed}))
        needs = needs_of([one[0], run], {one[0].name, run.name}, share=True)
        assert needs == {one[0].name: (), run.name: ()}, key
