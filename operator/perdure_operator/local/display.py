"""What the runner shows while it runs: events as lines; on a terminal a live line below them."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from perdure.contract.status import Activity, Status
from perdure_operator.local.wording import short_number


class Display:
    """Prints each event once; keeps a live line on terminals, and nothing of it elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def event(self, text: str, style: str = "") -> None:
        """Print one line."""
        self.console.print(Text(text, style), soft_wrap=True)

    def progress(self, attempt: int, status: Status | None, disturbance: str = "") -> None:
        """Show where `attempt` stands."""
        if self.console.is_terminal:
            self._live.update(_line(progress_words(attempt, status), _share(status), disturbance))

    def waiting(self, attempt: int, seconds: float) -> None:
        """Show that `attempt` starts in `seconds`."""
        if self.console.is_terminal:
            self._live.update(_line(f"attempt {attempt} starts in {seconds:.0f} s"))

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._live.update("")
            self._live.stop()


def _line(words: str, share: float | None = None, remark: str = "") -> Table:
    """The live line: a spinner, words, and a bar where the end is known."""
    grid = Table.grid(padding=(0, 1))
    cells: list[Spinner | Text | ProgressBar] = [Spinner("dots")]
    cells.append(Text(words, no_wrap=True, overflow="ellipsis"))
    if share is not None:
        cells.append(ProgressBar(total=1.0, completed=share, width=16))
    if remark:
        cells.append(Text(remark, "dim", no_wrap=True, overflow="ellipsis"))
    grid.add_row(*cells)
    return grid


def _share(status: Status | None) -> float | None:
    if status is None:
        return None
    if status.activity == Activity.REPLAYING and status.steps_to_replay:
        return min(1.0, status.steps_replayed / status.steps_to_replay)
    return min(1.0, status.step / status.total_steps) if status.total_steps else None


def progress_words(attempt: int, status: Status | None) -> str:
    """Attempt, activity, epoch, step, loss and last checkpoint, as far as they are known."""
    if status is None:
        return f"attempt {attempt}: starting"
    words = [f"attempt {attempt}: {status.activity.lower()}"]
    if status.activity == Activity.REPLAYING:
        words.append(f"step {status.steps_replayed} of {status.steps_to_replay}")
    elif status.step:
        total = f" of {status.total_steps}" if status.total_steps else ""
        words.append(f"epoch {status.epoch + 1}, step {status.step}{total}")
    words += [f"{m.name} {short_number(m.value)}" for m in status.metrics if m.name == "loss"]
    if status.checkpoint:
        words.append(f"checkpoint at step {status.checkpoint.step}")
    return ", ".join(words)
