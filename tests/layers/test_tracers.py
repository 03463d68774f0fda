"""Tracers over an RNN: compiled, exported and transformed programs compute what the RNN computes."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.export import Dim
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from gatelab import RNN, Variant, variant
from gatelab.compiler import multiply_adds, program
from gatelab.errors import UserError
from gatelab.language import variant_files
from gatelab.language.json_line import variant_of, written
from gatelab.layers.layer import Layer
from gatelab.layers.network import Network

X = torch.linspace(-1, 1, 5 * 2 * 3).view(5, 2, 3)
OTHER = torch.linspace(2, -1, 5 * 7 * 3).view(5, 7, 3)
TREESPEC = "ignore:.isinstance:FutureWarning"  # of torch's own export
JIT = "ignore:.torch.jit:DeprecationWarning"


def rnn_of(name="lstm", path="auto", **options) -> RNN:
    torch.manual_seed(0)
    return RNN(name, 3, 4, path=path, **options)


def step(module: nn.Module, x: Tensor, *rest) -> list[Tensor]:
    """Return outputs and all gradients of one training step."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    output, state = module(x, *rest)
    states = state if isinstance(state, tuple) else (state,)
    (output.square().sum() + sum(part.sum() for part in states)).backward()
    gradients = [leaf.grad for leaf in (x, *module.parameters())]
    return [output.detach(), *[gradient.clone() for gradient in gradients if gradient is not None]]


def assert_identical(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def assert_near(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def targets(graph: torch.fx.Graph) -> set[str]:
    return {str(node.target) for node in graph.nodes if node.op == "call_function"}


def of_gatelab(graph: torch.fx.Graph) -> set[str]:
    return {target for target in targets(graph) if "gatelab" in target}


# ---- torch.compile


@pytest.fixture
def compiling(caplog):
    caplog.set_level("ERROR", "torch")  # it writes thousands of lines for debugging

    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_rnn_has_the_bits_of_the_rnn(backend, compiling):
    rnn = rnn_of("lstm", num_layers=2, bidirectional=True)
    expected = step(rnn, X)
    compiled = torch.compile(rnn, backend=backend, fullgraph=True)
    assert_identical(step(compiled, X), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "sru", "mlstm", "layer_norm_gru"])
@pytest.mark.parametrize("path", ["auto", "loop"])
def test_compiled_variants_agree_on_every_path(name, path, compiling):
    rnn = RNN(name, 4, 4, path=path)
    x = torch.randn(5, 2, 4)
    assert_near(step(torch.compile(rnn, backend="aot_eager", fullgraph=True), x), step(rnn, x))


def test_lengths_states_and_changing_sizes_are_compiled_too(compiling):
    rnn = rnn_of("gru")
    compiled = torch.compile(rnn, backend="aot_eager", fullgraph=True, dynamic=True)
    for steps, batch in ((5, 2), (7, 3), (9, 4)):
        x, state = torch.randn(steps, batch, 3), torch.randn(1, batch, 4)
        lengths = torch.arange(1, batch + 1)
        expected, final = rnn(x, state, lengths=lengths)
        output, other = compiled(x, state, lengths=lengths)
        assert_identical([output, other], [expected, final])
        assert_identical(step(compiled, x), step(rnn, x))


def test_only_some_gradients_of_a_compiled_rnn(compiling):
    rnn = rnn_of("gru")
    for parameter in list(rnn.parameters())[:-1]:
        parameter.requires_grad_(False)
    found = []
    for module in (rnn, torch.compile(rnn, backend="aot_eager", fullgraph=True)):
        rnn.zero_grad()
        module(X)[1].sum().backward()
        found.append([parameter.grad for parameter in rnn.parameters() if parameter.grad is not None])
    assert len(found[0]) == 1
    assert_identical(*found)


def test_a_network_and_its_recomputation_are_compiled(compiling):
    network = Network(variant("gru"), 3, 5, 4)
    network.rnn.layers[0].recompute = 2
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    found = []
    for module in (network, compiled):
        network.zero_grad()
        module(X).sum().backward()
        found.append([parameter.grad.clone() for parameter in network.parameters()])
    assert_near(*found)


@pytest.mark.slow
@pytest.mark.filterwarnings(JIT)
def test_a_compiled_training_step_takes_the_steps_of_eager(compiling):
    """With inductor, and an optimiser that is compiled as well."""
    weights = []
    for compile_it in (False, True):
        rnn = rnn_of("lstm", num_layers=2)
        optimizer = torch.optim.Adam(rnn.parameters(), 0.01)

        def loss(rnn=rnn):
            return rnn(X)[0].square().sum()

        forward, update = (torch.compile(loss), torch.compile(optimizer.step)) if compile_it else (loss, optimizer.step)
        for _ in range(4):
            optimizer.zero_grad()
            forward().backward()
            update()
        weights.append([parameter.detach() for parameter in rnn.parameters()])
    assert_near(*weights)


@pytest.mark.slow
@pytest.mark.filterwarnings(JIT)
def test_inductor_has_the_bits_of_the_rnn(compiling):
    rnn = rnn_of("lstm")
    assert_identical(step(torch.compile(rnn, fullgraph=True), X), step(rnn, X))


# ---- torch.export and torch.jit.trace


@pytest.mark.filterwarnings(TREESPEC)
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_rnn_is_one_operator_and_takes_other_batches_and_times(strict, compiling):
    rnn = rnn_of("lstm")
    exported = torch.export.export(rnn, (X,), dynamic_shapes=({0: Dim("time"), 1: Dim("batch")},), strict=strict)
    assert of_gatelab(exported.graph) == {"gatelab.recurrence.default"}
    lowered = exported.run_decompositions()
    assert of_gatelab(lowered.graph) == {"gatelab.run.default"}
    for x in (X, OTHER, torch.randn(9, 4, 3)):
        expected, (h, c) = rnn(x)
        for program_of in (exported, lowered):
            output, (final_h, final_c) = program_of.module()(x)
            assert_identical([output, final_h, final_c], [expected, h, c])


@pytest.mark.filterwarnings(TREESPEC)
def test_an_exported_loop_is_of_pytorchs_own_operations_and_takes_other_batches():
    rnn = rnn_of("gru", "loop")
    exported = torch.export.export(rnn, (X,), dynamic_shapes=({1: Dim("batch")},))
    lowered = exported.run_decompositions()
    for one in (exported, lowered):
        assert all(target.startswith(("aten.", "<built-in", "_operator")) for target in targets(one.graph))
        assert_near([one.module()(OTHER)[0]], [rnn(OTHER)[0]])


@pytest.mark.filterwarnings(TREESPEC)
def test_the_steps_of_an_exported_loop_are_fixed_and_pytorch_says_so():
    with pytest.raises(Exception, match="time"):
        torch.export.export(rnn_of("gru", "loop"), (X,), dynamic_shapes=({0: Dim("time")},))


LOADED = """
import sys, torch
from gatelab import RNN
x = torch.linspace(-1, 1, 30).view(5, 2, 3)
saved = sys.argv[1]
module = torch.export.load(saved).module() if saved.endswith(".pt2") else torch.jit.load(saved)
print(module(x)[0].double().sum().item())
try:
    module(x.double())
except Exception as error:
    print("refused", "float64" in str(error) or "dtype" in str(error))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings(TREESPEC, JIT)
@pytest.mark.parametrize("ending", ["pt2", "pt"])
def test_a_saved_program_runs_in_another_process(ending, tmp_path):
    rnn = rnn_of("peephole")
    file = str(tmp_path / f"saved.{ending}")
    if ending == "pt2":
        torch.export.save(torch.export.export(rnn, (X,)), file)
    else:
        torch.jit.trace(rnn, (X,)).save(file)
    done = subprocess.run([sys.executable, "-c", LOADED, file], capture_output=True, text=True, timeout=120, check=True)
    first, second = done.stdout.strip().splitlines()[-2:]
    assert float(first) == rnn(X)[0].double().sum().item()
    assert second == "refused True"


@pytest.mark.filterwarnings(JIT)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_traced_rnn_takes_other_batches(bidirectional):
    rnn = rnn_of("lstm", num_layers=2, bidirectional=bidirectional)
    traced = torch.jit.trace(rnn, (X,))
    assert_identical([traced(OTHER)[0]], [rnn(OTHER)[0]])
    assert_identical(step(traced, X)[:2], step(rnn, X)[:2])


def test_every_variant_comes_back_from_what_is_written_of_it():
    for name in variant_files():
        original = variant(name)
        other = variant_of(written(original))
        assert other.mapping()["state"] == original.mapping()["state"]
        if original.foreign is None:
            assert program(other).instructions == program(original).instructions
            assert program(other).output == program(original).output


def test_an_operator_called_by_hand_checks_what_it_gets():
    layer = Layer(variant("gru"), 3, 4)
    weights = list(layer.learned().values())
    call = torch.ops.gatelab.recurrence
    state = torch.zeros(2, 4)
    text = written(layer.variant)
    output, final = call(X, [state], weights, None, text, 4, "auto", "", True)
    assert torch.equal(output, layer(X)[0]) and torch.equal(final, layer(X)[1]["h"])
    with pytest.raises(UserError, match="state h is float64, the weights are float32"):
        call(X, [state.double()], weights, None, text, 4, "auto", "", True)
    with pytest.raises(UserError, match=r"state h of shape \(2, 5\): must be \(2, 4\)"):
        call(X, [torch.zeros(2, 5)], weights, None, text, 4, "native", "", True)
    with pytest.raises(UserError, match="must be 1 states and"):
        call(X, [], weights, None, text, 4, "auto", "", True)
    with pytest.raises(UserError, match="its variant is no JSON"):
        call(X, [state], weights, None, "{", 4, "auto", "", True)
    with pytest.raises(UserError, match="lengths from 1 to 9: must be from 0 to 5 steps"):
        call(X, [state], weights, torch.tensor([1, 9]), text, 4, "auto", "", True)
    with pytest.raises(UserError, match="its text is not one that gatelab wrote"):
        torch.ops.gatelab.run([X], None, "[]", True)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["native", "loop"])
def test_the_operator_passes_pytorchs_own_checks(path):
    layer = Layer(variant("lstm"), 3, 4)
    states = [torch.zeros(2, 4), torch.zeros(2, 4)]
    weights = list(layer.learned().values())
    arguments = (X, states, weights, torch.tensor([5, 2]), written(layer.variant), 4, path, "f", True)
    torch.library.opcheck(torch.ops.gatelab.recurrence.default, arguments)


# ---- dispatch modes and transformations


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_make_fx_records_operators(mode):
    rnn = rnn_of("gru")
    weights = {name: weight.detach() for name, weight in rnn.named_parameters()}

    def gradients(given, x):
        leaves = {name: weight.requires_grad_() for name, weight in given.items()}
        output, _ = functional_call(rnn, leaves, (x,))
        return [output.detach(), *torch.autograd.grad(output.square().sum(), list(leaves.values()))]

    expected = gradients({name: weight.clone() for name, weight in weights.items()}, X)
    traced = make_fx(gradients, tracing_mode=mode)({name: weight.clone() for name, weight in weights.items()}, X)
    assert of_gatelab(traced.graph) == {"gatelab.run_kept.default", "gatelab.run_back.default"}
    assert_identical(traced({name: weight.clone() for name, weight in weights.items()}, X), expected)


@pytest.mark.parametrize("path", ["auto", "loop"])
@pytest.mark.parametrize("kind", ["list", "tensor"])
def test_make_fx_takes_lengths(kind, path):
    rnn = rnn_of("gru", path).requires_grad_(False)
    lengths = [5, 2] if kind == "list" else torch.tensor([5, 2])
    expected = rnn(X, lengths=lengths)[0]
    assert torch.equal(make_fx(lambda x: rnn(x, lengths=lengths)[0])(X)(X), expected)
    if kind == "tensor":
        traced = make_fx(lambda x, ends: rnn(x, lengths=ends)[0])(X, lengths)
        assert torch.equal(traced(X, lengths), expected)
        assert torch.equal(traced(X, lengths.flip(0)), rnn(X, lengths=[2, 5])[0])
    with pytest.raises(UserError, match="lengths from 2 to 6: must be from 0 to 5 steps"):
        make_fx(lambda x: rnn(x, lengths=[6, 2])[0])(X)


@pytest.mark.parametrize("path", ["auto", "native", "loop"])
def test_fake_tensors_have_the_shapes_and_strides_of_real_ones(path):
    results = []
    for mode in (FakeTensorMode(allow_non_fake_inputs=True), torch.enable_grad()):
        rnn = rnn_of("lstm", path)
        with mode:
            x = torch.zeros(5, 2, 3, requires_grad=True)
            output, (h, c) = rnn(x)
            output.sum().backward()
            results.append([output, h, c, x.grad])
    for fake, real in zip(*results, strict=True):
        assert type(fake) is not Tensor
        assert fake.shape == real.shape and fake.stride() == real.stride() and fake.dtype == real.dtype


def test_the_memory_that_training_keeps_is_foretold_at_every_size():
    for name in ("lstm", "gru_v3", "sru"):
        for hidden in (4, 16, 19):
            for runs, steps, batch in ((None, 5, 2), (None, 1, 1), (3, 4, 33)):
                lead = () if runs is None else (runs,)
                layer = Layer(variant(name), hidden, hidden)
                weights = {key: value.detach().expand(*lead, *value.shape) for key, value in layer.named_parameters()}
                results = []
                for mode in (FakeTensorMode(allow_non_fake_inputs=True), torch.enable_grad()):
                    kept: list[int] = []
                    with mode, torch.autograd.graph.saved_tensors_hooks(kept_by(kept), lambda tensor: tensor):
                        x = torch.zeros(*lead, steps, batch, hidden, requires_grad=True)
                        functional_call(layer, weights, (x,))
                    results.append(kept)
                assert results[0] == results[1]


def kept_by(sizes: list[int]):
    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    return pack


@pytest.mark.parametrize("path", ["auto", "loop"])
def test_flops_are_counted_as_multiply_adds(path):
    rnn = rnn_of("lstm", path)
    with FlopCounterMode(display=False) as counter:
        rnn(X)
    assert counter.get_total_flops() == 2 * 5 * 2 * multiply_adds(rnn.variant, 3, 4)
    with FlopCounterMode(display=False) as counter:
        output, _ = rnn(X.clone().requires_grad_(), (torch.zeros(1, 2, 4).requires_grad_(), torch.zeros(1, 2, 4)))
        output.sum().backward()
    assert counter.get_total_flops() == 3 * 2 * 5 * 2 * multiply_adds(rnn.variant, 3, 4)


@pytest.mark.filterwarnings(JIT)
def test_transformations_of_torch_func_agree_with_autograd():
    rnn = rnn_of("gru")
    weights = dict(rnn.named_parameters())

    def loss(given, x):
        return functional_call(rnn, given, (x,))[0].square().sum()

    found = torch.func.grad(loss)(weights, X)
    expected = torch.autograd.grad(loss(weights, X), list(weights.values()))
    assert_near(list(found.values()), list(expected))
    batched = torch.vmap(lambda x: rnn(x)[0])(torch.stack([X, 2 * X]))
    assert_near(list(batched), [rnn(X)[0], rnn(2 * X)[0]])
    _, forward = torch.func.jvp(lambda x: rnn(x)[0], (X,), (X,))
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(rnn(forward_ad.make_dual(X, X))[0]).tangent
    assert_near([forward], [dual])
    slope = (rnn((X.double() * (1 + 1e-3)).float())[0] - rnn((X.double() * (1 - 1e-3)).float())[0]) / 2e-3
    torch.testing.assert_close(forward, slope, rtol=0, atol=1e-3)
    assert_near([torch.func.functionalize(lambda x: rnn(x)[0])(X)], [rnn(X)[0]])


@pytest.mark.filterwarnings(JIT)
@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.hessian])
def test_native_says_that_a_transformation_is_at_work(transform):
    rnn = rnn_of("gru", "native")
    with pytest.raises(UserError, match=r"path=native cannot run: a transformation of torch\.func is at work"):
        transform(lambda x: rnn(x)[0].sum())(X)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_jacobians_one_by_one_and_in_a_batch(name):
    rnn = rnn_of(name, "native")
    law = rnn_of(name, "loop")
    one_by_one = torch.autograd.functional.jacobian(lambda x: rnn(x)[0], X)
    assert_near([one_by_one], [torch.autograd.functional.jacobian(lambda x: law(x)[0], X)])
    in_a_batch = torch.autograd.functional.jacobian(lambda x: rnn(x)[0], X, vectorize=True)
    assert torch.equal(one_by_one, in_a_batch)


def test_a_hessian_says_which_path_has_one():
    rnn = rnn_of("gru", "native")
    with pytest.raises(UserError, match="no gradient of its gradient: take path=loop"):
        torch.autograd.functional.hessian(lambda x: rnn(x)[0].sum(), X)
    assert torch.autograd.functional.hessian(lambda x: rnn_of("gru", "loop")(x)[0].sum(), X).any()


# ---- autograd's own tools


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_around_the_module_keep_less_and_give_the_same_bits(reentrant):
    rnn = rnn_of("lstm")
    expected = step(rnn, X)
    module = around(rnn, lambda x: checkpoint(flat, rnn, x, use_reentrant=reentrant))
    assert_identical(step(module, X), expected)
    sizes = []
    for one in (rnn, module):
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(kept_by(kept), lambda tensor: tensor):
            one(X.clone().requires_grad_())
        sizes.append(sum(kept))
    assert sizes[1] < sizes[0] / 10


def flat(rnn: RNN, x: Tensor) -> tuple[Tensor, ...]:
    """Return output and states side by side: reentrant checkpoints drop the gradients of nested results."""
    output, (h, c) = rnn(x)
    return output, h, c


def around(rnn: RNN, function) -> nn.Module:
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = rnn

        def forward(self, x):
            output, *states = function(x)
            return output, tuple(states)

    return Around()


def test_saved_tensors_may_be_packed_elsewhere():
    rnn = rnn_of("lstm")
    expected = step(rnn, X)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.numpy(force=True).copy(), torch.from_numpy):
        found = step(rnn, X)
    assert_identical(found, expected)
    with torch.autograd.graph.save_on_cpu():
        assert_identical(step(rnn, X), expected)


def test_anomaly_mode_deterministic_algorithms_and_hooks():
    rnn = rnn_of("lstm")
    expected = step(rnn, X)
    seen: list[str] = []
    rnn.register_forward_hook(lambda *_: seen.append("forward"))
    rnn.register_full_backward_hook(lambda *_: seen.append("backward"))
    torch.use_deterministic_algorithms(True)
    with pytest.warns(UserWarning, match="Anomaly"), torch.autograd.detect_anomaly():
        found = step(rnn, X)
    torch.use_deterministic_algorithms(False)
    assert_identical(found, expected)
    assert seen == ["forward", "backward"]


def test_pruned_and_normalised_weights_are_used():
    rnn = rnn_of("gru")
    layer = rnn.layers[0]
    name = next(name for name, _ in layer.named_parameters() if name.endswith("weight_h"))
    prune.l1_unstructured(layer, name, 0.5)
    nn.utils.parametrizations.weight_norm(layer, next(n for n, _ in layer.named_parameters() if n.endswith("weight_x")))
    assert int((getattr(layer, name) == 0).sum()) == 8
    output, _ = rnn(X)
    law = [rnn.layers[0].learned()[key].detach() for key in layer.learned()]
    other = rnn_of("gru")
    for parameter, values in zip(other.layers[0].learned().values(), law, strict=True):
        with torch.no_grad():
            parameter.copy_(values)
    assert torch.equal(output, other(X)[0])
    output.sum().backward()


# ---- autocast


@pytest.mark.parametrize("path", ["native", "loop"])
@pytest.mark.parametrize("name", ["lstm", "gru", "peephole"])
def test_autocast_treats_every_variant_alike(name, path):
    """The recurrence computes in its weights' dtype, for inputs of any dtype: the same numbers as without autocast."""
    rnn = rnn_of(name, path)
    rounded = X.bfloat16()
    expected, _ = rnn(rounded.float())
    with torch.autocast("cpu", torch.bfloat16):
        output, state = rnn(rounded)
        again, _ = rnn(rounded, state)
        assert torch.equal(torch.compile(rnn, backend="eager")(rounded)[0], output)
    assert output.dtype is torch.float32
    assert torch.equal(output, expected)
    assert again.dtype is torch.float32
    found = []
    for context in (torch.autocast("cpu", torch.bfloat16), torch.enable_grad()):
        with context:
            output, _ = rnn(X)
        found.append(torch.autograd.grad(output.sum(), list(rnn.parameters())))
    assert_identical(list(found[0]), list(found[1]))


def test_autocast_and_a_variant_that_is_a_module():
    rnn = rnn_of("mlstm")
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = rnn(X.bfloat16())
    assert torch.equal(output, rnn(X.bfloat16().float())[0])


def test_a_variant_without_weights_can_be_compiled(compiling):
    through = Variant.from_mapping({"name": "through", "state": ["h"], "equations": {"h": "tanh(x) + 0.5*h"}})
    rnn = RNN(through, 3, 3)
    compiled = torch.compile(rnn, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(X)[0], rnn(X)[0])
