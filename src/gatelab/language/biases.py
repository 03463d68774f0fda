"""A variant without its biases, as torch.nn.LSTM has none with ``bias=False``."""

import ast

from gatelab.language.variant import Variant

__all__ = ["without_biases"]


def without_biases(variant: Variant) -> Variant:
    """Return the variant with ``project`` in place of ``linear``, and 0 in place of ``bias()``.

    Learned vectors and numbers, ``vector(v)`` and ``scalar(v)``, are no biases and stay.

    Raises:
        UserError: the variant is foreign.
    """
    variant.check_equations("take biases out of (bias=False)")
    texts = {name: _without(text) for name, text in variant.equations.items()}
    return Variant.from_mapping({**variant.mapping(), "equations": texts}, f"variant '{variant.name}' without biases")


def _without(text: str) -> str:
    tree = ast.parse(text, mode="eval")
    return ast.unparse(_Projections().visit(tree))


class _Projections(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "bias":
            return ast.copy_location(ast.Constant(0), node)
        if name == "linear":
            node.func = ast.Name("project", ast.Load())
        return node
