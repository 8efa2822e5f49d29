"""Commands whose shell keeps SIGTERM from the program."""

from __future__ import annotations

import pytest

from perdure_operator.decide.shells import shell_in_front


@pytest.mark.parametrize(
    ("command", "is_in_front"),
    [
        (["python", "train.py"], False),
        (["sh", "-c", "python train.py"], True),
        (["/bin/bash", "-lc", "cd /app && python train.py"], True),
        (["bash", "-e", "-c", "a\npython train.py\n"], True),
        (["sh", "-c", "exec python train.py"], False),
        (["sh", "-c", "cd /app && exec python train.py"], False),
        (["sh", "-c", "trap 'kill $!' TERM\npython train.py & wait"], False),
        (["sh", "train.sh"], False),
        (["sh", "-c"], False),
        (["sh", "-c", ""], True),
        (["python", "-c", "print(1)"], False),
    ],
)
def test_shell_in_front(command, is_in_front):
    found = shell_in_front(command)
    assert (found is not None) is is_in_front


def test_the_cure_names_the_last_command():
    found = shell_in_front(["sh", "-c", "cd /app\npython train.py"])
    assert found is not None
    assert "`exec python train.py`" in found.message
