"""What can stand between pooling and classifier: a bottleneck, a neck, dropout."""

from __future__ import annotations

from torch import nn

from reid_srdl.models.answering import Answering


def add_neck(end: Answering) -> None:
    """Adds BNNeck (Luo et al. 2019, Bag of Tricks, section 3.5).

    Batch norm that scales and does not shift, and a new classifier without a bias, whose weights
    are drawn from N(0, 0.001^2), as the authors' code does.
    """
    norm = nn.BatchNorm1d(end.feature_dim)
    norm.register_parameter("bias", None)
    end.neck = norm
    _classify(end, end.feature_dim, bias=False)


def add_norm_neck(end: Answering, *, bias: bool) -> None:
    """Adds batch norm that scales and shifts, and a new classifier, as `add_neck` draws it."""
    end.neck = nn.BatchNorm1d(end.feature_dim)
    _classify(end, end.feature_dim, bias=bias)


def add_bottleneck(end: Answering, width: int) -> None:
    """Adds a linear layer to ``width`` features and batch norm, as layumi's ClassBlock has them.

    Drawn as there: the linear layer by He et al. 2015 with its fan out, the norm's scale from
    N(1, 0.02^2), a new classifier's weights from N(0, 0.001^2); biases are zero.
    """
    linear, norm = nn.Linear(end.feature_dim, width), nn.BatchNorm1d(width)
    nn.init.kaiming_normal_(linear.weight, a=0, mode="fan_out")
    nn.init.zeros_(linear.bias)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    end.bottleneck = nn.Sequential(linear, norm)
    _classify(end, width, bias=True)


def add_dropout(end: Answering, p: float) -> None:
    """Zeroes a share ``p`` of what the classifier sees, in training."""
    end.dropout = nn.Dropout(p)


def _classify(end: Answering, features: int, *, bias: bool) -> None:
    classifier = nn.Linear(features, end.classes, bias=bias)
    nn.init.normal_(classifier.weight, std=0.001)
    if bias:
        nn.init.zeros_(classifier.bias)
    end.classifier = classifier
