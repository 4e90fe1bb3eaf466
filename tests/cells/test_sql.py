"""A table in a database gives the cells of its rows, in one statement on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import BigInteger, Boolean, Column, Engine, Float, Integer, MetaData, String, Table, create_engine, event, text

from evaluation import PanelError
from evaluation.cells import Cells, Recipe, cells
from pilots.storage.base import StoreError
from pilots.storage.cases import cells_of_table, columns_of_table

RECIPE = Recipe("school", "term", ("days", "score", "late"), ("age",), "w", ("need",))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    many = 2000
    frame = pd.DataFrame(
        {
            "school": rng.integers(100000, 100020, many),
            "term": rng.choice(["2023/24 autumn", "2023/24 spring"], many),
            "need": rng.choice(["autism", "speech"], many),
            "days": rng.poisson(4, many),
            "score": 1e9 + rng.normal(0, 1, many),
            "late": rng.random(many) < 0.3,
            "age": rng.normal(9, 2, many),
            "w": rng.uniform(0.5, 2, many),
        }
    )
    frame.loc[rng.random(many) < 0.1, "score"] = np.nan
    return frame


@pytest.fixture
def table(any_url: str, rows: pd.DataFrame) -> tuple[str, str]:
    """A database with the rows in it: its URL and the table's name."""
    engine = create_engine(any_url)
    kinds: dict[str, Any] = {"school": Integer, "term": String(20), "need": String(10), "days": BigInteger, "late": Boolean}
    made = Table("cases", MetaData(), *[Column(name, kinds.get(name, Float(53))) for name in rows])
    made.create(engine)
    plain = rows.astype(object).where(rows.notna(), None)
    with engine.begin() as connection:
        connection.execute(made.insert(), plain.to_dict("records"))
    engine.dispose()
    return any_url, "cases"


def test_cells_of_a_table_are_those_of_its_rows(table: tuple[str, str], rows: pd.DataFrame) -> None:
    said: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "GROUP BY" in statement.upper() and "cases" in statement:
            said.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        found = cells_of_table(*table, RECIPE)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert len(said) == 1
    expected = cells(rows, "school", "term", RECIPE.outcomes, covariates=["age"], weight="w", strata=["need"])
    assert found.pivots["days"] == found.pivots["late"] == 0.0 and abs(found.pivots["score"] / rows["score"].mean() - 1) < 1e-9
    moved = found.about(expected.pivots)
    pd.testing.assert_frame_equal(moved.frame, expected.frame, check_dtype=False, rtol=1e-12, atol=1e-6)
    declared = cells_of_table(*table, RECIPE, expected.pivots)
    pd.testing.assert_frame_equal(declared.frame, expected.frame, check_dtype=False, rtol=1e-12, atol=1e-9)


def test_digits_are_kept_in_the_database_too(table: tuple[str, str], rows: pd.DataFrame) -> None:
    found = cells_of_table(*table, Recipe("school", "term", ("score",)))
    spread = found.frame["cross__score__score"] - found.frame["sum__score"] ** 2 / found.frame["n__score"]
    exact = (rows["score"] - 1e9).groupby([rows["school"], rows["term"]]).var(ddof=0) * found.frame["n__score"].to_numpy()
    assert spread.to_numpy() == pytest.approx(exact.to_numpy(), rel=1e-9)


def test_what_a_database_cannot_give_is_told(table: tuple[str, str]) -> None:
    url, name = table
    assert columns_of_table(url, name)[:2] == ["school", "term"]
    with pytest.raises(StoreError, match="has no table “pupils”"):
        cells_of_table(url, "pupils", RECIPE)
    with pytest.raises(StoreError, match="has no column “poverty”. It has: school, term"):
        cells_of_table(url, name, Recipe("school", "term", ("poverty",)))
    with pytest.raises(StoreError, match="Column “need” .* does not hold numbers"):
        cells_of_table(url, name, Recipe("school", "term", ("need",)))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE cases SET w = -1 WHERE days > 8"))
    with pytest.raises(PanelError, match="Weight 'w' is negative in school"):
        cells_of_table(url, name, RECIPE)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM cases"))
    engine.dispose()
    with pytest.raises(PanelError, match="There are no rows"):
        cells_of_table(url, name, RECIPE)
    with pytest.raises(StoreError, match="not in mysql|cannot be read"):
        cells_of_table("mysql://nowhere/none", name, RECIPE)


def test_text_in_a_numeric_column_of_sqlite_is_not_zero(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE cases (u INTEGER, t INTEGER, y FLOAT)"))
        connection.execute(text("INSERT INTO cases VALUES (1, 1, 2.5), (1, 1, 'c'), (1, 2, NULL)"))
    engine.dispose()
    with pytest.raises(StoreError, match="Column “y” has text in place of a number in 1 rows"):
        cells_of_table(sqlite_url, "cases", Recipe("u", "t", ("y",)))


def test_not_a_number_in_postgresql_is_missing(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE cases (u INTEGER, t INTEGER, y DOUBLE PRECISION)"))
        connection.execute(text("INSERT INTO cases VALUES (1, 1, 2.5), (1, 1, 'NaN'), (1, 2, NULL)"))
    engine.dispose()
    found: Cells = cells_of_table(postgresql_url, "cases", Recipe("u", "t", ("y",)))
    assert found.dropped().iloc[0].tolist() == ["y", 3, 2, 0, 1]
