"""Mean and standard deviation of each colour channel, by which images are normalised."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Normalisation:
    """x becomes (x - mean) / std, channel by channel (red, green, blue; or grey), for x in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        """Of an image: 3, or 1 for grey ones."""
        return len(self.mean)


# Of the training images, as published: what torchvision's pre-trained networks expect.
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Of all pixels of the 50,000 training images.
CIFAR10 = Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100 = Normalisation((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))

# Of all pixels of the 60,000 training images, grey.
MNIST = Normalisation((0.1307,), (0.3081,))
