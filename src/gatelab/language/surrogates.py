"""Trees without the functions that change no value, such as stop(u): what is computed, with its own derivative."""

from dataclasses import replace

from gatelab.language.functions import SURROGATES
from gatelab.language.tree import Expression, FunctionCall, Linear, Negation, Operation

__all__ = ["value_tree"]


def value_tree(tree: Expression) -> Expression:
    """Return a tree without its surrogates."""
    match tree:
        case FunctionCall(function=function, arguments=arguments) if function in SURROGATES:
            return value_tree(arguments[0])
        case FunctionCall(arguments=arguments):
            return replace(tree, arguments=tuple(map(value_tree, arguments)))
        case Linear(sources=sources):
            return replace(tree, sources=tuple(map(value_tree, sources)))
        case Operation(left=left, right=right):
            return replace(tree, left=value_tree(left), right=value_tree(right))
        case Negation(operand=operand):
            return replace(tree, operand=value_tree(operand))
        case _:
            return tree
