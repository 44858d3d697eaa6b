"""Parameters are frozen, closed, bounded and described, and errors are one sentence."""

import json

import pytest
from pydantic import Field, model_validator

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.classical import Otsu
from napari_nucleate.core.confidence import Confidence
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, StarConvex, Watershed
from napari_nucleate.core.losses import CrossEntropy, Dice, Jaccard, Mixture
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.core.params import Params
from napari_nucleate.core.predict import Tiling
from napari_nucleate.core.recipe import Epochs, Optimisation, Recipe, Seconds, Steps
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

ALL = [
    Augmentation,
    Boundary,
    Components,
    Confidence,
    CrossEntropy,
    Dice,
    Epochs,
    Jaccard,
    Mixture,
    Normalisation,
    NucleiSample,
    Optimisation,
    Otsu,
    Recipe,
    Seconds,
    SelfTraining,
    Semantic,
    StarConvex,
    StarConvexTarget,
    Steps,
    Tiling,
    Watershed,
]


class Blur(Params):
    sigma: float = Field(1.0, ge=0, le=10, description="Width in pixels.")


@pytest.mark.parametrize("params", ALL, ids=lambda p: p.__name__)
def test_every_field_is_described_and_every_number_bounded(params):
    numbers = ("int", "float")
    for name, field in params.model_fields.items():
        if name == "kind":
            continue
        assert field.description, f"{params.__name__}.{name}"
        kind = field.annotation
        if getattr(kind, "__name__", "") in numbers:
            rules = {type(rule).__name__ for rule in field.metadata}
            assert rules & {"Ge", "Gt"}, f"{params.__name__}.{name} has no lower bound"
            assert rules & {"Le", "Lt"}, f"{params.__name__}.{name} has no upper bound"


@pytest.mark.parametrize("params", ALL, ids=lambda p: p.__name__)
def test_json_brings_back_an_equal_object(params, tmp_path):
    path = tmp_path / "params.json"
    path.write_text(params().to_json(), "utf-8")
    assert params.load(path) == params()
    assert params.parse(json.loads(params().to_json())) == params()


def test_parameters_cannot_be_changed_but_can_be_compared():
    blur = Blur(sigma=2)
    with pytest.raises(ValueError, match="frozen"):
        blur.sigma = 3
    assert hash(Recipe()) == hash(Recipe())
    assert blur == Blur(sigma=2) != Blur()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sigma": 11}, "sigma = 11 is not valid: Input should be less than or equal to 10"),
        ({"sigma": float("nan")}, "sigma = nan is not valid"),
        ({"sigma": float("inf")}, "sigma = inf is not valid"),
        ({"sigma": "wide"}, "sigma = 'wide' is not valid"),
        ({"sigmo": 1}, "sigmo = 1 is not valid: Extra inputs are not permitted"),
        ({"sigma": -1, "b": 2}, r"\(1 more like it\)"),
        ({"sigma": "x" * 900}, "…"),
    ],
)
def test_a_wrong_value_is_named_in_one_short_sentence(values, sentence):
    with pytest.raises(NucleateError, match=sentence) as caught:
        Blur.parse(values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe\x00", b"{" * 100_000, b"[" * 100_000, b'{"sigma": 99}'],
    ids=["nothing", "cut", "list", "null", "bytes", "deep", "deeper", "out of bounds"],
)
def test_a_damaged_file_is_one_sentence_that_names_it(tmp_path, content):
    path = tmp_path / "blur.json"
    path.write_bytes(content)
    with pytest.raises(NucleateError, match=r"blur\.json") as caught:
        Blur.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(NucleateError, match=r"blur\.json does not exist\."):
        Blur.load(tmp_path / "blur.json")


class Range(Params):
    low: int = 1
    high: int = 5

    @model_validator(mode="after")
    def _in_order(self):
        if self.low > self.high:
            raise ValueError("low is above high; lower it")
        return self


def test_a_rule_between_fields_is_told_without_the_values():
    with pytest.raises(NucleateError, match=r"^Range: low is above high; lower it\.$"):
        Range.parse({"low": 7})
