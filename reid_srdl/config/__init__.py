"""One typed schema = YAML keys = options = the record's configuration.

``schema``, ``protocol``, ``sampler`` and ``loss`` hold the keys, ``method`` what a training
strategy adds to; ``option`` marks keys that are options, ``effects`` says which keys go together;
``tree`` reads and merges, ``layers`` lays trees over each other, ``resolve`` validates,
``fingerprint`` says which configurations compute the same.
"""

from reid_srdl.config.augmentation import ErasingConfig, JitterConfig
from reid_srdl.config.effects import If
from reid_srdl.config.fingerprint import FORMAT, PATHS, PLACES, fingerprint
from reid_srdl.config.joint import place_keys, placed, sets_of
from reid_srdl.config.layers import lay
from reid_srdl.config.loss import LossConfig
from reid_srdl.config.method import Epochs, MethodOptions, Temperature, UnreadOptions
from reid_srdl.config.optim import OptimConfig
from reid_srdl.config.option import Option
from reid_srdl.config.protocol import Expand, Protocol, Rerank, RulesName
from reid_srdl.config.recipe import RecipeConfig, keys_of_recipe, read_recipe, recipe_files
from reid_srdl.config.resolve import changed, known_keys, resolve
from reid_srdl.config.sampler import SamplerConfig
from reid_srdl.config.schema import (
    AnyConfig,
    Config,
    DataConfig,
    EvalConfig,
    ModelConfig,
    RunConfig,
    TaskName,
    TrainConfig,
)
from reid_srdl.config.section import Section
from reid_srdl.config.source import (
    NetworkOrRun,
    NetworkOrWeights,
    NetworksOrRuns,
    run_keys,
    run_of,
)
from reid_srdl.config.tree import (
    merge,
    parse_assignments,
    place,
    read_yaml,
    spelled,
    to_yaml,
)

__all__ = [
    "FORMAT",
    "PATHS",
    "PLACES",
    "AnyConfig",
    "Config",
    "DataConfig",
    "Epochs",
    "ErasingConfig",
    "EvalConfig",
    "Expand",
    "If",
    "JitterConfig",
    "LossConfig",
    "MethodOptions",
    "ModelConfig",
    "NetworkOrRun",
    "NetworkOrWeights",
    "NetworksOrRuns",
    "OptimConfig",
    "Option",
    "Protocol",
    "RecipeConfig",
    "Rerank",
    "RulesName",
    "RunConfig",
    "SamplerConfig",
    "Section",
    "TaskName",
    "Temperature",
    "TrainConfig",
    "UnreadOptions",
    "changed",
    "fingerprint",
    "keys_of_recipe",
    "known_keys",
    "lay",
    "merge",
    "parse_assignments",
    "place",
    "place_keys",
    "placed",
    "read_recipe",
    "read_yaml",
    "recipe_files",
    "resolve",
    "run_keys",
    "run_of",
    "sets_of",
    "spelled",
    "to_yaml",
]
