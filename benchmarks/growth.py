"""How time grows with rows, units, draws, outcomes and workers: a table, and a picture (SVG, both axes by doubling)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import rows, whole_evidence
from evaluation import Panel, Result, estimate

PICTURE = Path("docs/growth.svg")
ROWS = (1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000)
UNITS, DRAWS = (1500, 3000, 6000, 12_000, 24_000, 48_000), (999, 1998, 3996, 7992, 15_984)
OUTCOMES, WORKERS = (1, 2, 4, 8, 16, 32), (1, 2)
ENGINE = ("duckdb", "pyarrow")
Line = dict[str, Any]


def _seconds(work: Callable[[], Any], clock: Callable[[], float] = time.process_time, repeat: int = 3) -> float:
    """The best of `repeat` runs, in seconds of the processor, or by another clock."""
    took = []
    for _ in range(repeat):
        begun = clock()
        work()
        took.append(clock() - begun)
    return min(took)


def _event_study(panel: Panel, draws: int) -> pd.DataFrame:
    result = estimate(panel, "group_time", aggregate="event_time")
    assert isinstance(result, Result)
    return result.frame(inference="multiplier", draws=draws)


def _schools(frame: pd.DataFrame) -> Panel:
    return Panel.from_frame(frame, "school", "term", "first_term", "rate")


def _along_rows(sizes: tuple[int, ...]) -> list[Line]:
    """Seconds from a Parquet file of so many rows to a clustered estimate."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            file = Path(folder) / f"{count}.parquet"
            rows.draw(file, count)
            out.append({"along": "rows", "size": count, "seconds": _seconds(rows.ours(file))})
    return out


def measure(draw: Callable[[int], pd.DataFrame], small: bool = False) -> list[Line]:
    """Seconds along each axis.

    Rows: from a Parquet file to a clustered estimate. Units and draws: the panel of schools. Outcomes and workers: authorities.

    Of the processor but for workers, which are by the clock: on a machine that others work on they gain less than they would. A
    small run has the first two sizes of each, and leaves the picture as it is.
    """
    out: list[Line] = []
    few = 2 if small else None
    if all(map(find_spec, ENGINE)):
        out += _along_rows((100_000, 200_000) if small else ROWS)
    else:
        print(f"Growth in rows is left out: {' and '.join(ENGINE)} are not both installed here.")
    for units in UNITS[:few]:
        frame = draw(units)
        out.append({"along": "units", "size": units, "seconds": _seconds(lambda frame=frame: _event_study(_schools(frame), 999))})
    panel = _schools(draw(3000))
    out += [{"along": "draws", "size": n, "seconds": _seconds(lambda n=n: _event_study(panel, n))} for n in DRAWS[:few]]
    for count in OUTCOMES[:few]:
        task = (whole_evidence.panel_of(count, 1), "group_time", 999)
        out.append({"along": "outcomes", "size": count, "seconds": _seconds(lambda task=task: whole_evidence.work(task))})
    tasks = [(whole_evidence.panel_of(2 if small else 8, 1), name, 999) for name in whole_evidence.ESTIMATORS]
    for count in WORKERS:
        with Pool(count) as pool:
            pool.map(whole_evidence.work, tasks[:count], chunksize=1)
            seconds = _seconds(lambda pool=pool: pool.map(whole_evidence.work, tasks, chunksize=1), time.perf_counter)
        out.append({"along": "workers", "size": count, "seconds": seconds})
    if not small:
        PICTURE.write_text(picture(out))
    return out


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table, with how time grows for each doubling."""
    out = ["| Along | Size | Seconds | × for each doubling |", "| --- | --- | --- | --- |"]
    last: Line = {}
    for line in lines:
        same = last.get("along") == line["along"]
        grown = (line["seconds"] / last["seconds"]) ** (1 / np.log2(line["size"] / last["size"])) if same else None
        factor = f"{grown:.2f}" if grown else ""
        out.append(f"| {line['along']} | {line['size']:,} | {line['seconds']:.3f} | {factor} |")
        last = line
    return "\n".join(out)


def picture(lines: list[Line]) -> str:
    """A panel for each axis; a step is a doubling both ways, and the dashed line is time in proportion to size."""
    wide, high = 250, 220
    names = list(dict.fromkeys(line["along"] for line in lines))
    body = "".join(
        f'<g transform="translate({40 + at * wide},30)">{_panel(name, lines, wide - 70, high - 80)}</g>'
        for at, name in enumerate(names)
    )
    words = "Seconds by number of " + ", ".join(names)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide * len(names)}" height="{high}" role="img" '
        f'font-family="Arial, sans-serif" font-size="12" fill="#0b0c0c"><title>{words}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{body}</svg>\n'
    )


def _panel(name: str, lines: list[Line], wide: int, high: int) -> str:
    size, seconds = (np.array([line[key] for line in lines if line["along"] == name], float) for key in ("size", "seconds"))
    x = wide * np.log2(size / size[0]) / np.log2(size[-1] / size[0])
    ideal = seconds[0] * (size[0] / size if name == "workers" else size / size[0])
    low, top = np.log2(min(seconds.min(), ideal.min())), np.log2(max(seconds.max(), ideal.max()))

    def line(values: np.ndarray, style: str) -> str:
        y = high - high * (np.log2(values) - low) / max(top - low, 1e-9)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="#1d70b8"/>' for a, b in zip(x, y, strict=True))
        return f'<polyline points="{points}" fill="none" {style}/>' + ("" if "dash" in style else dots)

    ends = (
        f'<text x="0" y="{high + 18}">{size[0]:,.0f}</text>'
        f'<text x="{wide}" y="{high + 18}" text-anchor="end">{size[-1]:,.0f}</text>'
        f'<text x="-4" y="{high}" text-anchor="end">{2**low:.2g}</text><text x="-4" y="10" text-anchor="end">{2**top:.2g}</text>'
    )
    return (
        f'<text x="0" y="-10" font-weight="bold">{name} (seconds)</text>'
        f'<path d="M0 0V{high}H{wide}" fill="none" stroke="#505a5f"/>'
        + line(ideal, 'stroke="#505a5f" stroke-dasharray="4 4"')
        + line(seconds, 'stroke="#1d70b8" stroke-width="2"')
        + ends
    )
