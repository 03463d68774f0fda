"""Where conf/ and experiments/ lie: beside the sources in a checkout; conf/ inside the package in a wheel."""

from pathlib import Path

__all__ = ["conf_directory", "experiments_directory"]


def conf_directory() -> Path:
    """Return the absolute path of conf/.

    A checkout is looked at first: an editable install leaves a copy of conf/ in site-packages that goes stale.
    """
    package = Path(__file__).resolve().parent
    checkout = package.parents[1] / "conf"
    return checkout if (checkout / "variant").is_dir() else package / "conf"


def experiments_directory() -> Path:
    """Return the absolute path of experiments/, beside conf/; only a checkout has one."""
    return conf_directory().parent / "experiments"
