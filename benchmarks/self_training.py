"""How far the program's judgement of its own masks can be trusted, and what it gains by them.

Models learn from few labelled images (`contest.py`: each in a process, kept in the user's cache)
and judge what they predict of images that they never saw. `--weights` fits the regression behind
the confidence anew, by images of the training part that nobody labelled, and prints it: the
constants of `core/confidence/trust.py`. The figures are of the validation images, which it never
saw. What self-training gains is measured against as long a training on the labels alone, counted in
steps: what the pool takes is as many fewer of them as could be made meanwhile.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import common
from contest import CACHE, Contest, Scene, channels_first, names, paths, say, scene, scene_of
from napari_nucleate.core.choose import covering, describe
from napari_nucleate.core.confidence import score
from napari_nucleate.core.confidence.reliability import calibration_error, reliability
from napari_nucleate.core.confidence.traits import NAMES, Traits
from napari_nucleate.core.confidence.trust import IOU, regression
from napari_nucleate.core.device import choose_device
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.metrics import agreement, average_precision
from napari_nucleate.core.model import Model
from napari_nucleate.core.predict import Tiling, predict, predict_compared
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.project.model import Item
from napari_nucleate.project.suggest import needs

FLUO, PHASE, HISTOLOGY = "dsb2018_fluo", "usiigaci_t98g_phase", "dsb2018_he"
FITTED = {FLUO: 8, PHASE: 4, HISTOLOGY: 8}
"""Images that the weights are fitted by, alike many objects of each; models of so many labelled."""


@dataclass(frozen=True)
class Plan:
    """How much is done; `--quick` does the same with next to nothing."""

    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 8
    steps: int = 3000
    few: int = 4
    few_steps: int = 6000
    tested: int | None = None
    pool: int = 100
    best: int = 32
    many: int = 400

    def steps_for(self, pack: str, count: int) -> int:
        """How long so many labelled images are learned, with and without others.

        The labels of a few nuclei are learned soon, whereupon longer training adds next to nothing;
        what others add shows later.
        """
        return self.few_steps if pack == FLUO and count <= self.few else self.steps

    gallery: tuple[int, float] = (2000, 20)


QUICK = Plan(seeds=(0,), steps=60, few_steps=60, tested=6, pool=4, best=2, many=8, gallery=(200, 4))


@dataclass(frozen=True)
class Judged:
    """What a model makes of one image, and what the truth makes of that."""

    traits: Traits
    iou: np.ndarray
    image: float
    before: float
    objects: np.ndarray
    ap: float


class Bench:
    """The entries of the JSON, a method each."""

    def __init__(self, plan: Plan, contest: Contest) -> None:
        self._plan, self._contest = plan, contest
        self._judged: dict[tuple[str, int, str], list[Judged]] = {}

    def image_confidence_spearman(self) -> dict[str, Any]:
        """Rank correlation of an image's confidence with its true mean AP."""
        ours, before = [], []
        for images in self._validated():
            ap = [j.ap for j in images]
            ours.append(_spearman([j.image for j in images], ap))
            before.append(_spearman([j.before for j in images], ap))
        return self._entry(ours, 0.8, "true mean AP 0.5…0.9 of an image", before) | {
            "peer_is": "certainty × agreement, without the regression"
        }

    def object_confidence_auroc(self) -> dict[str, Any]:
        """How well confidence tells right objects from wrong ones."""
        values = []
        for images in self._validated():
            likely, right = _objects(images)
            values.append(_auroc(likely, right))
        return self._entry(values, 0.9, "matches a true object at IoU 0.5")

    def object_confidence_ece(self) -> dict[str, Any]:
        """How far confidence is from the share that is right, on average."""
        values, curves = [], []
        for images in self._validated():
            likely, right = _objects(images)
            bins = reliability(likely, right)
            values.append(calibration_error(bins))
            curves.append([one.model_dump() for one in bins])
        entry = self._entry(values, 0.05, "expected calibration error, ten bins")
        return entry | {"curves": curves}

    def zooms(self) -> dict[str, Any]:
        """What looking at images in three sizes adds to a prediction, and what it takes."""
        packs = {pack: [self._zoomed(pack, seed) for seed in self._plan.seeds] for pack in FITTED}
        fluo = packs[FLUO]
        ours, peer = ([run[how]["mean_ap"] for run in fluo] for how in ("three", "one"))
        seconds = [sum(run[how]["seconds"] for run in fluo) for how in ("three", "one")]
        entry = self._entry(ours, 0.0, "mean AP, each image in three sizes", peer)
        return entry | {"ratio": round(seconds[0] / seconds[1], 2), "packs": packs}

    def _zoomed(self, pack: str, seed: int) -> dict[str, dict[str, float]]:
        """A model's AP, how many of its sure objects are right, and the time, by three and one."""
        model, given = self._model(pack, seed)
        found, sure = {}, SelfTraining().sure
        for how in ("three", "one"):
            began = time.perf_counter()
            predicted = [_predicted(model, i, Tiling(zooms=how == "three")) for i, _ in given.test]
            seconds = time.perf_counter() - began
            truths = [tifffile.imread(m).astype(np.int32) for _, m in given.test]
            ap = average_precision([(t, p.labels) for t, p in zip(truths, predicted, strict=True)])
            ious = [agreement(p.labels, t) for t, p in zip(truths, predicted, strict=True)]
            right = [
                iou[label] >= IOU[0]
                for p, iou in zip(predicted, ious, strict=True)
                for label, likely in p.scores.objects.items()
                if likely >= sure
            ]
            found[how] = {
                "mean_ap": round(float(np.mean([ap[t] for t in IOU])), 4),
                "sure_objects": len(right),
                "right": round(float(np.mean(right or [0.0])), 4),
                "seconds": round(seconds, 1),
            }
        return found

    def gain_4_images(self) -> dict[str, Any]:
        """What self-training adds to four labelled images."""
        return self._gain(FLUO, 4, 0.05)

    def gain_8_images(self) -> dict[str, Any]:
        """To eight."""
        return self._gain(FLUO, 8, 0.04)

    def gain_16_images(self) -> dict[str, Any]:
        """To sixteen."""
        return self._gain(FLUO, 16, 0.02)

    def best_of_many(self) -> dict[str, Any]:
        """What 32 of all other images teach, chosen as by default, against the 32 surest."""
        plan, runs = self._plan, {"ours": [], "peer": []}
        for seed in plan.seeds:
            given = scene(FLUO, plan.count, seed, plan.tested)
            pool = self._pool(FLUO, given, seed, plan.many)
            options = {"best": plan.best, "zooms": False}
            for how, found in runs.items():
                run = self._contest.self_train(
                    given, pool, plan.steps, seed, options=options, surest=how == "peer"
                )
                found.append(run)
        ours, peer = ([run["mean_ap"] for run in runs[how]] for how in ("ours", "peer"))
        gains = _gains(runs["ours"], runs["peer"])
        what = (
            f"self-training with {plan.best} of up to {plan.many} others; the peer takes the surest"
        )
        return self._entry(ours, 0.0, what, peer) | {"gains": _rounded(gains), "runs": runs}

    def gain_of_the_truth(self) -> dict[str, Any]:
        """What the true labels of all of the pool add to eight images: more than any mask can."""
        plan, ours, peer = self._plan, [], []
        for seed in plan.seeds:
            given = scene(FLUO, plan.count, seed, plan.tested)
            pool = [image.stem for image, _ in self._pool(FLUO, given, seed)]
            chosen = [Path(row["image"]).stem for row in given.fit] + pool
            how = f"{plan.count}-draw{seed}-and-{len(pool)}"
            every = scene_of(FLUO, chosen, how, plan.tested)
            for runs, one in ((peer, given), (ours, every)):
                runs.append(self._contest.learn("ours", one, 0, seed, steps=plan.steps)[0])
        values = [[run["mean_ap"] for run in runs] for runs in (ours, peer)]
        what = f"the true labels of {plan.pool} others, too; the peer has the labels alone"
        entry = self._entry(values[0], 0.0, what, values[1])
        gains = _gains(ours, peer)
        return entry | {"gain": round(float(np.mean(gains)), 4), "gains": _rounded(gains)}

    def gain_phase(self) -> dict[str, Any]:
        """In phase contrast."""
        return self._gain(PHASE, 4, 0.0)

    def gain_histology(self) -> dict[str, Any]:
        """In colour histology."""
        return self._gain(HISTOLOGY, 8, 0.0)

    def accepted_precision(self) -> dict[str, Any]:
        """How many of the objects that joined the labels are right, over all runs of FLUO."""
        runs = [self._self_trained(FLUO, n, seed) for n in (4, 8, 16) for seed in self._plan.seeds]
        values = [run["precision"] for run in runs if run["precision"] is not None]
        return self._entry(values, 0.95, "objects learned from that match a true one at IoU 0.5")

    def annotate_next_gain(self) -> dict[str, Any]:
        """What eight images chosen by the program teach, against eight chosen at random."""
        plan, ours, peer = self._plan, [], []
        for seed in plan.seeds:
            # Another half of the images each time: the program's choice has no chance in it.
            every = names(FLUO, "train")
            rng = np.random.default_rng(seed)
            some = sorted(rng.choice(every, len(every) // 2, replace=False).tolist())
            descriptions = np.stack([describe(channels_first(paths(FLUO, n)[0])) for n in some])
            chosen = [some[i] for i in self._suggested(some, descriptions, seed)]
            drawn = rng.choice(some, plan.count, replace=False).tolist()
            for runs, which, how in ((ours, chosen, "suggested"), (peer, drawn, "random")):
                given = scene_of(FLUO, which, f"{plan.count}-{how}{seed}", plan.tested)
                runs.append(self._contest.learn("ours", given, 0, seed, steps=plan.steps)[0])
        gains = _gains(ours, peer)
        entry = self._entry(
            [r["mean_ap"] for r in ours],
            0.03,
            "these are suggested from half of the training part, the second four by a model of "
            f"the first and {plan.steps // 3} steps; the peer's are drawn at random",
            [r["mean_ap"] for r in peer],
        )
        gain = float(np.mean(gains))
        return entry | {"gain": round(gain, 4), "gains": _rounded(gains), "reached": gain >= 0.03}

    def _suggested(self, some: list[str], descriptions: np.ndarray, seed: int) -> list[int]:
        """Half of the images as *Suggest next* proposes them at first, the others with a model."""
        plan, half = self._plan, self._plan.count // 2
        first = covering(descriptions, half)
        given = scene_of(FLUO, [some[i] for i in first], f"{half}-suggested{seed}", plan.tested)
        model = self._contest.model(given, 0, seed, steps=plan.steps // 3)
        items = [Item(key=name) for name in some]
        others = [i for i in range(len(some)) if i not in first]
        say(f"{given.name}: predicting {len(others)} …")
        sources = [Source(some[i], channels_first(paths(FLUO, some[i])[0])) for i in others]
        found = (event for event in predict(model, sources) if isinstance(event, Prediction))
        for i, prediction in zip(others, found, strict=True):
            scores = prediction.scores
            seen = {"confidence": scores.image, "objects": len(scores.objects)}
            items[i] = Item(key=some[i], status="predicted", **seen)
        return first + covering(descriptions, plan.count - half, first, needs(items))

    def gallery_2000(self) -> dict[str, Any]:
        """How soon the Review dock is there, and how it scrolls, as gallery.py measures it."""
        from gallery import entries

        found = entries(*self._plan.gallery)
        opens, stalls = found["gallery_opens_seconds"], found["gallery_stall_max_ms"]
        return stalls | {
            "ours": {"opens_seconds": opens["ours"], "stall_max_ms": stalls["ours"]},
            "peer": {"stall_max_ms": stalls["peer"]},
            "goal": "opens in 1 s, no stall above 50 ms",
        }

    def _gain(self, pack: str, count: int, goal: float) -> dict[str, Any]:
        """The mean AP with self-training, less that of the same time on the labels alone."""
        plan = self._plan
        steps = plan.steps_for(pack, count)
        ours, peer = [], []
        for seed in plan.seeds:
            given = scene(pack, count, seed, plan.tested)
            peer.append(self._contest.learn("ours", given, 0, seed, steps=steps)[0])
            ours.append(self._self_trained(pack, count, seed))
        gains = _gains(ours, peer)
        means = [round(float(np.mean([r["mean_ap"] for r in runs])), 4) for runs in (ours, peer)]
        return {
            "ours": means[0],
            "peer": means[1],
            "ratio": None,
            "gain": round(float(np.mean(gains)), 4),
            "goal": f"a gain of {goal}, of no seed below -0.005",
            "reached": float(np.mean(gains)) >= goal and min(gains) >= -0.005,
            "measured_on": f"{pack}, {count} labelled images, mean AP 0.5…0.9 on the validation "
            f"images; as long as {steps} steps on {threads()} thread(s), a third of training "
            f"on the labels, the rest of predicting {plan.pool} others and of training on what is "
            "sure of them, too; the peer has all of it on the labels alone",
            "seeds": {"ours": [r["mean_ap"] for r in ours], "peer": [r["mean_ap"] for r in peer]},
            "gains": _rounded(gains),
            "runs": {"ours": ours, "peer": peer},
        }

    def _self_trained(self, pack: str, count: int, seed: int) -> dict[str, Any]:
        given = scene(pack, count, seed, self._plan.tested)
        pool = self._pool(pack, given, seed)
        return self._contest.self_train(given, pool, self._plan.steps_for(pack, count), seed)

    def weights(self) -> dict[str, Any]:
        """The regression's constants, by images that nobody labelled."""
        plan = self._plan
        tables, iou, share = [], [], []
        for pack in FITTED:
            for seed in plan.seeds:
                images = self._of(pack, seed, "pool")
                tables += [j.traits.table for j in images]
                iou += [j.iou for j in images]
                count = sum(len(j.iou) for j in images)
                share += [np.full(len(j.iou), 1 / count) for j in images]
        # Each model counts alike, however many objects its images have.
        table, found, weight = (np.concatenate(a) for a in (tables, iou, share))
        rng = np.random.default_rng(0)
        drawn = rng.choice(len(found), 20_000, p=weight / weight.sum())
        rows: dict[str, list[list[float]]] = {}
        agreed = NAMES.index("agreement")
        for name, columns in (
            ("compared", list(range(len(NAMES)))),
            ("single", [i for i in range(len(NAMES)) if i != agreed]),
        ):
            rows[name] = []
            for least in IOU:
                start = np.zeros(len(columns) + 1)
                fitted = regression(table[drawn][:, columns], found[drawn] >= least, start, 1.0)
                full = np.zeros(len(NAMES) + 1)
                full[[0, *(1 + i for i in columns)]] = fitted
                rows[name].append([round(float(v), 2) for v in full])
        return {"objects": len(found), "packs": list(FITTED), **rows}

    def _validated(self) -> Iterator[list[Judged]]:
        for seed in self._plan.seeds:
            yield self._of(FLUO, seed, "validation")

    def _entry(
        self, values: list[float], goal: float, what: str, peer: list[float] | None = None
    ) -> dict[str, Any]:
        plan = self._plan
        return {
            "ours": round(float(np.mean(values)), 4),
            "peer": round(float(np.mean(peer)), 4) if peer else None,
            "ratio": None,
            "goal": goal,
            "measured_on": f"{FLUO}, models of {plan.count} images and {plan.steps} steps, "
            f"validation images; {what}; one value a model",
            "seeds": {"ours": _rounded(values)} | ({"peer": _rounded(peer)} if peer else {}),
        }

    def _of(self, pack: str, seed: int, part: str) -> list[Judged]:
        """What a model makes of images of a part."""
        key = pack, seed, part
        if key not in self._judged:
            model, given = self._model(pack, seed)
            say(f"{given.name}: {part} …")
            tested = given.test if part == "validation" else self._pool(pack, given, seed)
            self._judged[key] = [_judged(model, *pair) for pair in tested]
        return self._judged[key]

    def _model(self, pack: str, seed: int) -> tuple[Model, Scene]:
        """A model that learned a few images, and which ones."""
        plan = self._plan
        count = FITTED.get(pack, plan.count)
        given = scene(pack, count, seed, plan.tested)
        return self._contest.model(given, 0, seed, steps=plan.steps), given

    def _pool(
        self, pack: str, given: Scene, seed: int, most: int | None = None
    ) -> list[tuple[Path, Path]]:
        """Images of the training part that the model didn't learn from."""
        learned = {Path(row["image"]).stem for row in given.fit}
        others = [name for name in names(pack, "train") if name not in learned]
        rng = np.random.default_rng(seed)
        count = min(most or self._plan.pool, len(others))
        return [paths(pack, n) for n in rng.choice(others, count, replace=False).tolist()]


def _judged(model: Model, image: Path, mask: Path) -> Judged:
    pixels, truth = channels_first(image), tifffile.imread(mask).astype(np.int32)
    recipe, device = model.recipe, choose_device("auto")
    network = model.network(device)
    normal = recipe.normalisation.apply(pixels)
    maps, labels, alone, _ = predict_compared(network, recipe, normal, device)
    evidence = recipe.target.maps(maps)
    found = score(evidence, labels, alone, model.card.trust, normal)
    traits = Traits.of(evidence, labels, alone, normal)
    iou = agreement(labels, truth)
    ap = average_precision([(truth, labels)])
    return Judged(
        traits=traits,
        iou=np.array([iou[int(i)] for i in traits.ids]),
        image=found.image,
        before=score(evidence, labels, alone).image,
        objects=np.array([found.objects[int(i)] for i in traits.ids]),
        ap=float(np.mean([ap[t] for t in IOU])),
    )


def _predicted(model: Model, image: Path, tiling: Tiling) -> Prediction:
    """What a model makes of an image."""
    source = Source(image.stem, channels_first(image))
    (found,) = [e for e in predict(model, [source], tiling=tiling) if isinstance(e, Prediction)]
    return found


@dataclass(frozen=True)
class Source:
    """An image in memory, as `predict` reads it."""

    key: str
    pixels: np.ndarray

    def read(self) -> np.ndarray:
        """The pixels, (C, Y, X)."""
        return self.pixels


def _objects(images: list[Judged]) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of all objects, and whether they are right."""
    return (
        np.concatenate([j.objects for j in images]),
        np.concatenate([j.iou for j in images]) >= IOU[0],
    )


def _spearman(one: list[float], other: list[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def _auroc(likely: np.ndarray, right: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks, n = rankdata(likely), int(right.sum())
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(right) - n)))


def threads() -> int:
    """How many threads a training has; two entries can be measured at once, with one each."""
    import torch

    return torch.get_num_threads()


def _gains(ours: list[dict[str, Any]], peer: list[dict[str, Any]]) -> list[float]:
    """How much higher the mean AP is, run by run."""
    return [a["mean_ap"] - b["mean_ap"] for a, b in zip(ours, peer, strict=True)]


def _rounded(values: list[float]) -> list[float]:
    return [round(v, 4) for v in values]


ENTRIES: tuple[Callable[[Bench], dict[str, Any]], ...] = (
    Bench.image_confidence_spearman,
    Bench.object_confidence_auroc,
    Bench.object_confidence_ece,
    Bench.zooms,
    Bench.gain_4_images,
    Bench.gain_8_images,
    Bench.gain_16_images,
    Bench.best_of_many,
    Bench.gain_of_the_truth,
    Bench.accepted_precision,
    Bench.gain_phase,
    Bench.gain_histology,
    Bench.annotate_next_gain,
    Bench.gallery_2000,
)


def options_given() -> argparse.Namespace:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=[e.__name__ for e in ENTRIES])
    parser.add_argument("--weights", action="store_true", help="fit and print the constants")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of 0, 1 and 2")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where runs are kept")
    return parser.parse_args()


def main() -> None:
    options = options_given()
    if not common.SHARED.is_dir():
        raise SystemExit(f"skipped: {common.SHARED} isn't there")
    plan = QUICK if options.quick else Plan()
    if options.seeds:
        plan = replace(plan, seeds=tuple(options.seeds))
    bench = Bench(plan, Contest(options.cache))
    if options.weights:
        print(json.dumps(bench.weights()))
        return
    entries: dict[str, Any] = {}
    for entry in ENTRIES:
        if entry is Bench.gallery_2000 and not (options.only or os.environ.get("DISPLAY")):
            say("gallery_2000 is skipped: there is no screen; run it under xvfb-run -a")
        elif not options.only or entry.__name__ in options.only:
            entries[entry.__name__] = entry(bench)
            common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
