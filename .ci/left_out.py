"""Says how many tests ran, and which were left out and why; fails where none ran.

Reads the JUnit files of pytest runs: `python .ci/left_out.py FILE...`.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def reason(skip: ElementTree.Element) -> str:
    """The reason of a skip; of a whole module's, pytest writes (file, line, reason) as the text."""
    if skip.get("message") == "collection skipped":
        return str(ast.literal_eval(skip.text or "")[2]).removeprefix("Skipped: ")
    return skip.get("message", "no reason given")


def left_out(report: Path) -> tuple[int, Counter[str]]:
    """The number of tests that ran, and for each reason the number left out.

    A module that is skipped as a whole counts as one: what is in it is not known.
    """
    cases = ElementTree.parse(report).getroot().findall(".//testcase")
    skips = [
        s for case in cases for s in case.findall("skipped") if s.get("type") != "pytest.xfail"
    ]
    return len(cases) - len(skips), Counter(reason(skip) for skip in skips)


def main(reports: list[Path]) -> int:
    """Print the summary; the exit status is 1 where a run wrote no report or no test ran."""
    ran, reasons = 0, Counter[str]()
    for report in reports:
        if not report.exists():
            print(f"pytest has not written {report}; its message stands above.")
            return 1
        some, why = left_out(report)
        ran, reasons = ran + some, reasons + why
    print(f"\n{ran} tests ran.", "Nothing was left out." if not reasons else "Left out:")
    for text, count in reasons.most_common():
        print(f"  {count:4d}  {text}")
    if not ran:
        print("No test ran. Expected at least one: install what the reasons name.")
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
