"""Points composed quickly are those that Hydra composes, and the files of a sweep are read once for all its points."""

import contextlib
import itertools
import random

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from gatelab.configuration import Points, plain, using
from gatelab.configuration.quick import QuickComposition
from gatelab.keys import default_of, known_keys
from gatelab.locations import conf_directory
from hydra_plugins.gatelab_stacked_launcher._unchecked import UncheckedPoints

POINTS = [
    ["seed=1", "optimizer.lr=0.1"],
    ["seed=2", "optimizer.lr=0.1"],
    ["seed=-1", "optimizer.lr=-0"],
    ["seed=007", "optimizer.lr=+7"],
    ["seed=123456789012345678901234567890", "optimizer.lr=1_000"],
    ["seed=2", "variant=gru", "optimizer.lr=1e-3"],
    ["variant=gru", "optimizer.lr=1e-3", "seed=3", "task=adding", "task.length=7"],
    ["variant=lstm", 'variant.equations.f="1 - i"'],
    ["variant=lstm", 'variant.equations.f="sigmoid(linear(x, h))"', "runs_dir=here"],
    ["+optimizer.amsgrad=true", "seed=4"],
    ["+optimizer.amsgrad=true", "optimizer.amsgrad=false"],
    ["++optimizer.amsgrad=true", "++optimizer.lr=3", "++variant.reads.f=[x]", "variant=gru"],
    ["+optimizer.deep.inside=1", "optimizer.deep.inside=2"],
    ["~schedule.warmup_steps", "seed=7"],
    ["~schedule.warmup_steps", "+schedule.warmup_steps=3"],
    ["+schedule={more: {a: 1}}", "schedule.more.a=2"],
    ["logger=[csv,none]", "seed=5"],
    ["logger=[csv,wandb]", "logger.wandb.project=mine"],
    ["training.clip_norm=null", "optimizer.betas=[0.8,0.9]", "training.patience=null"],
    ["model={hidden_size:3}"],
    ["model={hidden_size:3}", "model.hidden_size=5"],
    ["model.hidden_size=5", "model={hidden_size:3}"],
    ["hydra.sweep.dir=elsewhere", "seed=6"],
    ["task=copying", "task=adding", "seed=8"],
    ["runs_dir='a, b'", 'opening.name="chrono"'],
    ["runs_dir=null", "seed=true", "threads=1.0"],
    ["optimizer.lr=${draw:log_uniform,1e-6,1e-2}", "seed=1"],
    ["optimizer.lr=${draw:log_uniform,1e-6,1e-2}", "seed=2"],
    ["optimizer.lr=${draw:choice,1,[2],null}", "seed=3"],
    ["model.hidden_size=${by_variant:lstm,36,gru,46}", "variant=gru"],
    ["model.hidden_size=${by_variant:lstm,36,gru,46}", "variant=lstm", "seed=${model.hidden_size}"],
    ["opening=chrono", "opening.max_time=${by_opening:chrono,750}"],
    ["optimizer.betas=['${training.clip_norm}',0.5]"],
    [r"runs_dir='\${seed}'"],
    ["model=${training}"],
    ["+experiment=weiss_2018/counting/quick", "task=anbn"],
    ["+experiment=weiss_2018/counting/quick", "task=anbncn", "variant=gru", "model.hidden_size=4"],
]

GRIDS = [
    ["variant=lstm,gru,cifg", "task=adding,copying", "optimizer=adam,sgd", "seed=1"],
    ["seed=1,2", "optimizer.lr=${draw:uniform,0,1}", "variant=lstm,gru", "task=adding,copying"],
    ["+optimizer.amsgrad=true,false", "opening=default,chrono,one", "++variant.mutate=1,2"],
    ["~opening", "schedule=cosine,linear", "seed=1,2"],
    ["optimizer.lr=0.1,1e-3", "seed=3,007,-1,1_0,true,2.5,0,12345678901234567890"],
    ["seed=1,2", "training.patience=${seed}"],
    ["model.hidden_size=${by_variant:lstm,36,gru,46}", "seed=1,2", "variant=lstm,gru"],
    ["++seed=4,5", "seed=1,2"],
    ["seed=1,2", "++seed=4,5"],
    ["seed=1,2", "variant.equations.i='1 - f','1'", "runs_dir='seed=3','seed=4'"],
    ["++model={hidden_size: 3}", "seed=1,2", "model.num_layers=2,3"],
]


@pytest.fixture
def loader():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_directory()), version_base="1.3"):
        yield GlobalHydra.instance().hydra


class Counting:
    """A loader that notes what it was asked to compose."""

    def __init__(self, loader):
        self.loader, self.asked = loader, []

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def load_sweep_config(self, master, words):
        self.asked.append(words)
        return self.loader.load_sweep_config(master, words)


def master_of(loader, words=()):
    return loader.compose_config("train", list(words), run_mode=RunMode.MULTIRUN, with_log_configuration=False)


def grid(words):
    values = [(key, value.split(",") if "{" not in value else [value]) for key, _, value in map(cut, words)]
    return [list(point) for point in itertools.product(*([joined(key, one) for one in each] for key, each in values))]


def cut(word):
    return word.partition("=")


def joined(key, value):
    return f"{key}={value}" if value else key


def same(one, other):
    """Say whether two configurations are the same, in the order of their keys and the kinds of their values as well."""
    return repr(one) == repr(other)


def test_every_point_is_the_same(loader):
    master = master_of(loader, ["task=adding"])
    quick = QuickComposition(loader.config_loader, master)
    for words in POINTS:
        expected = plain(loader.config_loader.load_sweep_config(master, words))
        assert same(quick.point(words), expected), words
        assert same(quick.point(words), expected), words


@pytest.mark.parametrize("words", GRIDS, ids=" ".join)
def test_every_point_of_a_grid_is_the_same(loader, words):
    master = master_of(loader)
    quick = QuickComposition(loader.config_loader, master)
    words = [*words, "~schedule.warmup_steps"] if words[0] == "~opening" else words
    expected = [plain(loader.config_loader.load_sweep_config(master, point)) for point in grid(words)]
    for point, one in zip(grid(words), expected, strict=True):
        assert same(quick.point(point), one), point
    assert same(list(appended(loader, master, grid(words))), expected)


def appended(loader, master, words):
    quick, points = QuickComposition(loader.config_loader, master), Points()
    for point in words:
        if not quick.append_again(points, point):
            quick.append(points, point)
    return points


def test_points_of_another_launch_are_others(loader):
    quick = QuickComposition(loader.config_loader, master_of(loader))
    for seeds in ((1, 2), (2, 3)):
        points = Points()
        for seed in seeds:
            words = [f"seed={seed}", "runs_dir=here"]
            if not quick.append_again(points, words):
                quick.append(points, words)
        assert (points.seeds, len(points.kinds)) == (list(seeds), 1)
    assert not quick.append_again(points, ["runs_dir=here"])


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (["optimizer.lr=0.1,0.2", "seed=1,2,3"], 2),
        (["seed=1,2,3", "optimizer.lr=${draw:uniform,0,1}"], 3),
        (["seed=1,2,3", "training.patience=${seed}"], 3),
        (["seed=1,2", "~schedule.warmup_steps"], 1),
        (["++seed=4,5", "seed=1,2"], 4),
    ],
    ids=str,
)
def test_what_differs_in_the_seed_alone_is_composed_once(loader, words, kinds):
    assert len(appended(loader, master_of(loader), grid(words)).kinds) == kinds


def one_word(name, draw):
    """Return an override of a key with some value of its type, or null."""
    default = default_of(name)
    values = {
        bool: ["true", "false"],
        int: [str(draw.randint(1, 99)), "1e3", "-3"],
        float: [f"{draw.uniform(0, 2):.3g}", "0", "1e-7", "nan"],
    }
    value = draw.choice([*values.get(type(default), ["word", "[1,2]"]), "null"])
    return f"{draw.choice(['', '+', '++', '++'])}{name}={value}"


def test_random_points_over_all_keys_are_the_same(loader):
    draw = random.Random(17)
    master = master_of(loader, ["task=adding"])
    quick = QuickComposition(loader.config_loader, master)
    groups = ["variant=gru", "variant=cifg", "optimizer=sgd", "opening=one", "schedule=linear", "task=copying"]
    chosen = {word.partition("=")[0] for word in groups} | {"logger"}
    composable = 0
    keys = sorted(key for key in known_keys() if key not in chosen)
    for _ in range(12):
        words = [one_word(name, draw) for name in draw.sample(keys, 3)]
        words += [*draw.sample(groups, 1), f"seed={draw.randint(0, 9)}"]
        try_quick, reference = outcome(quick.point, words), outcome(by_hydra(loader, master), words)
        assert same(try_quick, reference), words
        composable += isinstance(reference, dict)
    assert 0 < composable < 12


def by_hydra(loader, master):
    return lambda words: plain(loader.config_loader.load_sweep_config(master, words))


def outcome(compose, words):
    """Return the configuration of a point, or the text of what refuses it."""
    with contextlib.suppress(HydraException, OmegaConfBaseException):
        return compose(words)
    with pytest.raises((HydraException, OmegaConfBaseException)) as refused:
        compose(words)
    return str(refused.value)


def test_points_that_put_the_same_into_a_section_share_it(loader):
    quick = QuickComposition(loader.config_loader, master_of(loader, ["task=adding"]))
    points = [quick.point(point) for point in grid(["optimizer.lr=0.1,0.2", "training.clip_norm=1,2", "seed=1,2,3"])]
    assert len(points) == 12
    assert len({id(point["optimizer"]) for point in points}) == 2
    assert len({id(point["logger"]) for point in points}) == 1


WRONG = [["sed=1"], ["seed=1", "variant=nothing"], ["seed=1", "optimizer.nothing=2"], ["+seed=1"], ["seed.inner=1"],
         ["+logger.wandb=3", "logger=none", "logger.csv.more=1"], ["optimizer.lr=${nothing}"], ["seed=???"],
         ["optimizer.lr=${draw:uniform,2,1}"], ["task=${variant}"]]  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_errors_are_those_of_hydra(loader, words):
    master = master_of(loader)
    with pytest.raises((HydraException, OmegaConfBaseException)) as reference:
        plain(loader.config_loader.load_sweep_config(master, words))
    with pytest.raises(type(reference.value)) as quick:
        QuickComposition(loader.config_loader, master).point(words)
    assert str(quick.value) == str(reference.value)


WIDE = ["seed=1,2,3,4,5,6,7,8", "variant=lstm,gru,cifg,peephole", "task=adding,copying,digits",
        "optimizer.lr=0.1,0.2,0.3", "+optimizer.amsgrad=true"]  # fmt: skip


def test_hydra_composes_nothing_where_files_of_options_are_all_there_is(loader):
    master, counting = master_of(loader), Counting(loader.config_loader)
    quick = QuickComposition(counting, master)
    points = [quick.point(point) for point in grid(WIDE)]
    assert len(points) == 288
    assert counting.asked == []
    assert len({id(point["variant"]) for point in points}) == 4
    assert len({id(point["training"]) for point in points}) == 1


def test_hydra_composes_once_for_each_option_and_not_for_each_point(loader):
    # what conf/train.yaml and the files of options say is not all of the sweep's own configuration
    master, counting = master_of(loader, ["~schedule.warmup_steps"]), Counting(loader.config_loader)
    quick = QuickComposition(counting, master)
    points = [quick.point(point) for point in grid(WIDE)]
    assert len(points) == 288
    assert len(counting.asked) == 1 + 3 + 2
    assert len({id(point["variant"]) for point in points}) == 4
    assert len({id(point["training"]) for point in points}) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["task=copying", "seed=4", "optimizer.lr=3"],
        ["logger=csv", "variant=gru"],
        ["+optimizer.amsgrad=true", "optimizer=sgd,adamw", "++variant.x=3"],
        ["hydra.launcher.workers=2", "hydra.sweep.dir=elsewhere"],
    ],
    ids=str,
)
def test_files_make_the_configuration_of_a_sweep(loader, words):
    master, counting = master_of(loader, words), Counting(loader.config_loader)
    fixed = [word for word in words if not word.startswith("hydra.") and "," not in word]
    point = [*(word for word in fixed if not word.startswith("variant=")), "optimizer=sgd", "variant=cifg"]
    found = QuickComposition(counting, master).point(point)
    assert counting.asked == []
    assert same(found, plain(loader.config_loader.load_sweep_config(master, point)))


@pytest.mark.parametrize("words", [["variant=cifg"], ["task=mine"], ["schedule=mine"], ["optimizer=mine"]], ids=str)
def test_files_of_a_user_are_read_as_hydra_reads_them(loader, tmp_path, words):
    files = {
        "task/mine.yaml": "name: adding\nlength: ${training.max_steps}\n",
        "schedule/mine.yaml": "# @package schedule\nname: linear\n",
        "optimizer/mine.yaml": "_target_: torch.optim.SGD\nlr: 0.5\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with using([tmp_path]):
        master = master_of(loader)
        expected = plain(loader.config_loader.load_sweep_config(master, words))
        assert same(QuickComposition(loader.config_loader, master).point(words), expected)


def test_what_is_put_in_before_an_experiment_is_composed_once(loader):
    master, counting = master_of(loader), Counting(loader.config_loader)
    quick = QuickComposition(counting, master)
    for point in grid(["+experiment=weiss_2018/counting/quick", "variant=lstm,gru", "seed=1,2,3", "++variant.x=1"]):
        quick.point(point)
    assert len(counting.asked) == 2


def test_groups_that_change_more_than_their_section_are_composed_together(loader):
    class Entangled(Counting):
        """As if the files of tasks said how long training takes."""

        def load_sweep_config(self, master, words):
            composed = super().load_sweep_config(master, words)
            if "task=copying" in words:
                composed.training.max_steps = 7 if "variant=gru" in words else 8
            return composed

    entangled = Entangled(loader.config_loader)
    quick = QuickComposition(entangled, master_of(loader, ["~schedule.warmup_steps"]))
    points = [quick.point(point) for point in grid(["variant=lstm,gru", "task=adding,copying"])]
    assert [point["training"]["max_steps"] for point in points] == [1000, 8, 1000, 7]


def test_a_sweeper_that_looks_at_a_point_finds_nothing(loader):
    unchecked = UncheckedPoints(loader.config_loader)
    point = unchecked.load_sweep_config(master_of(loader), ["seed=1"])
    with pytest.raises(OmegaConfBaseException, match="Key 'seed' is not in struct"):
        print(point.seed)
    assert "lstm" in unchecked.get_group_options("variant")
