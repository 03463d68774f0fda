#!/usr/bin/env bash
# The tests of engines that are short enough for CI (`make test-engines`): those marked in_ci, in a
# copy of the .venv that `make setup` has built: no other test sees what they install, so all can run at the same time.
#
# Installs SLURM and PostgreSQL with apt, submitit, Ray and PostgreSQL's driver with pip. What this user or this
# container may not do (no root, a daemon or a namespace that is not permitted) is told in a line, and its tests are left
# out; everything else that goes wrong is an error.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PYTHON=.venv-engines/bin/python
HERE=tests/engines
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
rooms=("$HERE/ray")

left_out() {
    echo "test-engines: without $1: $2"
}

# try NAME COMMAND…: whether a command works; one that fails for anything but a permission ends the stage
try() {
    local name=$1 said
    shift
    if "$@" >"$scratch/said" 2>&1 </dev/null; then
        return 0
    fi
    if said=$(grep -m 1 -iE 'not permitted|permission denied|must be root|only root|read-only file system|not supported|not implemented|cgroup' "$scratch/said"); then
        left_out "$name" "$said"
        return 1
    fi
    echo "test-engines: $name: \`$*\` failed:" >&2
    cat "$scratch/said" >&2
    exit 1
}

slurm() {
    mkdir "$scratch/slurm"
    SLURMCTLD_PORT=27827 SLURMD_PORT=27828 "$HERE/slurm/cluster.sh" start "$scratch/slurm" || started=no
    "$HERE/slurm/cluster.sh" stop "$scratch/slurm"
    [ "${started:-yes}" = yes ]
}

postgres() {
    "$HERE/postgres/server.sh" start "$scratch/postgres" 27829 && "$HERE/postgres/server.sh" stop "$scratch/postgres"
}

# of hard links: pip removes files and makes new ones, it writes into none
if ! [ .venv-engines/.copied -nt .venv/.installed ]; then
    rm -rf .venv-engines
    cp -al .venv .venv-engines
    touch .venv-engines/.copied
fi

if [ "$(id -u)" != 0 ]; then
    left_out "SLURM, PostgreSQL and machines of other names" "this user is not root"
elif ! command -v apt-get >/dev/null; then
    left_out "SLURM, PostgreSQL and machines of other names" "there is no apt-get to install them"
else
    "$HERE/slurm/cluster.sh" install
    "$HERE/postgres/server.sh" install
    if try SLURM slurm; then rooms+=("$HERE/slurm"); fi
    if try PostgreSQL postgres; then rooms+=("$HERE/postgres"); fi
    if try "machines of other names" unshare --uts hostname made-up; then rooms+=("$HERE/hosts"); fi
fi
"$PYTHON" -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[submitit,postgres,ray]'
# a file is one process: the cluster and the server that its tests start are its own
OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 WANDB_MODE=offline \
    "$PYTHON" -m pytest -q -n 2 --dist loadfile -m 'engine and in_ci' --durations=0 "${rooms[@]}"
