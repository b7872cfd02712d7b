"""Where networks look: closed forms, and pictures of finished runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid_srdl.analysis.activation import grad_cam, mean_activation, scaled
from reid_srdl.jobs.analyse.activation import Gaze, activation
from reid_srdl.report.activation import overlaid
from tests.cli.run import assert_told, reid_srdl_here


def test_grad_cam_of_a_linear_score_is_its_weighted_sum() -> None:
    a = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    w = torch.tensor([1.0, -2.0, 0.5])
    score = (a.mean(dim=(2, 3)) * w).sum(dim=1)  # dy / dA^k_ij = w_k / Z, so alpha_k = w_k / Z
    expected = ((w / 20)[None, :, None, None] * a.detach()).sum(dim=1).relu()
    torch.testing.assert_close(grad_cam(score, a), expected)


def test_mean_activation_and_scaling_of_hand_made_maps() -> None:
    a = torch.tensor([[[[1.0, -3.0]], [[3.0, 5.0]]]])
    assert mean_activation(a).tolist() == [[[2.0, 4.0]]]
    assert scaled(mean_activation(a)).tolist() == [[[0.0, 1.0]]]
    assert scaled(torch.ones(1, 2, 2)).max() == 0


def test_a_map_colours_half_of_an_image() -> None:
    grey = np.full((4, 6, 3), 100, np.uint8)
    cold, hot = (overlaid(grey, np.full((2, 3), value, np.float32)) for value in (0.0, 1.0))
    assert cold.shape == grey.shape
    assert (cold[0, 0] != hot[0, 0]).any()


def test_runs_are_shown_side_by_side(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted((walkers / "d").rglob("query/*.jpg"))[:2]
    runs = [walkers / "r/vanilla", walkers / "r/srdl"]
    person = str(int(next((walkers / "d").rglob("bounding_box_train/*.jpg")).name[:4]))
    plain = activation(runs, images)
    towards = activation(runs[:1], images, identity=person)
    like = activation(runs[:1], images, like=images[0])
    assert [one.maps.shape[0] for one in plain] == [2, 2]
    assert all(0 <= one.maps.min() <= one.maps.max() <= 1 for one in (*plain, *towards, *like))
    assert (towards[0].maps != plain[0].maps).any()
    assert (like[0].maps[1] != towards[0].maps[1]).any()
    gaze = Gaze.of(runs[0])
    pixels = gaze.pixels(images)
    both = gaze.towards_likeness(pixels, pixels[::-1])  # each image towards its own other one
    for number in (0, 1):
        alone = gaze.towards_likeness(pixels[[number]], pixels[[1 - number]])
        np.testing.assert_allclose(both[[number]], alone, atol=0.01)
        assert np.abs(both[[number]] - gaze.mean(pixels[[number]])).max() > 0.1
    out = tmp_path / "a.png"
    words = ("analyse", "activation", *runs, *images, "--plot", out)
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    with Image.open(out) as picture:
        assert picture.height > 2 * 256
    wrong = reid_srdl_here(*words, "--identity", "99999", streams=capsys)
    assert_told(wrong, "was not trained on it", status=2)
    wrong = reid_srdl_here("analyse", "activation", *runs, "--plot", out, streams=capsys)
    assert_told(wrong, "no image is named", status=2)
    wrong = reid_srdl_here(*words, "--identity", "1", "--like", images[0], streams=capsys)
    assert_told(wrong, "two aims", status=2)
