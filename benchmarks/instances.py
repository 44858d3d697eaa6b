"""Splitting objects: our loops against StarDist's C++ and scikit-image, on the same arrays.

Peers are of the extra `bench`: `pip install "napari-nucleate[bench]"`. Times are medians of runs in
turn, of calls that compiled before (see first_call.py for the first one).
"""

import csv
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage as ndi
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

import common
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.instances import (
    Maps,
    StarConvex,
    Watershed,
    centre_probability,
    from_mask_like,
    ray_distances,
    tune,
)
from napari_nucleate.core.instances.rays import directions, facets
from napari_nucleate.core.instances.stars import suppress
from napari_nucleate.core.metrics import average_precision, match
from scenes import imperfect, nuclei

sys.modules["tensorflow"] = None  # type: ignore[assignment]  # StarDist's loops need none of it
from stardist.geometry.geom2d import polygons_to_label, star_dist  # noqa: E402
from stardist.geometry.geom3d import polyhedron_to_label, star_dist3D  # noqa: E402
from stardist.nms import non_maximum_suppression, non_maximum_suppression_3d  # noqa: E402
from stardist.rays3d import Rays_Explicit  # noqa: E402
from stardist.utils import edt_prob, optimize_threshold  # noqa: E402

STARDIST, SCIKIT = "stardist C++", "scipy + scikit-image"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def in_turn(ours: Callable[[], Any], peer: Callable[[], Any], runs: int) -> tuple[Any, ...]:
    """Median seconds of ours and of the peer, run in turn, and their last results."""
    ours()  # compiles
    a, b = [], []
    for _ in range(runs):
        seconds, ours_result = timed(ours)
        a.append(seconds)
        seconds, peer_result = timed(peer)
        b.append(seconds)
    return statistics.median(a), statistics.median(b), ours_result, peer_result


def entry(ours: float, peer: float, goal: float, measured_on: str, **more: Any) -> dict[str, Any]:
    """Seconds of both, and how many times faster ours is."""
    return {
        "ours": round(ours, 5),
        "peer": round(peer, 5),
        "ratio": round(peer / ours, 1),
        "goal": goal,
        "measured_on": measured_on,
        **more,
    }


def agreeing(ours: Any, peer: Any) -> dict[str, Any]:
    """How many objects each found, and the AP@0.5 of one by the other."""
    return {
        "objects": [int(ours.max()), len(np.unique(peer[peer > 0]))],
        "AP@0.5_between": round(match(peer.astype(np.int32), ours).average_precision, 4),
    }


def nms_2d(grid: int, quick: bool) -> dict[str, Any]:
    side = 512 if quick else 1024
    labels = nuclei((side, side), side * side // 2400, (9, 18))
    maps = imperfect(labels, 32)
    centre = np.ascontiguousarray(maps.centre[::grid, ::grid])
    distances = np.ascontiguousarray(maps.distances[:, ::grid, ::grid])
    last = np.ascontiguousarray(np.moveaxis(distances, 0, -1))

    def ours() -> Any:
        return suppress(
            centre, distances, threshold=0.4, overlap=0.4, grid=grid, shape=labels.shape
        )[1]

    def peer() -> Any:
        points, scores, rays = non_maximum_suppression(
            last, centre, grid=(grid, grid), prob_thresh=0.4, nms_thresh=0.4, b=0
        )
        return polygons_to_label(rays, points, labels.shape, prob=scores)

    a, b, mine, theirs = in_turn(ours, peer, 1 if quick else 5)
    candidates = int((centre > 0.4).sum())
    what = f"{side}², {labels.max()} nuclei, 32 rays, grid {grid}, {candidates} candidates"
    return entry(a, b, 10, what, peer_is=STARDIST, **agreeing(mine, theirs))


def nms_3d(quick: bool) -> dict[str, Any]:
    shape = (32, 96, 96) if quick else (64, 256, 256)
    labels = nuclei(shape, int(np.prod(shape)) // 11_000, (6, 11))
    maps = imperfect(labels, 64)
    centre = np.ascontiguousarray(maps.centre[::2, ::2, ::2])
    distances = np.ascontiguousarray(maps.distances[:, ::2, ::2, ::2])
    last = np.ascontiguousarray(np.moveaxis(distances, 0, -1))
    # Its facets turn the other way round.
    rays = Rays_Explicit(directions(64, 3).astype(np.float32), facets(64, 3)[:, ::-1].copy())

    def ours() -> Any:
        return suppress(centre, distances, threshold=0.4, overlap=0.4, grid=2, shape=shape)[1]

    def peer() -> Any:
        points, scores, lengths = non_maximum_suppression_3d(
            last, centre, rays, grid=(2, 2, 2), prob_thresh=0.4, nms_thresh=0.4, b=0
        )
        return polyhedron_to_label(lengths, points, rays, shape, prob=scores, verbose=False)

    a, b, mine, theirs = in_turn(ours, peer, 1)
    candidates = int((centre > 0.4).sum())
    what = f"{shape}, {labels.max()} nuclei, 64 rays, grid 2, {candidates} candidates"
    return entry(a, b, 10, what, peer_is=STARDIST + " 3D", **agreeing(mine, theirs))


def star_distances(ndim: int, quick: bool) -> dict[str, Any]:
    if ndim == 2:
        side = 512 if quick else 1024
        labels, n_rays = nuclei((side, side), side * side // 2400, (9, 18)), 32
        a, b, mine, theirs = in_turn(
            lambda: ray_distances(labels, n_rays), lambda: star_dist(labels, n_rays), 5
        )
    else:
        shape, n_rays = ((32, 96, 96) if quick else (64, 256, 256)), 64
        labels = nuclei(shape, int(np.prod(shape)) // 11_000, (6, 11))
        rays = Rays_Explicit(directions(n_rays, 3).astype(np.float32), facets(n_rays, 3))
        a, b, mine, theirs = in_turn(
            lambda: ray_distances(labels, n_rays), lambda: star_dist3D(labels, rays), 3
        )
    error = np.abs(np.moveaxis(mine, 0, -1) - theirs)[labels > 0]
    what = f"{labels.shape}, {labels.max()} nuclei, {n_rays} rays"
    return entry(
        a,
        b,
        3,
        what,
        peer_is=STARDIST,
        within_one_pixel=round(float((error <= 1).mean()), 5),
        largest_difference=round(float(error.max()), 3),
    )


def watershed_of(shape: tuple[int, ...], count: int, radii: tuple[float, float], runs: int) -> Any:
    labels = nuclei(shape, count, radii)
    mask = labels > 0
    maps, splitter = from_mask_like(mask), Watershed()

    def peer() -> Any:
        distance = ndi.distance_transform_edt(mask)
        smooth = ndi.gaussian_filter(distance, 1)
        peaks = peak_local_max(smooth, min_distance=5, labels=mask, exclude_border=False)
        markers = np.zeros(shape, np.int32)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return watershed(-smooth, markers, mask=mask)

    a, b, mine, theirs = in_turn(lambda: splitter.split(maps), peer, runs)
    what = f"{shape}, {labels.max()} nuclei, from the mask"
    to_truth = [round(match(labels, got).average_precision, 4) for got in (mine, theirs)]
    return entry(
        a, b, 3, what, peer_is=SCIKIT, **{"AP@0.5_to_truth": to_truth}, **agreeing(mine, theirs)
    )


def real(part: str, every: int) -> list[Any]:
    """Masks of the real nuclei, in one part of their split or all."""
    import tifffile

    folder = common.SHARED / "dsb2018_fluo"
    rows = list(csv.DictReader((folder / "split.csv").read_text().splitlines()))
    names = [row["name"] for row in rows if part in ("", row["split"])][::every]
    return [tifffile.imread(folder / "masks" / f"{n}.tif").astype(np.int32) for n in names]


def reconstruction(quick: bool) -> dict[str, Any]:
    truths = real("", 12 if quick else 1)
    pairs: dict[str, list[Any]] = {"stars": [], "pixels": [], "peer": []}
    for labels in truths:
        mask = (labels > 0).astype(np.float32)
        maps = Maps(mask, centre=centre_probability(labels), distances=ray_distances(labels))
        for outline in ("stars", "pixels"):
            splitter = StarConvex(outline=outline, min_size=1)
            pairs[outline].append((labels, splitter.split(maps)))
        points, scores, rays = non_maximum_suppression(
            star_dist(labels, 32), edt_prob(labels), prob_thresh=0.4, nms_thresh=0.4, b=0
        )
        pairs["peer"].append((labels, polygons_to_label(rays, points, labels.shape, prob=scores)))
    ap = {name: average_precision(some) for name, some in pairs.items()}
    curves = {f"AP_{n}": {f"{t:g}": round(v, 4) for t, v in c.items()} for n, c in ap.items()}
    result = entry(ap["peer"][0.5], ap["stars"][0.5], 1, f"{len(truths)} real masks, 32 rays")
    ours, theirs = ap["stars"], ap["peer"]
    return result | {
        "ours": round(ours[0.5], 4),
        "peer": round(theirs[0.5], 4),
        "ratio": round(ours[0.5] / theirs[0.5], 4),
        "at_least_the_peer_at_every_IoU": all(ours[t] >= theirs[t] for t in ours),
        "peer_is": STARDIST,
        **curves,
    }


class Decoder:
    """What `optimize_threshold` asks of a StarDist model: its decoding, with no network."""

    @staticmethod
    def _instances_from_prediction(
        shape: Any, prob: Any, dist: Any, prob_thresh: float, nms_thresh: float
    ) -> Any:
        points, scores, rays = non_maximum_suppression(
            dist, prob, prob_thresh=prob_thresh, nms_thresh=nms_thresh
        )
        return (polygons_to_label(rays, points, shape, prob=scores),)


def choose_thresholds(quick: bool) -> dict[str, Any]:
    truths = real("val", 9 if quick else 1)
    maps = [imperfect(labels, 32, 0.3, seed) for seed, labels in enumerate(truths)]
    cases = [(m, annotate(labels)) for m, labels in zip(maps, truths, strict=True)]
    begun = StarConvex(outline="stars", min_size=1)
    tune.choose(begun, cases[:1])  # compiles
    ours, chosen = timed(lambda: tune.choose(begun, cases))
    predicted = [(m.centre, np.ascontiguousarray(np.moveaxis(m.distances, 0, -1))) for m in maps]
    ious = [0.5, 0.6, 0.7, 0.8, 0.9]

    def optimise() -> Any:
        tried = []
        for overlap in (0.3, 0.4, 0.5):
            threshold, ap = optimize_threshold(
                truths, predicted, Decoder(), overlap, iou_threshs=ious, verbose=0
            )
            tried.append((ap, threshold, overlap))
        return max(tried)

    peer, (_, probability, overlap) = timed(optimise)
    theirs = StarConvex(outline="stars", min_size=1, probability=probability, overlap=overlap)

    def mean_ap(splitter: Any) -> float:
        scores = average_precision(
            ((t, splitter.split(m)) for t, m in zip(truths, maps, strict=True)), ious
        )
        return round(float(np.mean(list(scores.values()))), 4)

    best = chosen.splitter
    return entry(
        ours,
        peer,
        50,
        f"{len(truths)} real masks, disturbed maps with 32 rays",
        peer_is="stardist optimize_thresholds",
        mean_AP=[mean_ap(best), mean_ap(theirs)],
        thresholds=[[best.probability, best.overlap], [round(float(probability), 3), overlap]],
    )


def scaling(quick: bool) -> dict[str, Any]:
    sides = (512, 1024, 2048) if quick else (512, 1024, 2048, 4096)
    piece = nuclei((512, 512), 110, (9, 18))
    drawn = imperfect(piece, 16)
    result: dict[str, Any] = {}
    for name, splitter in (
        ("star_convex", StarConvex()),
        ("stars_alone", StarConvex(outline="stars")),
        ("watershed", Watershed()),
    ):
        each = {}
        for side in sides:
            n = side // 512
            maps = Maps(
                np.tile(drawn.foreground, (n, n)),
                centre=np.tile(drawn.centre, (n, n)),
                distances=None if name == "watershed" else np.tile(drawn.distances, (1, n, n)),
            )
            splitter.split(maps)
            runs = []
            for _ in range(5):
                # The processor's time: what else runs on the machine would hit long runs most.
                start = time.process_time()
                splitter.split(maps)
                runs.append(time.process_time() - start)
            each[f"{side}²"] = round(min(runs) / side**2 * 1e9, 1)
        result[name] = each
    growth = {n: round(e[f"{sides[-1]}²"] / e["512²"], 3) for n, e in result.items()}
    worst = max(growth.values())
    return {
        "ours": worst,
        "peer": 1.0,
        "ratio": round(1 / worst, 3),
        "goal": 0.83,
        "measured_on": f"processor time a pixel, {sides[0]}² to {sides[-1]}², 16 rays; 1 is linear",
        "growth": growth,
        "nanoseconds_a_pixel": result,
    }


def main() -> None:
    options = common.arguments(__doc__)
    quick = options.quick
    shape = (32, 128, 128) if quick else (64, 512, 512)
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "nms_2d_grid1": lambda: nms_2d(1, quick),
        "nms_2d_grid2": lambda: nms_2d(2, quick),
        "nms_3d": lambda: nms_3d(quick),
        "star_distances_2d": lambda: star_distances(2, quick),
        "star_distances_3d": lambda: star_distances(3, quick),
        "watershed_2d": lambda: watershed_of((2048, 2048), 2000, (12, 22), 1 if quick else 5),
        "watershed_3d": lambda: watershed_of(shape, int(np.prod(shape)) // 11_000, (6, 11), 1),
        "scaling": lambda: scaling(quick),
    }
    if common.SHARED.is_dir():
        work["reconstruction"] = lambda: reconstruction(quick)
        work["choose_thresholds"] = lambda: choose_thresholds(quick)
    else:
        print(f"skipped reconstruction and choose_thresholds: {common.SHARED} isn't there")
    entries = {}
    for name, measure in work.items():
        seconds, entries[name] = timed(measure)
        print(f"{name}: {seconds:.0f} s", file=sys.stderr)
        common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
