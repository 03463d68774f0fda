"""A block as passes over its vectors: a row function needs a whole vector before it gives any element of its own.

Without row functions a block is one pass. With them each pass computes what can be known element by element and
gathers the sums over its vectors; then the row functions run whose arguments are complete, and the next pass reads
their results. What a pass computes and a later one reads is *kept* meanwhile. What is made of sums and numbers alone is
*uniform*, the same for all elements, and is computed once, between two passes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gatelab.compiler.graph import Block, Node, Place, PlaceWrite
from gatelab.language.functions import FUNCTIONS, INNER

__all__ = ["Pass", "passes"]


@dataclass
class Pass:
    """One loop over the elements, what goes before it and what follows it.

    Attributes:
        uniform: what is computed before the loop, once for all elements, in order.
        fetched: results of row functions and of earlier passes that are read here.
        nodes: what is computed or read from its place here, in order.
        reductions: sums and the like that are gathered here; their values are known before the next pass.
        kept: nodes whose values later passes or row functions read.
        stores: what is written here.
        rows: row functions that run afterwards, in order.
    """

    uniform: list[int] = field(default_factory=list)
    fetched: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    reductions: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    stores: list[PlaceWrite] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def passes(block: Block, stores: Sequence[PlaceWrite]) -> list[Pass]:
    """Cut what some of a block's stores need into passes.

    A store waits until nothing else reads its place: all reads of a block see the values from before it.
    """
    return _Cutter(block, stores).cut()


class _Cutter:
    def __init__(self, block: Block, stores: Sequence[PlaceWrite]) -> None:
        self.nodes, self.stores = block.nodes, stores
        self.live = Block(block.nodes, tuple(stores)).live()
        # the pass that computes a node; of a row function and a reduction the first one that can read its value
        self.pass_of: dict[int, int] = {}
        self.uniform: set[int] = set()
        for index in self.live:
            node = self.nodes[index]
            known = [self.pass_of[one] for one in node.arguments]
            if _is_row(node):
                # it may follow another one without a pass between
                known = [at + (not _of_rows(self.nodes[one])) for one, at in zip(node.arguments, known, strict=True)]
            elif _reduces(node):
                known = [at + 1 for at in known]
            elif node.kind not in ("read", "number") and self._is_uniform(node):
                self.uniform.add(index)
            self.pass_of[index] = max(known, default=0)
        self.out = [Pass() for _ in range(max(self.pass_of.values(), default=0) + 1)]
        self.last_read = self._last_reads()
        self.kept: set[int] = set()

    def _is_uniform(self, node: Node) -> bool:
        known = [self._is_number(one) or self._in_scope(one) for one in node.arguments]
        return all(known) and any(map(self._in_scope, node.arguments))

    def _is_number(self, index: int) -> bool:
        return self.nodes[index].kind == "number"

    def _has_row(self, index: int) -> bool:
        """Say whether a value stands in a row anyway: at its place, or as the result of a row function."""
        return self.nodes[index].kind == "read" or _is_row(self.nodes[index])

    def _in_scope(self, index: int) -> bool:
        """Say whether a value has a name of its own between the passes."""
        return index in self.uniform or _reduces(self.nodes[index])

    def cut(self) -> list[Pass]:
        numbers = {one for index in self.uniform for one in self.nodes[index].arguments if self._is_number(one)}
        self.out[0].uniform += sorted(numbers)
        for index in self.live:
            node, at = self.nodes[index], self.pass_of[index]
            if _is_row(node):
                self.out[at - 1].rows.append(index)
                self._keep(one for one in node.arguments if not self._has_row(one))
            elif _reduces(node):
                self._bring(node.arguments[0], at - 1)
                self.out[at - 1].reductions.append(index)
            elif index in self.uniform:
                self.out[at].uniform.append(index)
            elif node.kind not in ("read", "number"):
                for argument in node.arguments:
                    self._bring(argument, at)
                self.out[at].nodes.append(index)
        for store in self.stores:
            at = self._pass_of_store(store)
            self._bring(store.node, at)
            self.out[at].stores.append(store)
        for one in self.out:
            one.fetched, one.nodes = sorted(set(one.fetched)), sorted(set(one.nodes))
        return self.out

    def _bring(self, index: int, at: int) -> None:
        """Make a value known in a pass: read from its place again, or kept by the pass that computes it."""
        if self._in_scope(index):
            return
        if self.nodes[index].kind in ("read", "number"):
            self.out[at].nodes.append(index)
        elif _is_row(self.nodes[index]):
            self.out[at].fetched.append(index)
        elif self.pass_of[index] < at:
            self._keep([index])
            self.out[at].fetched.append(index)

    def _keep(self, indices: Iterable[int]) -> None:
        for index in indices:
            if index not in self.kept:
                self.kept.add(index)
                where = self.out[self.pass_of[index]]
                where.kept.append(index)
                self._bring(index, self.pass_of[index])

    def _pass_of_store(self, store: PlaceWrite) -> int:
        if self.nodes[store.node].kind == "read":
            return len(self.out) - 1
        return max(self.pass_of[store.node], self.last_read.get(store.place, 0))

    def _last_reads(self) -> dict[Place, int]:
        """Return the last pass that reads each place; what is only moved from place to place moves in the last one."""
        found: dict[Place, int] = {}
        for index in self.live:
            # of a row function the pass after it has run
            at = self.pass_of[index] - _reduces(self.nodes[index])
            for one in self.nodes[index].arguments:
                if (place := self.nodes[one].place) is not None:
                    found[place] = max(found.get(place, 0), at)
        for store in self.stores:
            if (place := self.nodes[store.node].place) is not None:
                found[place] = len(self.out) - 1
        return found


def _is_row(node: Node) -> bool:
    """Say whether a node is a function from vectors to a vector."""
    return _of_rows(node) and not _reduces(node)


def _reduces(node: Node) -> bool:
    return node.kind == "function" and node.name in INNER and INNER[node.name].reduces


def _of_rows(node: Node) -> bool:
    return node.kind == "function" and (FUNCTIONS | INNER)[node.name].rows
