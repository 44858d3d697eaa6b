"""Patches show objects often, and labels lie on their pixels."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

BOTH = pytest.mark.parametrize("ndim", [2, 3])
STILL = Augmentation(brightness=0, contrast=0, gamma=0, blur=0, noise=0)


def sampler(examples, recipe, seed=0):
    return Sampler(examples, recipe, np.random.default_rng(seed))


@BOTH
def test_a_batch_has_the_recipes_shapes(nuclei, tiny, ndim):
    recipe = tiny(ndim)
    got = sampler(nuclei(ndim), recipe).batch(3)
    shape = recipe.patch_shape
    assert got.image.shape == (3, 1, *shape)
    assert got.target.shape == (3, 3, *shape)
    assert got.weight.shape == (3, 1, *shape)
    assert {a.dtype for a in (got.image, got.target, got.weight)} == {np.dtype(np.float32)}


@BOTH
def test_the_same_seed_draws_the_same_patches(nuclei, tiny, ndim):
    one, same, other = (sampler(nuclei(ndim), tiny(ndim), s).batch(2) for s in (4, 4, 5))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.target, same.target)
    assert not np.allclose(one.image, other.image)


class TestBesideWhatIsUnknown:
    """Whether an object touches another isn't known there: neither inside nor border is taught."""

    def site(self, recipe, labels, known):
        still = Augmentation(flip=False, turn=False, scale=0, elastic=0)
        image = np.zeros((1, *labels.shape))
        example = Example("a", image, Annotation(labels.astype(np.int32), known))
        recipe = recipe.model_copy(update={"augmentation": still})
        (site,) = sampler([example], recipe)._sites
        return site

    @pytest.mark.parametrize(("width", "diameter", "deep"), [(2, 0, 3), (5, 0, 6), (2, 96, 12)])
    def test_the_rim_of_an_object_counts_nothing(self, tiny, width, diameter, deep):
        labels, known = np.zeros((64, 64)), np.ones((64, 64), bool)
        labels[20:40, 20:52], known[:, :20] = 1, False
        recipe = tiny(2, Boundary(width=width), likely_background=False)
        recipe = recipe.model_copy(update={"diameter": float(diameter)})
        site = self.site(recipe, labels, known)
        row = np.repeat(site.weights[round(30 * recipe.zoom)], round(1 / recipe.zoom))
        assert not row[20 : 20 + deep].any()
        assert row[20 + deep :].all()
        # Of background it is known what it is.
        assert site.weights[:2, round(20 * recipe.zoom) :].all()

    def test_a_thin_stroke_is_the_inside_of_an_object(self, tiny):
        labels = np.zeros((64, 64))
        labels[10:13, 5:50], labels[30:50, 30:50] = 1, 2
        site = self.site(tiny(likely_background=False), labels, labels > 0)
        assert site.weights[10:13, 5:50].all()
        assert not site.weights[30:33, 30:50].any()
        assert site.weights[34:46, 34:46].all()

    def test_in_depth_a_border_is_one_plane(self, tiny):
        labels, known = np.zeros((12, 40, 40)), np.ones((12, 40, 40), bool)
        labels[4:10, 10:30, 10:30], known[:4] = 1, False
        site = self.site(tiny(3, likely_background=False), labels, known)
        assert not site.weights[4, 10:30, 10:30].any()
        assert site.weights[5:].all()

    def test_where_all_is_known_all_counts(self, nuclei, tiny):
        for example in nuclei():
            assert (
                self.site(tiny(), example.annotation.labels, example.annotation.known).weights
                is None
            )

    def test_rays_know_by_themselves_how_far_they_are_known(self, tiny):
        labels, known = np.zeros((64, 64)), np.ones((64, 64), bool)
        labels[20:40, 20:52], known[:, :20] = 1, False
        recipe = tiny(2, StarConvexTarget(rays=8), likely_background=False)
        assert self.site(recipe, labels, known).weights is None


@pytest.mark.parametrize(
    ("target", "ndim"),
    [(Semantic(), 2), (Semantic(), 3), (Boundary(), 2), (Boundary(), 3), (StarConvexTarget(), 2)],
    ids=lambda x: getattr(x, "kind", x),
)
def test_targets_lie_on_their_pixels_after_every_warp(nuclei, tiny, target, ndim):
    # The image is its own mask, so that it tells where labels belong.
    examples = []
    for example in nuclei(ndim):
        mask = example.annotation.labels > 0
        labels = mask if target.semantic else example.annotation.labels
        examples.append(Example(example.key, mask[np.newaxis].astype(np.float32), annotate(labels)))
    recipe = tiny(ndim, target).model_copy(
        update={"augmentation": STILL, "normalisation": Normalisation(low=0, high=100)}
    )
    batch = sampler(examples, recipe).batch(6)
    foreground = np.stack([target.maps(t).foreground for t in batch.target])
    seen = batch.image[:, 0]
    assert (foreground[seen > 0.999] == 1).all()
    assert (foreground[seen < 0.001] == 0).all()
    assert 0.05 < seen.mean() < 0.95


@BOTH
def test_unknown_pixels_weigh_nothing_and_known_ones_as_much_as_their_example(tiny, ndim):
    shape = (40, 40) if ndim == 2 else (12, 24, 24)
    known = np.zeros(shape, bool)
    known[..., : shape[-1] // 2] = True
    image = known[np.newaxis].astype(np.float32)
    labels = np.ones(shape, np.int32)
    recipe = tiny(ndim, Semantic()).model_copy(
        update={"augmentation": STILL, "normalisation": Normalisation(low=0, high=100)}
    )
    batch = sampler([Example("a", image, Annotation(labels, known), 0.25)], recipe).batch(4)
    assert set(np.unique(batch.weight)) == {0, 0.25}
    assert (batch.weight[batch.image > 0.999] == 0.25).all()
    assert (batch.weight[batch.image < 0.001] == 0).all()


@BOTH
def test_most_patches_show_an_object_even_where_there_is_a_single_one(tiny, ndim):
    shape = (400, 400) if ndim == 2 else (16, 150, 150)
    labels = np.zeros(shape, np.int32)
    labels[(..., slice(20, 30), slice(20, 30))] = 1
    examples = [Example("a", np.zeros((1, *shape), np.uint8), annotate(labels))]
    batch = sampler(examples, tiny(ndim, Semantic())).batch(24)
    assert batch.target[:, 1].any(axis=tuple(range(1, ndim + 1))).mean() >= 0.5


def test_an_image_without_objects_is_drawn_too(tiny):
    empty = Example("empty", np.full((1, 40, 40), 9.0), annotate(np.zeros((40, 40), int)))
    batch = sampler([empty], tiny()).batch(3)
    assert (batch.target[:, 0] == 1).all()
    assert (batch.weight == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (1, 1, 1), (2, 40, 5)])
def test_images_smaller_than_a_patch_are_mirrored_to_its_size(tiny, shape):
    recipe = tiny(len(shape))
    image = np.arange(np.prod(shape)).reshape(1, *shape)
    batch = sampler([Example("a", image, annotate(np.ones(shape, int)))], recipe).batch(2)
    assert batch.image.shape[2:] == recipe.patch_shape
    assert np.isfinite(batch.image).all()
    assert (batch.weight == 1).all()
    assert (batch.target[:, 0] == 0).all()


def test_a_persons_image_is_drawn_more_often_than_a_pseudo_label(tiny):
    labels = np.zeros((64, 64), int)
    labels[20:40, 20:40] = 1
    person = Example("a", np.zeros((1, 64, 64)), annotate(labels))
    pseudo = Example("b", np.zeros((1, 64, 64)), annotate(labels), 0.5, pseudo=True)
    weights = sampler([person, pseudo], tiny()).batch(90).weight.max(axis=(1, 2, 3))
    assert 0.5 < (weights == 1).mean() < 0.85


@pytest.mark.parametrize(
    ("painted", "predicted", "share"),
    [(1, 2, 1 / 2), (1, 3, 2 / 5), (1, 40, 1 / 4), (12, 90, 1 / 3), (16, 90, 1 / 2)],
)
def test_of_few_a_persons_images_predicted_ones_are_drawn_more_often(
    tiny, painted, predicted, share
):
    labels = np.zeros((64, 64), np.int32)
    labels[20:40, 20:40] = 1
    image, annotation = np.zeros((1, 64, 64)), annotate(labels)
    people = [Example(f"p{i}", image, annotation) for i in range(painted)]
    others = [Example(f"{i}", image, annotation, 0.5, pseudo=True) for i in range(predicted)]
    chosen = sampler([*people, *others], tiny()).choose(400)
    human = sum(not one.site.example.pseudo for one in chosen)
    assert human == pytest.approx(400 * share, abs=40)


def test_examples_with_nothing_known_are_left_out(tiny, nuclei):
    nothing = Example("n", np.full((1, 64, 64), 5.0), annotate(np.zeros((64, 64), int), "sparse"))
    batch = sampler([nothing, nuclei()[0]], tiny()).batch(8)
    assert (batch.weight > 0).any(axis=(1, 2, 3)).all()
    with pytest.raises(NucleateError, match="Nothing is labelled yet; paint a few objects first"):
        sampler([nothing], tiny())
    with pytest.raises(NucleateError, match="Nothing is labelled yet"):
        sampler([], tiny())


def test_star_convex_rays_reach_beyond_the_patch(tiny):
    labels = np.ones((200, 200), int)
    recipe = tiny(2, StarConvexTarget()).model_copy(
        update={"augmentation": Augmentation(flip=False, turn=False, scale=0, elastic=0)}
    )
    batch = sampler([Example("a", np.zeros((1, 200, 200)), annotate(labels))], recipe).batch(2)
    # The patch is 32 wide: cut without its surroundings no ray in its middle would pass 17.
    assert (batch.target[:, 2:, 16, 16] > 30).all()


def test_several_channels_stay_in_their_order(tiny):
    image = np.stack([np.zeros((64, 64)), np.tile(np.linspace(0, 1, 64), (64, 1))])
    recipe = tiny(channels=2).model_copy(update={"augmentation": STILL})
    batch = sampler([Example("a", image, annotate(np.ones((64, 64), int)))], recipe).batch(2)
    assert not batch.image[:, 0].any()
    assert batch.image[:, 1].std() > 0.01


def test_labels_of_another_shape_are_refused_by_name():
    with pytest.raises(NucleateError, match=r"cells: the image has shape \(4, 5\).*\(5, 4\)"):
        Example("cells", np.zeros((1, 4, 5)), annotate(np.zeros((5, 4), int)))


@BOTH
def test_a_patch_has_sides_that_the_network_can_halve(tiny, ndim):
    from napari_nucleate.core.architectures import UNet

    recipe = tiny(ndim, network=UNet(width=4, levels=5, stem=2), patch=48, patch_depth=5)
    assert recipe.patch_shape == ((64, 64) if ndim == 2 else (32, 64, 64))
