"""Whether a GPU has room for the copies that a snapshot by reference leads to."""

from __future__ import annotations

import pytest

from perdure.state.headroom import fits

GB = 10**9


@pytest.mark.parametrize(
    ("needed", "limit", "peak", "peak_has_copies", "expected"),
    [
        pytest.param(4 * GB, 80 * GB, 40 * GB, False, True, id="plenty"),
        pytest.param(40 * GB, 80 * GB, 60 * GB, False, False, id="none"),
        pytest.param(16 * GB, 80 * GB, 60 * GB, False, True, id="just enough"),
        pytest.param(17 * GB, 80 * GB, 60 * GB, False, False, id="only without fragments"),
        pytest.param(16 * GB, 80 * GB, 76 * GB, True, True, id="the peak has the copies"),
        pytest.param(16 * GB, 80 * GB, 78 * GB, True, False, id="activations have grown since"),
    ],
)
def test_fits(needed, limit, peak, peak_has_copies, expected):
    assert fits(needed, limit, peak, peak_has_copies=peak_has_copies) is expected
