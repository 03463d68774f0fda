"""Where the boxes of a drawing stand: columns from left to right, arrows only to the right, few crossings.

After Sugiyama, Tagawa & Toda 1981: columns by the longest way, an arrow over several columns has a point in each, each
column is put in the order of the means of its neighbours, and heights are drawn to these means without overlap.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Edge = tuple[str, str]
Node = str | tuple[Edge, int]
"""A box, or the point of an edge in a column."""


@dataclass(frozen=True)
class Layered:
    """Columns of boxes and points from top to bottom, the height of each, and the nodes along each edge."""

    columns: Sequence[Sequence[Node]]
    heights: Mapping[Node, float]
    routes: Mapping[Edge, Sequence[Node]]


def layout(nodes: Sequence[str], edges: Iterable[Edge], sizes: Mapping[str, float], gap: float) -> Layered:
    """Return where nodes stand; an edge leads to a node further down in ``nodes``, whose height ``sizes`` has."""
    edges = list(edges)
    column = dict.fromkeys(nodes, 0)
    for name in nodes:
        column[name] = max((column[source] + 1 for source, target in edges if target == name), default=0)
    routes = {edge: _route(edge, column) for edge in edges}
    columns: list[list[Node]] = [[] for _ in range(max(column.values()) + 1)]
    for name in nodes:
        columns[column[name]].append(name)
    for edge, route in routes.items():
        for place, node in enumerate(route[1:-1], start=column[edge[0]] + 1):
            columns[place].append(node)
    links = [link for route in routes.values() for link in itertools.pairwise(route)]
    columns = _ordered(columns, links)
    return Layered(columns, _heights(columns, _neighbours(links), sizes, gap), routes)


def _route(edge: Edge, column: Mapping[str, int]) -> list[Node]:
    source, target = edge
    return [source, *((edge, place) for place in range(column[source] + 1, column[target])), target]


def _neighbours(links: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for left, right in links:
        found.setdefault(left, []).append(right)
        found.setdefault(right, []).append(left)
    return found


def _ordered(columns: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> list[list[Node]]:
    """Return the order with the fewest crossings of some sweeps."""
    links = list(dict.fromkeys(links))
    neighbours = _neighbours(links)
    best, fewest = columns, _crossings(columns, links)
    for sweep in range(12):
        columns = [list(column) for column in columns]
        forward = sweep % 2 == 0
        order = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for place in order:
            beside = {node: height for height, node in enumerate(columns[place - 1 if forward else place + 1])}
            means = {}
            for height, node in enumerate(columns[place]):
                seen = [beside[other] for other in neighbours.get(node, ()) if other in beside]
                means[node] = sum(seen) / len(seen) if seen else height
            columns[place].sort(key=means.__getitem__)
        if (crossings := _crossings(columns, links)) < fewest:
            best, fewest = columns, crossings
    return best


def _crossings(columns: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    rank = {node: height for column in columns for height, node in enumerate(column)}
    place = {node: index for index, column in enumerate(columns) for node in column}
    count = 0
    for index, (a, b) in enumerate(links):
        for c, d in links[index + 1 :]:
            count += place[a] == place[c] and (rank[a] - rank[c]) * (rank[b] - rank[d]) < 0
    return count


def _heights(
    columns: Sequence[Sequence[Node]],
    neighbours: Mapping[Node, Sequence[Node]],
    sizes: Mapping[str, float],
    gap: float,
) -> dict[Node, float]:
    def size(node: Node) -> float:
        return sizes[node] if isinstance(node, str) else 0.0

    heights: dict[Node, float] = {}
    for column in columns:
        total = -gap
        for node in column:
            heights[node] = total + gap + size(node) / 2
            total += gap + size(node)
        for node in column:
            heights[node] -= total / 2
    for sweep in range(16):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [
                sum(heights[other] for other in around) / len(around)
                if (around := neighbours.get(node, ()))
                else heights[node]
                for node in column
            ]
            distances = [0.0]
            for above, below in itertools.pairwise(column):
                distances.append(distances[-1] + gap + (size(above) + size(below)) / 2)
            moved = _rising([want - distance for want, distance in zip(wanted, distances, strict=True)])
            heights |= {node: m + d for node, m, d in zip(column, moved, distances, strict=True)}
    top = min(height - size(node) / 2 for node, height in heights.items())
    return {node: height - top for node, height in heights.items()}


def _rising(values: Sequence[float]) -> list[float]:
    """Return the numbers nearest to some, by least squares, that never fall: falling neighbours get their mean."""
    groups: list[tuple[float, int]] = []
    for value in values:
        groups.append((value, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (a, m), (b, n) = groups[-2:]
            groups[-2:] = [((a * m + b * n) / (m + n), m + n)]
    return [value for value, count in groups for _ in range(count)]
