"""Predictions don't depend on how an image is cut, and any size of image will do."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.architectures.modules import UNetModule
from napari_nucleate.core.confidence import Confidence, Scores
from napari_nucleate.core.errors import MemoryRanOutError, NucleateError
from napari_nucleate.core.events import Prediction, Tile
from napari_nucleate.core.predict import Tiling, pieces, predict, predict_maps
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

CPU = torch.device("cpu")
WHOLE = Tiling(side=8192, side_3d=1024, depth=1024)
SMALLEST = Tiling(side=32, side_3d=32, depth=8)
ONCE = Confidence(agreement=False)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """bfloat16 rounds at a hundredth: it would hide what these tests look for."""
    monkeypatch.setattr("napari_nucleate.core.device.half_precision_pays", lambda kind: False)


def of_kind(kind, events):
    return [e for e in events if isinstance(e, kind)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


CASES = [
    (UNet(width=4, levels=levels, stem=stem), shape, tiling)
    for levels, stem, shapes in [
        (2, 1, [(97, 131), (70, 33)]),
        (2, 2, [(131, 97), (64, 64)]),
        (3, 1, [(150, 71)]),
        (3, 2, [(203, 131)]),
        (2, 1, [(21, 70, 43)]),
        (2, 2, [(9, 81, 35)]),
    ]
    for shape in shapes
    for tiling in [SMALLEST, Tiling(side=57, side_3d=45, depth=11)]
]


@pytest.mark.parametrize(
    ("network", "shape", "tiling"),
    CASES,
    ids=[f"{n.levels} levels, stem {n.stem}, {s}, {t.side}" for n, s, t in CASES],
)
def test_the_result_does_not_depend_on_the_tiles(tiny, random_model, network, shape, tiling):
    recipe = tiny(len(shape), network=network)
    module = random_model(recipe).network(CPU)
    pixels = noise(1, *shape)
    whole = predict_maps(module, recipe, pixels, CPU, WHOLE)
    cut = predict_maps(module, recipe, pixels, CPU, tiling)
    assert whole.shape == cut.shape == (3, *shape)
    assert whole.std(axis=tuple(range(1, whole.ndim))).min() > 0.02  # it draws something
    assert abs(whole - cut).max() < 1e-4


def test_without_the_halo_the_tiles_would_show(tiny, random_model, monkeypatch):
    recipe = tiny(network=UNet(width=4, levels=3, stem=1))
    module = random_model(recipe).network(CPU)
    pixels = noise(1, 96, 96)
    whole = predict_maps(module, recipe, pixels, CPU, WHOLE)
    monkeypatch.setattr(UNet, "halo", 0)
    cut = predict_maps(module, recipe, pixels, CPU, SMALLEST)
    assert abs(whole - cut).max() > 1e-3


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 70)), min_size=1, max_size=3),
    st.sampled_from([2, 4, 8]),
    st.integers(0, 3),
)
def test_pieces_cover_every_pixel_once_and_start_where_pooling_does(axes, multiple, halos):
    shape = tuple(n * multiple for n, _ in axes)
    tile = tuple(side for _, side in axes)
    halo = halos * multiple
    times = np.zeros(shape, int)
    for piece in pieces(shape, tile, halo, multiple):
        times[piece.write] += 1
        for read, keep, write, n in zip(piece.read, piece.keep, piece.write, shape, strict=True):
            assert read.start % multiple == read.stop % multiple == 0
            assert (read.start + keep.start, read.start + keep.stop) == (write.start, write.stop)
            assert read.start == max(write.start - halo, 0)
            assert read.stop == min(write.stop + halo, n)
    assert (times == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 3), (1, 1, 1), (2, 7, 33)])
def test_images_smaller_than_a_tile_or_the_network_are_predicted(
    tiny, random_model, picture, shape
):
    model = random_model(tiny(len(shape)))
    *tiles, got = predict(model, [picture("small", noise(1, *shape))], device="cpu")
    assert got.maps.shape == (3, *shape)
    assert got.maps.dtype == np.float16
    assert got.labels.shape == shape
    assert got.labels.dtype == np.int32
    assert [t.done for t in tiles] == [1, 2]
    assert 0 <= got.scores.image <= 1


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "float64"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_constant_and_broken_images_are_predicted_too(tiny, random_model, picture, dtype, ndim):
    model = random_model(tiny(ndim))
    image = np.ones((1, *[16] * ndim), dtype)
    if dtype == "float64":
        image[0, ..., :4] = np.nan
        image[0, ..., 4:6] = np.inf
    got = list(predict(model, [picture("flat", image)], device="cpu"))[-1]
    assert np.isfinite(got.maps.astype(float)).all()
    assert np.isfinite(got.scores.image)


def test_events_come_in_order_image_by_image(tiny, random_model, picture):
    model = random_model(tiny())
    read = []

    class Noted(picture):
        def read(self):
            read.append(self.key)
            return super().read()

    sources = [Noted(k, noise(1, 40, 70)) for k in ("a", "b")]
    events = predict(model, sources, tiling=SMALLEST, confidence=ONCE, device="cpu")
    assert read == []
    seen = [next(events) for _ in range(7)]
    assert read == ["a"]
    assert all(isinstance(e, Tile) for e in seen[:-1])
    assert [(e.key, e.done, e.total) for e in seen[:-1]] == [("a", i, 6) for i in range(1, 7)]
    assert isinstance(seen[-1], Prediction)
    assert [e.key for e in events if isinstance(e, Prediction)] == ["b"]


def test_agreement_costs_a_second_pass_that_is_counted(tiny, random_model, picture):
    model = random_model(tiny())
    source = [picture("a", noise(1, 40, 70))]
    tiles = list(predict(model, source, tiling=SMALLEST, device="cpu"))[:-1]
    # 40 x 70 in tiles of 32 is 2 x 3; turned it is 3 x 2.
    assert [(t.done, t.total) for t in tiles] == [(i, 12) for i in range(1, 13)]


@pytest.mark.parametrize("target", [Boundary(), StarConvexTarget(rays=8)], ids=lambda t: t.kind)
def test_the_second_pass_makes_the_maps_better_as_well(tiny, random_model, picture, target):
    model = random_model(tiny(2, target))
    pixels = model.recipe.normalisation.apply(noise(1, 32, 48))
    network = model.network(CPU)
    one = predict_maps(network, model.recipe, pixels, CPU)
    turned = np.ascontiguousarray(np.rot90(pixels, 1, (-2, -1)))
    other = target.seen(predict_maps(network, model.recipe, turned, CPU), 1)
    got = list(predict(model, [picture("a", noise(1, 32, 48))], device="cpu"))[-1]
    np.testing.assert_allclose(got.maps, (one + other) / 2, atol=2e-2, rtol=1e-3)
    assert abs(one - other).max() > 0.05
    np.testing.assert_array_equal(got.labels, target.decode((one + other) / 2))


def test_maps_that_cannot_be_turned_are_those_of_the_first_pass(tiny, random_model, picture):
    target = StarConvexTarget(rays=9)
    assert not target.turns(2)
    model = random_model(tiny(2, target))
    pixels = model.recipe.normalisation.apply(noise(1, 32, 48))
    one = predict_maps(model.network(CPU), model.recipe, pixels, CPU)
    got = list(predict(model, [picture("a", noise(1, 32, 48))], device="cpu"))[-1]
    np.testing.assert_allclose(got.maps, one, atol=2e-2, rtol=1e-3)


def test_labels_of_the_first_view_are_not_decoded_twice(tiny, random_model, picture, monkeypatch):
    decoded, decode = [], StarConvexTarget.decode

    def noted(self, maps, splitter=None):
        decoded.append(maps.shape)
        return decode(self, maps, splitter)

    monkeypatch.setattr(StarConvexTarget, "decode", noted)
    model = random_model(tiny(2, StarConvexTarget(rays=9)))
    list(predict(model, [picture("a", noise(1, 32, 48))], device="cpu"))
    assert decoded == [(11, 48, 32)]  # of the turned image alone


def test_four_views_are_compared_one_by_one(tiny, random_model, picture):
    # Their mean turns with the image: compared with that of the turned image it would always agree.
    model = random_model(tiny())
    source = [picture("a", noise(1, 40, 70))]
    *tiles, got = predict(model, source, tiling=Tiling(views=4), device="cpu")
    assert [(t.done, t.total) for t in tiles] == [(i, 4) for i in range(1, 5)]
    assert got.scores.objects
    assert min(got.scores.objects.values()) < 0.5 * max(got.scores.objects.values())
    assert got.scores.reason == "it changes when the image is turned"


@pytest.mark.parametrize(
    "target", [Semantic(classes=2), StarConvexTarget(rays=8)], ids=lambda t: t.kind
)
def test_each_target_is_decoded(tiny, random_model, picture, target):
    model = random_model(tiny(2, target))
    got = list(predict(model, [picture("a", noise(1, 30, 45))], device="cpu"))[-1]
    assert got.maps.shape == (target.n_maps, 30, 45)
    assert set(got.scores.objects) == set(np.unique(got.labels[got.labels > 0]).tolist())


def test_the_image_is_not_changed(tiny, random_model, picture):
    image = noise(1, 20, 20) * 100
    before = image.copy()
    list(predict(random_model(tiny()), [picture("a", image)], device="cpu"))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("ndim", "shape", "sentence"),
    [
        (2, (1, 5, 20, 20), r"cells is a 3D image \(5, 20, 20\) but the model is 2D"),
        (3, (1, 20, 20), r"cells is a 2D image \(20, 20\) but the model is 3D"),
        (2, (3, 20, 20), r"cells has 3 channel\(s\) but the model was trained on 1; choose"),
        (2, (0, 20, 20), r"cells has 0 channel\(s\)"),
        (2, (1, 0, 20), r"cells is empty: its shape is \(1, 0, 20\)"),
    ],
)
def test_images_that_do_not_fit_the_model_are_refused_by_name(
    tiny, random_model, picture, ndim, shape, sentence
):
    with pytest.raises(NucleateError, match=sentence):
        list(predict(random_model(tiny(ndim)), [picture("cells", np.zeros(shape))], device="cpu"))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_running_out_of_memory_is_told_with_advice(tiny, random_model, picture, monkeypatch, error):
    def broken(self, image):
        raise error

    monkeypatch.setattr("napari_nucleate.core.architectures.modules.UNetModule.forward", broken)
    model = random_model(tiny())
    with pytest.raises(
        NucleateError, match=r"Memory ran out while predicting big .* thinner network"
    ):
        list(predict(model, [picture("big", noise(1, 40, 40))], device="cpu"))


def test_without_memory_tiles_get_smaller_until_they_fit(tiny, random_model, picture, monkeypatch):
    model, pixels = random_model(tiny()), noise(1, 300, 300)
    (whole,) = of_kind(Prediction, predict(model, [picture("a", pixels)], device="cpu"))
    true, sides = UNetModule.forward, []

    def forward(self, image):
        sides.append(max(image.shape))
        if sides[-1] > 220:
            raise MemoryError
        return true(self, image)

    monkeypatch.setattr(UNetModule, "forward", forward)
    sources = [picture(key, pixels) for key in "ab"]
    one, other = of_kind(Prediction, predict(model, sources, device="cpu"))
    assert sum(side > 220 for side in sides) <= 4  # once for each size, and never again
    for found in (one, other):
        np.testing.assert_array_equal(found.labels, whole.labels)


def test_without_batch_normalisation_it_draws_the_same(tiny, random_model):
    for ndim in (2, 3):
        model = random_model(tiny(ndim))
        whole, folded = model.network(CPU), model.predictor(CPU)
        image = torch.from_numpy(noise(1, 1, *(16,) * ndim))
        with torch.no_grad():
            torch.testing.assert_close(folded(image), whole(image), rtol=1e-4, atol=1e-4)
        norms = [m for m in folded.modules() if "BatchNorm" in type(m).__name__]
        assert not norms
        assert any("BatchNorm" in type(m).__name__ for m in whole.modules())
        assert not folded.training


def test_other_errors_pass_as_they_are(tiny, random_model, picture, monkeypatch):
    def broken(self, image):
        raise RuntimeError("a bug")

    monkeypatch.setattr("napari_nucleate.core.architectures.modules.UNetModule.forward", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        list(predict(random_model(tiny()), [picture("a", noise(1, 8, 8))], device="cpu"))


def test_closing_it_midway_reads_no_further_image(tiny, random_model, picture):
    class Forbidden(picture):
        def read(self):
            raise AssertionError("must not be read")

    sources = [picture("a", noise(1, 70, 70)), Forbidden("b", None)]
    events = predict(random_model(tiny()), sources, tiling=SMALLEST, device="cpu")
    with contextlib.closing(events):
        next(events)
    with pytest.raises(StopIteration):
        next(events)


def test_nothing_to_predict_gives_no_events(tiny, random_model):
    assert list(predict(random_model(tiny()), [], device="cpu")) == []


ONE = ((0.2, 0.8),)


class Sized:
    """A model that draws objects as surely as it is told, by how large the image is shown.

    `drawn` says from where to where along X, as shares of the image's width; one by default.
    """

    def __init__(self, monkeypatch, sure, shape, drawn=None):
        self.shown, self.sure, self.shape, self.drawn = [], sure, shape, drawn or {}
        monkeypatch.setattr(
            "napari_nucleate.core.predict._Run._tiles", lambda run, pixels: self.tiles(run, pixels)
        )
        monkeypatch.setattr("napari_nucleate.core.predict.score", self.score)

    def tiles(self, run, pixels):
        self.shown.append(pixels.shape[1] / self.shape[0])
        yield Tile("a", 1, 1)
        target, shape = run._recipe.target, pixels.shape[1:]
        if not any(self.sure.values()):
            return np.full((target.n_maps, *shape), 0.1, np.float32)
        labels = np.zeros(shape, np.int32)
        rows = slice(shape[-2] // 4, 3 * shape[-2] // 4)
        for label, span in enumerate(self.drawn.get(self.shown[-1], ONE), 1):
            start, stop = (round(at * shape[-1]) for at in span)
            labels[..., rows, start:stop] = label
        return target.encode(annotate(labels))

    def score(self, maps, labels, alone, trust, pixels, diameter):
        sure = self.sure[self.shown[-1]]
        if sure is None:
            raise MemoryRanOutError("Memory ran out.")
        return Scores(sure, {1: sure} if sure else {})


@pytest.mark.parametrize(
    ("sure", "shown", "best"),
    [
        ({1: 0.5, 0.5: 0.6, 2: 0.4}, [1, 0.5, 2], 0.6),
        ({1: 0.5, 0.5: 0.6, 2: 0.7}, [1, 0.5, 2], 0.7),
        ({1: 0.5, 0.5: 0.51, 2: 0.51}, [1, 0.5, 2], 0.5),  # hardly surer
        ({1: 0.0, 0.5: 0.0, 2: 0.4}, [1, 0.5, 2], 0.0),  # a speck in an empty image
        ({1: 0.0, 0.5: 0.6, 2: 0.4}, [1, 0.5, 2], 0.6),
        ({1: 0.9}, [1], 0.9),  # sure enough
        ({1: 0.5, 0.5: 0.6, 2: None}, [1, 0.5, 2], 0.6),  # memory ran out
    ],
)
def test_images_that_cant_be_trusted_are_looked_at_in_other_sizes(
    tiny, random_model, picture, monkeypatch, sure, shown, best
):
    seen = Sized(monkeypatch, sure, (40, 60))
    source = picture("a", noise(1, 40, 60))
    options = {"tiling": Tiling(zooms=True), "confidence": ONCE, "device": "cpu"}
    (got,) = of_kind(Prediction, predict(random_model(tiny()), [source], **options))
    assert seen.shown == shown
    assert got.scores.image == best
    assert got.maps.shape[1:] == got.labels.shape == (40, 60)


@pytest.mark.parametrize(
    ("usual", "large", "best"),
    [
        (ONE, ONE, 0.7),
        (ONE, ((0.25, 0.8),), 0.7),
        (ONE, ((0.2, 0.45), (0.55, 0.8)), 0.5),  # in two
        (((0.2, 0.45), (0.55, 0.8)), ONE, 0.5),
        (((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)), ((0.1, 0.3),), 0.5),  # two of three are lost
        (((0.1, 0.3),), ((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)), 0.5),
    ],
    ids=str,
)
def test_another_size_has_to_find_about_the_same(
    tiny, random_model, picture, monkeypatch, usual, large, best
):
    source = picture("a", noise(1, 40, 60))
    options = {"tiling": Tiling(zooms=True), "confidence": ONCE, "device": "cpu"}
    Sized(monkeypatch, {1: 0.5, 0.5: 0.1, 2: 0.7}, (40, 60), {1: usual, 2: large})
    (got,) = of_kind(Prediction, predict(random_model(tiny()), [source], **options))
    assert got.scores.image == best
    # Of what isn't sure, nothing has to be found again.
    Sized(monkeypatch, {1: 0.4, 0.5: 0.1, 2: 0.7}, (40, 60), {1: usual, 2: large})
    (got,) = of_kind(Prediction, predict(random_model(tiny()), [source], **options))
    assert got.scores.image == 0.7


def test_other_sizes_are_for_flat_images_of_objects_within_bounds(
    tiny, random_model, picture, monkeypatch
):
    def shown(recipe, *shape):
        seen = Sized(monkeypatch, dict.fromkeys((0.5, 1, 1.25, 2.5), 0.1), shape)
        source = picture("a", noise(1, *shape))
        options = {"tiling": Tiling(zooms=True), "confidence": ONCE, "device": "cpu"}
        list(predict(random_model(recipe), [source], **options))
        return seen.shown

    assert shown(tiny(3), 8, 40, 40) == [1]
    assert shown(tiny(2, Semantic()), 40, 40) == [1]
    # Small objects are enlarged by 2.5 already; twice that shows nothing more.
    assert shown(tiny().model_copy(update={"diameter": 9.6}), 40, 40) == [2.5, 1.25]
    # Of larger images, the maps of a copy of twice the size wouldn't fit into memory.
    monkeypatch.setattr("napari_nucleate.core.predict.MOST_VALUES", 3 * 40 * 40)
    assert shown(tiny(), 40, 40) == [1, 0.5]
