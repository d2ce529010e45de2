"""python -m models: the smallest of the models in full, and what makes it fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(shutil.which("spin") is None, reason="no spin on PATH"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on PATH"),
]

COUNTER = """/* Two threads that count.
 *
 * check quick -DTHREADS=2
 * mutant {mutant} two steps for one
 */
byte n;

proctype thread()
{{
#ifdef TWO_STEPS
    byte seen = n;
    n = seen + 1
#else
    atomic {{ n = n + 1 }}
#endif
}}

init
{{
    atomic {{ run thread(); run thread() }};
    _nr_pr == 1;
    assert(n == {expected})
}}
"""


def run_models(*arguments, path=None):
    environment = None if path is None else {"PATH": path}
    command = [sys.executable, "-m", "models", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_model_of_this_project():
    done = run_models("--quick", "--only", "park")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 models, 2 checks, 0 failed; 7 of 7 mutants caught" in done.stdout


@pytest.mark.parametrize(
    ("mutant", "expected", "status", "said"),
    [
        pytest.param("TWO_STEPS", 2, 0, "assertion violated (n==2)  [THREADS=2]", id="caught"),
        pytest.param("ANOTHER", 2, 1, "SURVIVED", id="survives"),
        pytest.param("TWO_STEPS", 3, 1, "1 checks, 1 failed", id="wrong model"),
    ],
)
def test_the_status_tells_whether_all_is_right(tmp_path, mutant, expected, status, said):
    (tmp_path / "counter.pml").write_text(COUNTER.format(mutant=mutant, expected=expected))
    done = run_models("--folder", tmp_path)
    assert (done.returncode, said in done.stdout) == (status, True), done.stdout + done.stderr


def test_a_search_that_was_cut_short_is_a_failure(tmp_path):
    (tmp_path / "long.pml").write_text(
        "/*\n * check quick\n */\nint n; init { do :: n < 2000000 -> n++ :: else -> break od }\n"
    )
    done = run_models("--folder", tmp_path)
    assert done.returncode == 2
    assert "cut short" in done.stderr


def test_without_spin_it_says_how_to_get_it(tmp_path):
    done = run_models(path=str(tmp_path))
    assert done.returncode == 2
    assert "apt-get install spin" in done.stderr
