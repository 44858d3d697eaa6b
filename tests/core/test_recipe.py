"""A recipe says all of a training but the images."""

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.recipe import Epochs, Optimisation, Recipe, Seconds, Steps


def test_budgets_tell_how_much_is_done():
    assert Seconds(value=10).fraction(step=999, seconds=5, steps_per_epoch=1) == 0.5
    assert Seconds(value=10).fraction(step=1, seconds=25, steps_per_epoch=1) == 1
    assert Steps(value=8).fraction(step=2, seconds=999, steps_per_epoch=1) == 0.25
    assert Steps(value=8).fraction(step=9, seconds=0, steps_per_epoch=1) == 1
    assert Epochs(value=4).fraction(step=6, seconds=999, steps_per_epoch=3) == 0.5
    assert Epochs(value=4).fraction(step=13, seconds=0, steps_per_epoch=3) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimisation": {"patch": 100}}, r"patch = 100 .* multiple of 16"),
        ({"optimisation": {"learning_rate": 0}}, "learning_rate = 0 .* greater than 0"),
        ({"optimisation": {"device": "gpu"}}, "device = 'gpu' is not valid"),
        ({"optimisation": {"budget": {"kind": "years"}}}, "budget .*'seconds', 'epochs', 'steps'"),
        ({"target": {"kind": "boundary", "width": 0}}, "width = 0 is not valid"),
        ({"target": {"kind": "mask"}}, "target .*'boundary', 'semantic', 'star-convex'"),
        ({"ndim": 4}, "ndim = 4 .* 2 or 3"),
        ({"channels": 0}, "channels = 0 "),
        ({"architecture": {"levels": 1}}, "architecture.levels = 1 "),
        ({"epochs": 3}, "epochs = 3 .* not permitted"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(changes, sentence):
    with pytest.raises(NucleateError, match=sentence):
        Recipe.parse(changes)


def test_a_choice_is_known_by_its_kind(tmp_path):
    recipe = Recipe.parse(
        {
            "target": {"kind": "semantic", "classes": 3, "loss_function": {"kind": "dice"}},
            "optimisation": {"budget": {"kind": "epochs", "value": 7}},
        }
    )
    path = tmp_path / "recipe.json"
    path.write_text(recipe.to_json(), "utf-8")
    assert Recipe.load(path) == recipe
    assert recipe.target.classes == 3
    assert recipe.optimisation.budget == Epochs(value=7)


def test_volumes_have_smaller_patches_and_batches_where_nothing_is_said():
    flat, volumes = Recipe(), Recipe(ndim=3)
    assert (flat.batch, flat.patch_shape) == (8, (128, 128))
    assert (volumes.batch, volumes.patch_shape) == (2, (16, 96, 96))
    said = Optimisation(batch=5, patch=64)
    for ndim in (2, 3):
        recipe = Recipe(ndim=ndim, optimisation=said)
        assert (recipe.batch, recipe.patch_shape[-1]) == (5, 64)
