"""Options of the command line come from the fields of the parameters."""

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from napari_nucleate.cli.options import field_at, merged, with_options
from napari_nucleate.cli.splitting import splitter_from
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, LinkedPlanes, StarConvex, Watershed
from napari_nucleate.core.recipe import Recipe, Steps
from napari_nucleate.core.targets import Boundary, Semantic


def run(*arguments):
    """Run a command with two options of a recipe; gives what it was given."""
    app, seen = typer.Typer(), []

    @app.command()
    @with_options("given", Recipe, "ndim", "optimisation.batch", rename={"ndim": "dims"})
    def command(given: dict[str, Any], name: str = "x") -> None:
        seen.append((name, given))

    result = CliRunner().invoke(app, list(arguments))
    return result, seen


def test_only_what_was_given_arrives_nested_as_the_fields_are():
    assert run()[1] == [("x", {})]
    assert run("--batch", "3")[1] == [("x", {"optimisation": {"batch": 3}})]
    assert run("--dims", "3", "--name", "y")[1] == [("y", {"ndim": 3})]


def test_bounds_of_the_field_are_bounds_of_the_option():
    result, seen = run("--batch", "-1")
    assert result.exit_code == 2
    assert "--batch" in result.output
    assert seen == []


def test_the_help_is_the_description_of_the_field():
    text = " ".join(run("--help")[0].output.replace("│", " ").split())
    assert field_at(Recipe, "optimisation.batch").description in text
    assert "(default: 0)" in text


def test_a_path_through_a_choice_is_a_mistake_of_the_programmer():
    with pytest.raises(TypeError, match="leads through target, which is a choice of classes"):
        field_at(Recipe, "target.width")


def test_given_values_are_merged_into_the_rest():
    base = Recipe.parse({"target": {"kind": "boundary", "width": 5}, "channels": 3})
    got = merged(base, {"target": {"kind": "boundary", "border_weight": 7}})
    assert got.target == Boundary(width=5, border_weight=7)
    assert got.channels == 3


def test_another_choice_starts_from_its_own_defaults():
    base = Recipe.parse({"target": {"kind": "boundary", "width": 5}})
    assert merged(base, {"target": {"kind": "semantic"}}).target == Semantic()
    budget = {"optimisation": {"budget": {"kind": "steps", "value": 9}, "batch": 2}}
    got = merged(base, budget).optimisation
    assert (got.budget, got.batch) == (Steps(value=9), 2)


def test_splitters_are_made_from_options_and_json():
    assert splitter_from("watershed", None, None, "{}") == Watershed()
    assert splitter_from("components", 0.3, 5, "{}") == Components(threshold=0.3, min_size=5)
    assert splitter_from("linked-planes", None, None, '{"gap": 2}') == LinkedPlanes(gap=2)
    stars = '{"splitter": {"kind": "star-convex", "overlap": 0.1}, "overlap": 0.3}'
    assert splitter_from("linked-planes", 0.4, 7, stars) == LinkedPlanes(
        splitter=StarConvex(threshold=0.4, min_size=7, overlap=0.1), overlap=0.3
    )
    assert splitter_from("linked-planes", 0.4, None, "{}").splitter == Watershed(threshold=0.4)
    assert splitter_from("star-convex", None, 7, '{"overlap": 0.1}') == StarConvex(
        overlap=0.1, min_size=7
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"sigmo": 2}', "sigmo = 2 is not valid"),
        ('{"sigma": -2}', "sigma = -2 is not valid"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, sentence):
    with pytest.raises(NucleateError, match=sentence):
        splitter_from("watershed", None, None, settings)
