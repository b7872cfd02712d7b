"""One typed schema: the YAML keys are the options are the record's configuration.

``optim.lr`` is the same path in a YAML file, in ``--set optim.lr=0.05`` and in a run's record.
Precedence: option > YAML > default. All errors of a configuration are told at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reid_srdl.errors import UserError, did_you_mean

RulesName = Literal["ours", "official", "torchreid", "fastreid"]
TaskName = Literal["reid", "classification"]

# What a code's rules mean for settings that are not given: see retrieval.conventions.
_BY_RULES: dict[str, dict[str, Any]] = {
    "official": {"normalize": True},
    "fastreid": {"distance": "cosine"},
}


def with_rules(settings: Any) -> Any:
    """Returns keys of the ``eval`` section with what their ``rules`` imply filled in.

    >>> with_rules({"rules": "fastreid", "batch_size": 64})
    {'distance': 'cosine', 'rules': 'fastreid', 'batch_size': 64}
    """
    if not isinstance(settings, Mapping):
        return settings
    return {**_BY_RULES.get(str(settings.get("rules")), {}), **settings}


class Section(BaseModel):
    """A group of keys; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class MethodOptions(Section):
    """What every training strategy has: its name. Each method's file adds its own options."""

    name: str = "srdl"

    @property
    def minimum_epochs(self) -> int:
        """Epochs that the method needs at least."""
        return 1

    def epochs_in_all(self, epochs: int) -> int:
        """Returns the epochs of all networks that the program trains, where the run's own has M."""
        return epochs

    def other_models(self) -> dict[str, str]:
        """Networks that the method makes besides the run's own: their names by option."""
        return {}

    def placed(self) -> Self:
        """Returns the options with every path made absolute."""
        return self

    def networks(self) -> tuple[str, ...]:
        """Names that ensembles are made of: what the program returns, and its ``fit`` phases."""
        return (self.name,)


class DataConfig(Section):
    """Where the images come from, and what training sees of them."""

    name: str = "market1501"
    dir: Path | None = None
    height: int = Field(256, ge=16, description="input height in pixels")
    width: int = Field(128, ge=16, description="input width in pixels")
    pad: int = Field(4, ge=0, description="reflection padding before the random crop, in pixels")
    flip: bool = Field(True, description="random horizontal flip")
    identities: int | None = Field(None, ge=2, description="train on the first N identities only")
    split: int = Field(0, ge=0, description="which division, where a data set has several")


class ModelConfig(Section):
    """The network."""

    name: str = "resnet50"
    init: Literal["random", "imagenet"] = "random"
    weights: Path | None = Field(
        None, description="weights file for init: imagenet, .pth or .safetensors"
    )


class OptimConfig(Section):
    """SGD with Nesterov momentum and step decay, as published (SRDL paper, section 4.1)."""

    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(2e-4, ge=0)
    batch_size: int = Field(32, ge=2)
    milestones: tuple[float, ...] = Field(
        (0.5, 0.75), description="fractions of a schedule's steps"
    )
    gamma: float = Field(0.1, gt=0, le=1)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0; set nesterov: false")
        return self


class TrainConfig(Section):
    """How long, from which seed, on what."""

    epochs: int = Field(120, ge=1, description="epochs in all, M in the paper")
    seed: int = Field(0, ge=0)
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    threads: int | None = Field(None, ge=1, description="CPU threads; None: all cores")
    compile: bool = Field(False, description="train what torch.compile makes of the network")


class EvalConfig(Section):
    """How the trained network is evaluated."""

    enabled: bool = True
    rules: RulesName = Field("ours", description="whose conventions; sets distance, normalize")
    engine: Literal["count", "faiss"] = "count"
    distance: Literal["euclidean", "cosine"] = "euclidean"
    normalize: bool = False
    pooling: Literal["mean", "max"] = "mean"
    gallery: Literal["all", "single-shot"] = Field(
        "all", description="the whole gallery, or random ones with an image of each identity"
    )
    trials: int = Field(100, ge=1, description="random galleries of a single-shot evaluation")
    trial_seed: int = Field(0, ge=0, description="of the draws of a single-shot evaluation")
    flip: bool = Field(False, description="average the features of each image and its mirror image")
    batch_size: int = Field(128, ge=1)
    index: str | None = Field(None, description="FAISS factory string; None: exact")
    retrieved: int = Field(100, ge=1, description="images that an approximate index retrieves")
    rerank: Literal["none", "k-reciprocal"] = "none"
    rerank_k1: int = Field(20, ge=1)
    rerank_k2: int = Field(6, ge=1)
    rerank_lambda: float = Field(0.3, ge=0, le=1)
    expand: Literal["none", "aqe", "alpha-qe"] = "none"
    expand_n: int = Field(10, ge=1, description="neighbours that expand a query")
    expand_alpha: float = Field(3.0, ge=0)
    ensembles: tuple[str, ...] = Field(
        (), description="networks whose probabilities are averaged, e.g. srdl+first"
    )

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, values: Any) -> Any:
        return with_rules(values)


class RunConfig(Section):
    """Where the run's folder stands."""

    dir: Path = Path("runs")
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


M = TypeVar("M", bound=MethodOptions)


class Config(Section, Generic[M]):
    """A whole experiment."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    method: M
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _epochs_for_all_stages(self) -> Self:
        if self.train.epochs < self.method.minimum_epochs:
            least = self.method.minimum_epochs
            raise ValueError(f"train.epochs: {self.method.name} needs at least {least}")
        return self

    @model_validator(mode="after")
    def _ensembles_of_known_networks(self) -> Self:
        known = self.method.networks()
        for ensemble in self.eval.ensembles:
            members = ensemble.split("+")
            if len(set(members)) < 2:
                raise ValueError(f"eval.ensembles: {ensemble!r} joins no two names by '+'")
            if unknown := sorted(set(members) - set(known)):
                raise ValueError(
                    f"eval.ensembles: {self.method.name} has no network {', '.join(unknown)}, "
                    f"it has {', '.join(known)}"
                )
        return self


AnyConfig = Config[MethodOptions]

# Keys that hold paths of the machine, and all keys that say where or on what a run happens.
PATHS = ("run.dir", "data.dir", "model.weights")
PLACES = (*PATHS, "run.name", "train.device", "train.threads", "eval.enabled", "eval.engine")

# Keys that older runs' configurations lack, and what these runs did.
ADDED: dict[str, Any] = {
    "data.split": 0,
    "train.compile": False,
    "eval.rules": "ours",
    "eval.gallery": "all",
    "eval.trials": 100,
    "eval.trial_seed": 0,
    "eval.index": None,
    "eval.retrieved": 100,
    "eval.rerank": "none",
    "eval.rerank_k1": 20,
    "eval.rerank_k2": 6,
    "eval.rerank_lambda": 0.3,
    "eval.expand": "none",
    "eval.expand_n": 10,
    "eval.expand_alpha": 3.0,
    "eval.ensembles": [],
    "method.models": 1,
}


def fingerprint(config: Config[Any], *, without: Iterable[str] = ()) -> str:
    """Returns a hash of what a run computes, places left out, and the keys in ``without`` too."""
    tree = config.model_dump(mode="json")
    for path in (*PLACES, *without):
        section, key = path.split(".")
        tree[section].pop(key, None)
    for path, implied in ADDED.items():
        section, key = path.split(".")
        if tree[section].get(key) == implied:
            del tree[section][key]  # so the fingerprints of older runs stand
    text = json.dumps(tree, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a configuration file.

    Raises:
        UserError: the file is not there, is not YAML, or does not hold keys and values.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "give --config a YAML file", usage=True
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise UserError(
            f"{path}: not valid YAML{line}", "mend the file's syntax", usage=True
        ) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds no keys", "write sections like 'optim:' in it", usage=True)
    return tree


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turns ``["optim.lr=0.05", ...]`` into a nested tree; values are read as YAML.

    Raises:
        UserError: an assignment has no ``=`` or its value is not YAML.
    """
    tree: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not path:
            hint = "write it as --set section.key=value, e.g. --set optim.lr=0.05"
            raise UserError(f"--set {assignment}: not an assignment", hint, usage=True)
        place(tree, path, value)
    return tree


def place(tree: dict[str, Any], path: str, value: Any) -> None:
    """Sets ``tree[a][b] = value`` for the path ``a.b``; a scalar in the way is replaced."""
    *sections, key = path.split(".")
    for section in sections:
        child = tree.get(section)
        if not isinstance(child, dict):
            child = tree[section] = {}
        tree = child
    tree[key] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``base`` with the keys of ``over`` laid over it, section by section."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def resolve(
    tree: Mapping[str, Any],
    methods: Mapping[str, type[MethodOptions]],
    *,
    names: Mapping[str, Iterable[str]] | None = None,
) -> AnyConfig:
    """Validates a tree of keys into a configuration.

    Args:
        tree: sections of keys, as read from YAML with options laid over.
        methods: the options class of each training strategy.
        names: what ``data.name`` and ``model.name`` may be, as ``{"data": [...], "model": [...]}``.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range.
    """
    problems: list[str] = []
    hints: list[str] = []
    for section, known in {"method": methods, **(names or {})}.items():
        name = (
            (tree.get(section) or {}).get("name")
            if isinstance(tree.get(section), Mapping)
            else None
        )
        if name is not None and name not in known:
            problems.append(f"{section}.name: no such {section} {name!r}")
            hints.append(f"{section}.name: {did_you_mean(str(name), known)}")
    method = tree.get("method")
    name = method.get("name", "srdl") if isinstance(method, Mapping) else "srdl"
    options = methods.get(name, MethodOptions) if isinstance(name, str) else MethodOptions
    try:
        config = Config[options].model_validate({"method": {}, **tree})  # type: ignore[valid-type]
    except ValidationError as error:
        for item in error.errors():
            path = ".".join(str(part) for part in item["loc"])
            if item["type"] != "extra_forbidden":
                problems.append(f"{path}: {item['msg']} (got {item['input']!r})")
                hints.append(f"{path}: mend the value")
            elif not path.startswith("method.") or name in methods:
                problems.append(f"{path}: no such key")
                hints.append(f"{path}: {_nearest_key(path, options)}")
    if problems:
        raise UserError("; ".join(problems), "; ".join(dict.fromkeys(hints)), usage=True)
    return config


def known_keys(options: type[MethodOptions]) -> list[str]:
    """Returns every ``section.key`` of the schema, with the method's own options."""
    keys = []
    for section, field in Config[options].model_fields.items():  # type: ignore[valid-type]
        kind = options if section == "method" else field.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Section)
        keys += [f"{section}.{key}" for key in kind.model_fields]
    return keys


def _nearest_key(path: str, options: type[MethodOptions]) -> str:
    """Suggests the right path for a wrong one, also where only the section is wrong or missing."""
    keys = known_keys(options)
    if "." not in path:
        sections = {key.split(".")[0] for key in keys}
        same_name = [key for key in keys if key.split(".")[1] == path]
        return f"did you mean {same_name[0]!r}?" if same_name else did_you_mean(path, sections)
    section, leaf = path.split(".", 1)
    leaves = {key.split(".")[1]: key for key in reversed(keys)}
    leaves |= {key.split(".")[1]: key for key in keys if key.startswith(f"{section}.")}
    nearest = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {leaves[nearest[0]]!r}?"
    in_section = [key for key in keys if key.startswith(f"{section}.")]
    return did_you_mean(path, in_section or keys)


def to_yaml(config: Config[Any]) -> str:
    """Returns the whole configuration as YAML, as a run's folder keeps it."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
