"""Labels of which only a part is known: what star-convex objects learn from them."""

import numpy as np
import pytest
import torch

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.targets import StarConvexTarget


def ellipse(shape=(64, 64)):
    index = np.indices(shape)
    middle = np.array(shape) / 2
    away = sum(((i - m) / (0.3 * n)) ** 2 for i, m, n in zip(index, middle, shape, strict=True))
    return (away < 1).astype(np.int32)


@pytest.mark.parametrize("shape", [(64, 64), (20, 40, 40)])
def test_rays_that_leave_for_the_unknown_do_not_count(shape):
    target = StarConvexTarget(rays=16)
    labels = ellipse(shape)
    known = np.ones(shape, bool)
    cut = shape[-1] // 2 + 4
    known[..., cut:] = False
    whole = target.encode(annotate(labels))
    part = target.encode(Annotation(np.where(known, labels, 0), known))
    inside = known & (labels > 0)
    there = np.isfinite(part[2:]) & inside
    assert 0.2 < there.sum() / inside.sum() / 16 < 0.9
    # Where a ray counts it is the true one, but for corners cut at the edge of what is known.
    error = np.abs(part[2:][there] - whole[2:][there])
    assert error.max() < 1
    # Rays that go on in the unknown are longer in truth than they seem: none of them counts.
    cut_short = Annotation(np.where(known, labels, 0), np.ones(shape, bool))
    seeming = target.encode(cut_short)[2:]
    assert not (there & (whole[2:] - seeming > 1)).any()
    assert np.isnan(part[1][inside]).all()  # the middle of an object cut off may be elsewhere
    np.testing.assert_array_equal(part[0][known], whole[0][known])


def test_the_loss_and_its_gradient_leave_out_what_is_not_known():
    target = StarConvexTarget(rays=8)
    labels = ellipse()
    known = np.ones(labels.shape, bool)
    known[:, 36:] = False
    maps = target.encode(Annotation(np.where(known, labels, 0), known))
    wanted = torch.from_numpy(maps)[None]
    weight = torch.from_numpy(known.astype(np.float32))[None, None]
    logits = torch.zeros(wanted.shape, requires_grad=True)
    loss = target.loss(logits, wanted, weight)
    loss.backward()
    assert torch.isfinite(loss)
    gradient = logits.grad[0].numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[:, ~known].any()
    assert not gradient[np.isnan(maps)].any()
    assert gradient[2:][np.isfinite(maps[2:]) & (labels > 0) & known].any()


def test_an_object_that_sticks_out_of_its_box_counts_whole():
    labels = np.zeros((20, 20), int)
    labels[5:10, 5:15], labels[15:, 15:] = 1, 2
    known = annotate(labels, "boxes", [((3, 3), (12, 10))]).known
    assert known[5:10, 5:15].all()
    assert not known[15:, 15:].any()
    assert not known[3, 12]
    assert known[3, 9]


def test_another_piece_with_the_same_label_stays_unknown():
    classes = np.zeros((20, 40), int)
    classes[5:10, 5:15] = classes[5:10, 25:35] = 1
    known = annotate(classes, "boxes", [((3, 3), (12, 10))]).known
    assert known[5:10, 5:15].all()
    assert not known[:, 16:].any()
