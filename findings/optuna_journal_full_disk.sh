#!/usr/bin/env bash
# optuna 5.0.0: a search whose study is in a journal file (JournalFileBackend) and meets a full disk ends in
# "AssertionError: Should not reach." from Study.optimize. The OSError that is the cause stands at the end of a chain, so
# that code which catches OSError to report a full disk does not see it. Here a limit on the size of files stands for the
# full disk. Seen in November 2026:
#
#   AssertionError: Should not reach. <- OSError: [Errno 27] File too large <- OSError: [Errno 27] File too large
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check optuna==5.0.0 numpy==2.4.6

cd "$place"
"$place/venv/bin/python" - <<'PYTHON'
import os
import resource

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
study = optuna.create_study(storage=JournalStorage(JournalFileBackend("journal.log")))
limit = os.path.getsize("journal.log") + 300  # bytes: room for a trial or two
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=20)
    chain = []
except Exception as error:
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
print(optuna.__version__, " <- ".join(f"{type(error).__name__}: {error}" for error in chain))
assert chain and type(chain[0]) is AssertionError, "the behaviour has changed"
assert any(isinstance(error, OSError) and error.errno == 27 for error in chain), "the behaviour has changed"
PYTHON
