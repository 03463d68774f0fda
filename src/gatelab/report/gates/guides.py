"""How to read each diagnostic, in two sentences, and where it misleads, in one."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["GUIDES", "MORE", "TRAINING", "Guide"]


@dataclass(frozen=True, slots=True)
class Guide:
    """What the page says beside a diagnostic: a title that is a question, how to read it, where it misleads."""

    title: str
    question: str
    reading: tuple[str, str]
    misleads: str


GUIDES: Mapping[str, Guide] = {
    "gate_traces": Guide(
        "Gate traces",
        "What do the gates do, and when?",
        (
            "Each row is a unit, the one that forgets slowest at the top, and each column a step of the first "
            "sequence: light is open, dark is shut.",
            "Columns that change together follow the input, which is drawn for the same steps; rows of one colour hold "
            "the same value at all steps.",
        ),
        "One sequence is shown, and among many units some look meaningful by chance: the interventions say whether the "
        "gate is needed.",
    ),
    "saturation": Guide(
        "Saturation",
        "Is the gate open, shut, or in between?",
        (
            "Each mark is a unit: at the top left it is almost always open, at the bottom right almost always shut, "
            "and at the bottom left in between.",
            "On the grey line a unit only switches; the histograms show the values of all units together.",
        ),
        "The shares depend on the thresholds 0.1 and 0.9, and a gate that is no sigmoid has another range.",
    ),
    "time_scales": Guide(
        "Time scales",
        "How long do the units remember, as the gate says?",
        (
            "τ = −1/E[log f] is the number of steps after which 37 % of a unit's content is left, if nothing "
            "is written.",
            "Where the solid line leaves the dotted one, inputs and states move the gate away from its biases.",
        ),
        "τ assumes that nothing is written later and that the gradient fades exponentially; effective memory is "
        "measured.",
    ),
    "effective_memory": Guide(
        "Effective memory",
        "How much of an input is left after k steps?",
        (
            "The solid line is the size of the gradient of the last output with respect to an input k steps before; a "
            "flat line means that old inputs still count.",
            "If it lies near the gate path, the gates carry the memory; if it lies near the recurrent path, what is "
            "remembered was written again on the way.",
        ),
        "Sizes of parts do not add up to the size of the whole, since parts may point against each other; credit "
        "adds up.",
    ),
    "retention_matrix": Guide(
        "Retention matrix",
        "Which past step is still in the state?",
        (
            "Row t shows with which weight each earlier step j still stands in the state at step t, as a mean over "
            "units.",
            "A light column is a step that is kept for long; light only near the diagonal means fast forgetting.",
        ),
        "What was written at step j was made with the state before it, so that older inputs can be inside it.",
    ),
    "toggle_space": Guide(
        "Toggle space",
        "Which directions switch which units?",
        (
            "Few large singular values mean that units are switched in groups; the bars say whether the input, "
            "the state or the biases move the gate.",
            "The cloud is the set of gate values that the data reach, seen along the two directions in which it is "
            "widest.",
        ),
        "A weight matrix almost always has full rank, which says nothing, and the plane shows two directions of many.",
    ),
    "dynamics": Guide(
        "Dynamics",
        "Is the network slow, stable or chaotic?",
        (
            "Each dot is an eigenvalue of one step at a visited state: near the grey circle a change is held, near the "
            "middle it is lost at once.",
            "An exponent of 0 holds a change for ever, below 0 it fades with the time scale −1/exponent in steps, and "
            "above 0 it grows.",
        ),
        "Eigenvalues of single steps say nothing of their product unless their vectors agree; the exponents do.",
    ),
    "interventions": Guide(
        "Interventions",
        "Is the gate needed?",
        (
            "The gate is frozen to its mean, to 1 or to 0, or its values are shuffled, and the mark is the change "
            "of the score with its 95 % interval over sequences.",
            "No change means that the network, as it is, does not need what was taken away.",
        ),
        "A frozen gate takes the network to states that it has never seen, and the interval says nothing of other "
        "seeds.",
    ),
    "credit": Guide(
        "Credit",
        "Which path carries the gradient?",
        (
            "At each distance the shares of all paths sum to 1: kept, through the candidate, through each gate.",
            "A path above the others at long distances is the one by which old inputs are learnt from.",
        ),
        "Shares are of the gradient of the task's loss, or without a task of the sum of the last outputs; where it is "
        "near zero, at long distances, they say little.",
    ),
}
"""Diagnostic, as :mod:`gatelab.probes` calls it -> its guide, in the order of the page."""

TRAINING = Guide(
    "During training",
    "When did the gates become what they are?",
    (
        "At every validation: the share of gate values above 0.9 and below 0.1 with their mean, and the time scales τ "
        "of the units of the gate that retains.",
        "Lines that stop moving early show a gate that was settled before the score was; a band that widens shows "
        "units that divide the time scales among themselves.",
    ),
    "The first validation comes after some training, and what happened before it is not seen; a gate that moves need "
    "not be what improves the score.",
)
"""Of the section that is drawn from the history of a run, and not from a network."""

MORE = Guide(
    "Ranks and gradients during training",
    "How many directions throw the gates, and how far back does the loss reach?",
    (
        "The effective rank of a gate counts the directions of the state that its matrix passes on, of as many "
        "as there are units.",
        "A curve of the gradient shows how much an input k steps before the loss moves it, fainter early in "
        "training and stronger late: a flat curve learns from far away.",
    ),
    "A gradient is as small where the loss is solved as where it has vanished, so compare the slope of the curves and "
    "not their height, and a rank says nothing of directions that data never visit.",
)
"""Of what a history holds only with ``training.probes=true``."""
