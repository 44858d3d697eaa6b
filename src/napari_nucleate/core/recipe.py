"""All that makes a training repeatable, in one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from napari_nucleate.core.architectures import Architecture, UNet
from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.core.params import Params
from napari_nucleate.core.targets import Boundary, Target
from napari_nucleate.core.zoom import measured_diameter, zoom_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.annotation import Annotation


class Seconds(Params):
    """Train for so long; the learning rate falls to zero when the time is over."""

    kind: Literal["seconds"] = "seconds"
    value: float = Field(60, ge=1, le=604_800, description="Seconds of training.")

    def fraction(self, step: int, seconds: float, steps_per_epoch: int) -> float:
        """How much of the training is done, from 0 to 1."""
        del step, steps_per_epoch
        return min(seconds / self.value, 1.0)


class Epochs(Params):
    """Train until every labelled pixel was drawn so often, on average."""

    kind: Literal["epochs"] = "epochs"
    value: int = Field(20, ge=1, le=100_000, description="Passes over the labelled images.")

    def fraction(self, step: int, seconds: float, steps_per_epoch: int) -> float:
        """How much of the training is done, from 0 to 1."""
        del seconds
        return min(step / (self.value * steps_per_epoch), 1.0)


class Steps(Params):
    """Train for so many updates of the weights; the same on every machine."""

    kind: Literal["steps"] = "steps"
    value: int = Field(500, ge=1, le=10_000_000, description="Updates of the weights.")

    def fraction(self, step: int, seconds: float, steps_per_epoch: int) -> float:
        """How much of the training is done, from 0 to 1."""
        del seconds, steps_per_epoch
        return min(step / self.value, 1.0)


Budget = Annotated[Seconds | Epochs | Steps, Field(discriminator="kind")]


class Optimisation(Params):
    """How the weights are found."""

    budget: Budget = Field(Seconds(), description="How long to train.")
    patch: int = Field(
        0,
        ge=0,
        le=1024,
        multiple_of=16,
        description="Side of a training patch in pixels; 0 takes 128, or 96 of volumes.",
    )
    patch_depth: int = Field(
        16, ge=4, le=128, description="Planes of a training patch, for 3D images."
    )
    batch: int = Field(
        0, ge=0, le=256, description="Patches a step; 0 takes 8 flat ones, or 2 of volumes."
    )
    learning_rate: float = Field(
        3e-3, gt=0, le=1, description="Highest learning rate (AdamW, one-cycle)."
    )
    weight_decay: float = Field(1e-2, ge=0, le=1, description="Decay of the weights (AdamW).")
    averaging: float = Field(
        0.98, ge=0, lt=1, description="Running mean of the weights over steps; 0 turns it off."
    )
    validation: float = Field(
        0.15, ge=0, le=0.5, description="Share of the labelled images held out to validate on."
    )
    likely_background: bool = Field(
        True,
        description="Where only parts of the images are labelled, learn as background also what "
        "looks less like an object than any that is labelled.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=1000,
        description="Stop early after so many validations without a rise; 0 never does.",
    )
    tune: bool = Field(
        True,
        description="At the end, choose the splitter's thresholds by labelled images; with fewer "
        "than five of them, or than a hundred objects, they stay.",
    )
    frozen: Literal["none", "encoder", "all-but-head"] = Field(
        "none",
        description="Parts of the network that stay as they are when a model goes on learning.",
    )
    thaw: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the training for which frozen parts stay so; then they thaw one "
        "after the other, from the maps to the image, until midway to the end. 1 is all of it.",
    )
    encoder_rate: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Learning rate of the encoder, against the others', when a model goes on "
        "learning.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of every random draw.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto takes a GPU where there is one; or cpu, cuda, cuda:1, mps.",
    )


class Recipe(Params):
    """Architecture, target, augmentation and optimisation: all of a training but the images."""

    ndim: Literal[2, 3] = Field(2, description="Images of two or three dimensions.")
    channels: int = Field(1, ge=1, le=64, description="Channels of an image.")
    architecture: Architecture = Field(UNet(), description="The network.")
    target: Target = Field(Boundary(), description="What the network learns to draw.")
    diameter: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="Diameter of the objects in pixels; images with much smaller or larger ones "
        "are rescaled for the network. 0 measures it in the labels (2D only).",
    )
    normalisation: Normalisation = Field(Normalisation(), description="Range of the grey values.")
    augmentation: Augmentation = Field(
        Augmentation(), description="How training images are varied."
    )
    optimisation: Optimisation = Field(Optimisation(), description="How the weights are found.")

    def suited(self, spacing: Sequence[float]) -> Recipe:
        """The same for voxels of another depth than width, where nothing was said of it. Pure.

        Parameters
        ----------
        spacing : sequence of float
            Pixel size along (Z,) Y and X.

        Returns
        -------
        Recipe
            With the anisotropy of 3D images, for the target and its splitter.
        """
        if self.ndim == 2 or len(spacing) != 3:
            return self
        between = min(max(spacing[0] / spacing[2], 0.01), 100.0)
        target: Any = self.target
        splitter: Any = getattr(target, "splitter", None)
        if getattr(splitter, "anisotropy", None) == 1:
            splitter = splitter.model_copy(update={"anisotropy": between})
            target = target.model_copy(update={"splitter": splitter})
        if getattr(target, "anisotropy", None) == 1:
            target = target.model_copy(update={"anisotropy": between})
        return self.model_copy(update={"target": target})

    def measured(self, annotations: Sequence[Annotation]) -> Recipe:
        """The same with the diameter of these objects, where none is given. Pure."""
        if self.diameter or not self.flat_objects:
            return self
        return self.model_copy(update={"diameter": round(measured_diameter(annotations), 2)})

    @property
    def flat_objects(self) -> bool:
        """Whether objects have diameters: not in volumes, nor where labels are classes."""
        return self.ndim == 2 and not self.target.semantic

    @property
    def zoom(self) -> float:
        """How much images are enlarged in Y and X before the network sees them."""
        return zoom_for(self.diameter) if self.ndim == 2 else 1.0

    @property
    def batch(self) -> int:
        """Patches a step. Many steps on little teach more than few on much: of volumes, two."""
        return self.optimisation.batch or (8 if self.ndim == 2 else 2)

    @property
    def patch(self) -> int:
        """Side of a training patch in pixels, along Y and X."""
        return self.optimisation.patch or (128 if self.ndim == 2 else 96)

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Spatial shape of a training patch, sides divisible by what the network needs."""
        n = self.architecture.multiple
        options = self.optimisation
        sides = (
            (self.patch,) * 2 if self.ndim == 2 else (options.patch_depth, self.patch, self.patch)
        )
        return tuple(-(-side // n) * n for side in sides)
