"""Whether a training set fills the batches that are asked for."""

from __future__ import annotations

from collections.abc import Mapping

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.texts import shown


def check_batches(config: AnyConfig, counts: Mapping[str, int]) -> None:
    """Checks that each batch can be filled, and that a loss of pairs finds pairs in it.

    Args:
        config: the experiment.
        counts: images of each class or identity that is trained on, by its name.

    Raises:
        UserError: there are fewer images than a batch holds, or fewer identities; or an identity
            has a single image, which pairs with nothing but itself.
    """
    drawn, images = config.sampler, sum(counts.values())
    there = sum(count > 0 for count in counts.values())
    if drawn.identities is not None and drawn.identities > there:
        raise UserError(
            f"sampler.identities: {drawn.identities} is more than the {there} of the training set",
            f"lower it: --set sampler.identities={there} or less",
            usage=True,
        )
    if images < config.optim.batch_size:
        lower = f"lower optim.batch_size: --batch-size {max(images, 2)} or less"
        if drawn.batch_size is not None:
            lower = "lower sampler.identities or sampler.images, whose product it is"
        raise UserError(
            f"optim.batch_size: {config.optim.batch_size} is more than the {images} training "
            "images",
            lower,
            usage=True,
        )
    if config.loss.pairs:
        _check_pairs(config.loss.pairs[0], counts, drawn.batch_size is not None)


def _check_pairs(term: str, counts: Mapping[str, int], each: bool) -> None:
    """Checks that there are pairs: of each identity, where each comes with several images."""
    single = [name for name, count in counts.items() if count == 1]
    without = f"--set {term}.weight=0"
    if sum(count > 0 for count in counts.values()) < 2:
        raise UserError(
            f"{term}: all training images are of one identity: there is no other to tell it from",
            f"train on more identities, or add {without}",
            usage=True,
        )
    if single and (each or max(counts.values()) == 1):
        first = ", ".join(shown(name) for name in single[:3])
        rest = f" and {len(single) - 3} more" if len(single) > 3 else ""
        raise UserError(
            f"{term}: a single training image of {first}{rest}: pairs take two of each",
            f"add images, or take them out of the training set; or add {without}",
            usage=True,
        )
