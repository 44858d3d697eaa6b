"""What long work says while it runs: small frozen events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.confidence import Scores
    from napari_nucleate.core.instances import Instances
    from napari_nucleate.core.model import Model


@dataclass(frozen=True)
class Started:
    """A training has begun.

    `held_out` are the keys of images held out whole. `note` says in words what is validated on,
    and that an interrupted training goes on where it does.
    """

    examples: int
    held_out: tuple[str, ...]
    device: str
    parameters: int
    note: str


@dataclass(frozen=True)
class Step:
    """One update of the weights; `fraction` of the training is done, 0 to 1."""

    step: int
    loss: float
    learning_rate: float
    fraction: float
    seconds: float


@dataclass(frozen=True)
class Validated:
    """The averaged weights were measured on the validation images.

    `loss` is the cross-entropy of the foreground, `ap` the mean AP at IoU 0.5 to 0.9. `model` has
    the weights where they are the best so far, and is None elsewhere; who listens keeps it. Step 0
    is the model that the training begins with. `learning_rate` is that of the step before.
    """

    step: int
    loss: float
    ap: float
    dice: float
    fraction: float
    model: Model | None
    learning_rate: float = 0.0


@dataclass(frozen=True)
class Warned:
    """Something was put right without the person; one sentence."""

    message: str


class Worsened(Warned):
    """That a training ended worse than it began, and what to do."""


@dataclass(frozen=True)
class Viewed:
    """What a person looks at: pixels (C, *spatial) from `offset` on in the image `key`.

    `limits` are those of the whole image, see `Normalisation.limits`; the part's own without them.
    """

    key: str
    offset: tuple[int, ...]
    image: NDArray[np.generic] = field(repr=False)
    limits: NDArray[np.float64] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Preview:
    """What the network makes of the region in view, as it learns.

    `foreground` is float32 in [0, 1], of the region's spatial shape.
    """

    step: int
    key: str
    offset: tuple[int, ...]
    foreground: NDArray[np.float32]


@dataclass(frozen=True)
class Corrected:
    """Labels that changed meanwhile were taken up: from now on `key` is learned from as it is now.

    `pixels` have another label than before, or one for the first time, counted as the network sees
    the image, larger or smaller. Where `held_out` is true, they aren't learned from: validations
    compare with them.
    """

    key: str
    pixels: int
    held_out: bool


@dataclass(frozen=True)
class Finishing:
    """The best weights were looked at once more, on `done` of `total` images: how sure they are."""

    done: int
    total: int


@dataclass(frozen=True)
class Trained:
    """The training is over; `model` has the best weights."""

    model: Model


@dataclass(frozen=True)
class Tile:
    """One of `total` tiles of an image was predicted."""

    key: str
    done: int
    total: int


@dataclass(frozen=True)
class Prediction:
    """What a model makes of one image.

    Parameters
    ----------
    key : str
        The image's name.
    maps : ndarray of float16, shape (K, *spatial)
        The network's maps; decode them again to move a threshold.
    labels : ndarray of int32, shape (*spatial)
    scores : Scores
        Confidence of each object and of the image.
    instances : Instances, optional
        The probability of each object, and where they are known its star and its class. None
        where labels are classes, and in projects of earlier versions.
    """

    key: str
    maps: NDArray[np.float16] = field(repr=False)
    labels: NDArray[np.int32] = field(repr=False)
    scores: Scores
    instances: Instances | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Described:
    """So many of `total` images were looked at, to tell how alike they are."""

    done: int
    total: int


@dataclass(frozen=True)
class BlockDone:
    """One of `total` blocks of an image was split; `objects` were found so far."""

    done: int
    total: int
    objects: int


@dataclass(frozen=True)
class RoundStarted:
    """A round of self-training begins; round 0 knows the person's labels only.

    It learns from so many images by a person's labels, by predictions that a person accepted, and
    by those that the round before took.
    """

    number: int
    total: int
    human: int
    accepted: int
    pseudo: int


@dataclass(frozen=True)
class Ranked:
    """The pool, best first: (key, confidence of the image)."""

    number: int
    order: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Accepted:
    """These predictions of round `number` become labels of the next one."""

    number: int
    keys: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Taught:
    """What the network labelled itself while it learned.

    Parameters
    ----------
    images : int
        In which something was sure.
    looks : int
        How often it looked at an image.
    """

    images: int
    looks: int

    @property
    def note(self) -> str:
        """That in a sentence."""
        if self.images:
            return (
                f"The network learned from {self.images} image(s) that it labelled itself, at "
                f"{self.looks} looks."
            )
        return (
            f"Nothing was sure enough to learn from in {self.looks} looks at images without labels:"
            " the network learned from labels alone. Label more images, those that are worst "
            "predicted first."
        )


@dataclass(frozen=True)
class RoundFinished:
    """A round is over; `model` is its model."""

    number: int
    model: Model


@dataclass(frozen=True)
class SetAside:
    """Round `number` made the model worse: what it learned isn't used, and no round follows."""

    number: int
    model: Model
    note: str


TrainEvent = Started | Step | Validated | Warned | Preview | Corrected | Finishing | Trained
PredictEvent = Tile | Prediction
Chosen = Ranked | Accepted | Taught
RoundEvent = RoundStarted | TrainEvent | PredictEvent | Chosen | RoundFinished | SetAside
