"""Train the runs of the tutorial, measure them, and write results.json, the figures and the page: `make tutorial`.

Every number of the page comes from results.json, through the template _page.md.jinja.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch

import gatelab
from docs.tutorial.figures import draw
from gatelab import permission, probes

HERE = Path(__file__).parent
FADING = (0.5, 0.8, 0.95)
LONG = 0.98
BASE: Mapping[str, Any] = {
    "task": "docs.tutorial.trace_task:Trace",
    "training.batch_size": 16,
    "training.max_steps": 1000,
    "training.validate_every": 250,
    "optimizer.lr": 0.01,
    "task.validation_size": 200,
    "task.test_size": 400,
}
# what stands on the page -> the equations that differ from those of the LSTM
SQUASHINGS: Mapping[str, Mapping[str, str | None]] = {
    "hard sigmoid": {"f": "hard_sigmoid(linear(x, h))"},
    "no squashing": {"f": "linear(x, h)"},
    "step": {"f": "step(linear(x, h))"},
}
GATES: Mapping[str, Mapping[str, str | None]] = {
    "coupled, i = 1 - f": {"i": "1 - f"},
    "capped, i at most 1 - f": {"c": "f*c + min(1 - f, i)*z"},
    "peeking at c": {"f": "sigmoid(linear(x, h) + diag(c))"},
    "constant, f = σ(b)": {"f": "sigmoid(bias())"},
    "absent, f = 1": {"c": "c + i*z", "f": None},
}
OPENINGS: Mapping[str, Mapping[str, Any]] = {
    "bias 0": {"opening": "zero"},
    "bias 1": {"opening": "one"},
    "chrono": {"opening": "chrono", "opening.max_time": 100},
}


def main(words: Sequence[str]) -> int:
    """Write everything; words are `runs=FOLDER`, `out=FOLDER`, `seeds=N`, `steps=N`."""
    given = {"runs": "runs/tutorial", "out": str(HERE), "seeds": "10", "steps": "1000"}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in given:
            print(f"{word}: must be one of {', '.join(f'{each}=' for each in given)}", file=sys.stderr)
            return 2
        given[key] = value
    torch.set_num_threads(1)
    permission.allow("docs.tutorial")
    out = Path(given["out"])
    results, arrays = measured(given["runs"], int(given["seeds"]), int(given["steps"]))
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, svg in draw(results, arrays).items():
        (out / f"{name}.svg").write_text(svg, encoding="utf-8")
    (out / "what_a_forget_gate_learns.md").write_text(page(results), encoding="utf-8")
    print(f"written: {out}")
    return 0


def page(results: Mapping[str, Any]) -> str:
    """Return the page with these numbers."""
    template = (HERE / "_page.md.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figures"] = lambda value, digits=2: f"{value:.{digits}g}"
    environment.filters["fixed"] = lambda value, digits=2: f"{value:.{digits}f}"
    environment.filters["percent"] = lambda value, digits=0: f"{100 * value:.{digits}f} %"
    environment.filters["signed"] = lambda value: f"{'+' if value >= 0 else '-'} {abs(value):.2f}"
    environment.filters["pvalue"] = lambda value: "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
    return environment.from_string(template).render(results) + "\n"


def measured(runs: str, seeds: int, steps: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train what is missing; return the numbers of the page, and the arrays of the figures."""
    base = {**BASE, "runs_dir": runs, "seed": list(range(seeds)), "training.max_steps": steps}
    base["training.validate_every"] = min(250, steps)
    arrays: dict[str, Any] = {}
    results: dict[str, Any] = {"seeds": seeds, "steps": steps}
    results["toggle"] = _toggle(base | {"runs_dir": f"{runs}/toggle"}, arrays)
    results["gates"] = _gates(base | {"runs_dir": f"{runs}/gates"})
    results["pole"] = _pole(base | {"runs_dir": f"{runs}/pole"}, arrays)
    results["opening"] = _opening(base | {"runs_dir": f"{runs}/opening"})
    return results, arrays


def _trained(base: Mapping[str, Any], **more: Any) -> Any:
    named = {key.replace("__", "."): value for key, value in more.items()}
    shown = {**named, "variant": getattr(named["variant"], "equations", named["variant"])}
    print("training " + ", ".join(f"{key}={value}" for key, value in shown.items()), file=sys.stderr, flush=True)
    return gatelab.sweep({**base, **named})


def _toggle(base: Mapping[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """One unit that must reset where the flag is: where its forget gate is open, and the plane of its two summands."""
    runs = _trained(base, variant="lstm", model__hidden_size=1)
    batch = runs[0].task.validation()
    flags = batch.inputs[..., 1] > 0
    open_, shut, weights = [], [], []
    for run in runs:
        network = run.network()
        gate = network.gates(batch)["f"].detach().numpy()[..., 0]
        shut.append(float(gate[flags].mean()))
        open_.append(float(gate[~flags].mean()))
        layer = network.rnn.layers[0]
        row = [layer.get_parameter(f"f_{name}").detach().numpy().ravel() for name in ("weight_x", "weight_h", "bias")]
        weights.append([float(value) for value in np.concatenate(row)])

    best = int(np.argmin([run.result.validation.score for run in runs]))
    network = runs[best].network()
    arrays["toggle"] = {gate: _summands(network, batch, gate) for gate in ("f", "i")} | {"flags": flags}
    twin = runs[best].network("initial")
    before = twin.gates(batch)["f"].detach().numpy()[..., 0]
    scores = [run.result.test.score for run in runs]
    changes = probes.interventions(network, batch, runs[best].task, gate="f", groups={"the unit": [0]})
    freeze = {kind: float(changes.change[position, 0]) for position, kind in enumerate(changes.kinds)}
    return {
        "shut": float(np.median(shut)), "shut_most": max(shut),
        "open": float(np.median(open_)), "open_least": min(open_),
        "weights": weights[best], "number": weights[best][0], "flag": weights[best][1], "state": weights[best][2],
        "bias": weights[best][3], "at_flag": weights[best][1] + weights[best][3],
        "shut_here": shut[best], "open_here": open_[best],
        "before_shut": float(before[flags].mean()), "before_open": float(before[~flags].mean()),
        "error": float(np.median(scores)), "error_here": scores[best], "chance": runs[0].task.chance, "freeze": freeze,
    }  # fmt: skip


def _summands(network: Any, batch: Any, gate: str) -> dict[str, Any]:
    """What x and what h add to the pre-activation of a gate of the first unit, at every step."""
    layer = network.rnn.layers[0]
    with torch.no_grad():
        hidden = layer(torch.from_numpy(batch.inputs))[0].numpy()
        before = np.concatenate([np.zeros_like(hidden[:1]), hidden[:-1]])
        of_x = batch.inputs @ layer.get_parameter(f"{gate}_weight_x").numpy().T
        of_h = before @ layer.get_parameter(f"{gate}_weight_h").numpy().T
    return {"x": of_x[..., 0], "h": of_h[..., 0], "bias": layer.get_parameter(f"{gate}_bias").item()}


def _gates(base: Mapping[str, Any]) -> dict[str, Any]:
    """Four units with other squashings and other gates, against the LSTM."""
    lstm = gatelab.variant("lstm")
    edited = {label: lstm.edit(**edit) for label, edit in {**SQUASHINGS, **GATES}.items()}
    runs = {"LSTM": _trained(base, variant="lstm", model__hidden_size=4)}
    for label, variant in edited.items():
        runs[label] = _trained(base, variant=variant, model__hidden_size=4)
    comparison = gatelab.compare(base["runs_dir"], baseline="lstm")
    rows = []
    for label, each in runs.items():
        scores = [run.result.test.score for run in each if run.result.test is not None]
        row: dict[str, Any] = {
            "label": label,
            "units": 4,
            "error": float(np.median(scores)),
            "scores": scores,
            "runs": len(each),
        }
        if label != "LSTM":
            row |= _verdict(next(found for (_, name), found in comparison.items() if name == each[0].label))
        rows.append(row)
    network, twin, batch = (
        runs["LSTM"][0].network(),
        runs["LSTM"][0].network("initial"),
        runs["LSTM"][0].task.validation(),
    )
    space = {name: probes.toggle_space(each, batch, "f") for name, each in (("trained", network), ("untrained", twin))}
    return {
        "squashings": [row for row in rows if row["label"] in SQUASHINGS],
        "others": [row for row in rows if row["label"] in GATES],
        "lstm": rows[0],
        "space": {
            name: {
                "rank": found.rank, "effective_rank": found.effective_rank, "visited": found.visited_dimension,
                "blind": int(found.blind.shape[1]), "features": int(found.right.shape[0]), "shares": dict(found.shares),
                "to_corner": found.to_corner,
            }
            for name, found in space.items()
        },
    }  # fmt: skip


def _verdict(gain: Any) -> dict[str, Any]:
    return {"verdict": gain.verdict, "p": gain.p, "pairs": gain.pairs, "failed": gain.failed[0]}


def _pole(base: Mapping[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """One unit that must fade as the data do: what its gate says, and what the whole step does."""
    found = []
    for fading in FADING:
        runs = _trained(
            base, variant="lstm", model__hidden_size=1, task__decay=fading, task__resets=0.0, task__length=60
        )
        batch = runs[0].task.validation()
        gates, steps, before, scores = [], [], [], []
        for run in runs:
            network = run.network()
            gates.append(float(probes.time_scales(network, batch).tau[0]))
            before.append(float(probes.time_scales(run.network("initial"), batch).tau[0]))
            eigenvalues = np.abs(probes.dynamics(network, batch, samples=64, exponents=1).eigenvalues).max(-1)
            steps.append(float(-1 / np.log(eigenvalues).mean()))
            scores.append(run.result.test.score)
        found.append({
            "fading": fading, "true": float(-1 / np.log(fading)), "gate": float(np.median(gates)),
            "step": float(np.median(steps)), "before": float(np.median(before)), "gates": gates, "steps": steps,
            "gate_low": min(gates), "gate_high": max(gates), "step_low": min(steps), "step_high": max(steps),
            "error": float(np.median(scores)), "chance": runs[0].task.chance,
        })  # fmt: skip
    # the last task: gradient and memory
    furthest = int(np.argmax(np.abs(np.log(np.array(gates) / np.array(steps)))))
    nearest = int(np.argmin(np.abs(np.log(np.array(gates) / np.array(steps)))))
    memory = {}
    for name, each in (("near", nearest), ("far", furthest)):
        network = runs[each].network()
        one = probes.effective_memory(network, batch, lags=40)
        arrays[f"memory_{name}"] = one
        shares = probes.credit(network, batch.select(slice(0, 32)), lags=20)
        kept = shares.shares()[[str(path) for path in shares.paths].index("kept")]
        memory[name] = {
            "gate": gates[each], "step": steps[each], "lag": 20, "measured": float(one.measured[20] / one.measured[0]),
            "nominal": float(one.nominal[20]), "kept_share": float(kept[10]),
        }  # fmt: skip
    off = max(abs(step / task["true"] - 1) for task in found for step in task["steps"])
    return {"tasks": found, "memory": memory, "off": off}


def _opening(base: Mapping[str, Any]) -> dict[str, Any]:
    """Four units and a long memory, from three openings."""
    words = {"model.hidden_size": 4, "task.decay": LONG, "task.resets": 0.0, "task.length": 100}
    runs = {label: _trained({**base, **words, **opening}, variant="lstm") for label, opening in OPENINGS.items()}
    batch = runs["bias 0"][0].task.validation()
    rows = []
    for label, each in runs.items():
        before = [float(np.median(probes.time_scales(run.network("initial"), batch).bias_only)) for run in each]
        after = [float(np.max(probes.time_scales(run.network(), batch).tau)) for run in each]
        scores = [run.result.test.score for run in each]
        rows.append({
            "label": label, "before": float(np.median(before)), "after": float(np.median(after)),
            "error": float(np.median(scores)), "scores": scores,
        })  # fmt: skip
    comparison = gatelab.compare(base["runs_dir"], baseline="lstm opening=zero", apart="opening.name")
    for row, each in zip(rows[1:], list(runs.values())[1:], strict=True):
        name = f"lstm opening={each[0].configuration['opening']['name']}"
        row |= _verdict(next(found for (_, label), found in comparison.items() if label.startswith(name)))
    return {"rows": rows, "true": float(-1 / np.log(LONG)), "chance": runs["bias 0"][0].task.chance, "fading": LONG}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
