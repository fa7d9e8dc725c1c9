"""Which scenes beside others are simulated, and what each has to reach."""

from collections.abc import Iterator
from itertools import combinations, product

from tests.simulation.neighbours import HEADERS, NEIGHBOURS, STRANGERS, Scene
from tests.simulation.servers import SERVERS


def full() -> Iterator[Scene]:
    """Every neighbour, part and set of headers on every kind of server; siblings; strangers."""
    for server, neighbour, part, headers in product(SERVERS, NEIGHBOURS, (0.1, 0.5, 0.9), HEADERS):
        if neighbour != "none" or part == 0.5:
            yield Scene(neighbour, part, headers, server)
    for server, siblings, headers in product(SERVERS, (2, 4), HEADERS):
        yield Scene(headers=headers, server=server, siblings=siblings)
    yield from (Scene(stranger=stranger) for stranger in STRANGERS)
    yield Scene(stranger="true limit below", headers="none")


def pairs() -> list[Scene]:
    """Scenes that hold every pair of two properties that any scene holds."""
    scenes = list(full())

    def pairs_of(scene: Scene) -> set[tuple[object, ...]]:
        return set(combinations(((place, value) for place, value in enumerate(scene)), 2))

    held = {scene: pairs_of(scene) for scene in scenes}
    missing = set().union(*held.values())
    chosen: list[Scene] = []
    while missing:
        best = max(scenes, key=lambda scene: len(held[scene] & missing))
        chosen.append(best)
        missing -= held[best]
    return chosen


def is_slow(scene: Scene) -> bool:
    """Whether a minute holds only a few moments at which something can be learnt."""
    return "minute" in scene.stranger or scene.stranger == "Retry-After 3600"


def is_shut(scene: Scene) -> bool:
    """Whether each of a naive neighbour's knocks counts: nobody gets in there."""
    return (scene.neighbour, scene.server) == ("naive", "counting-refused")


CHANCE = 0.1
"""What some fifty tries may be off by chance."""


def most_refused(scene: Scene, is_open: float) -> float:
    """The part of what is sent that may be refused.

    A counter that fades accepts nine a second of a neighbour and one of ours at some moments only:
    at a twentieth or at four fifths of all, by chance of the neighbour's own. Nobody can see when
    it *is_open*, and whoever sends at any other moment is refused.
    """
    is_tight = scene.part == 0.9 and scene.neighbour != "none"
    most = 1.0 if is_shut(scene) else 0.5 if is_slow(scene) or is_tight else 0.25
    if is_tight and not SERVERS[scene.server](scene.limit).exact:
        most = max(most, 1.0 - is_open + CHANCE)
    return most
