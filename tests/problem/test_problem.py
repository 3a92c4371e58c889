"""The declaration: what is possible is taken; all else is a sentence that names the file, the key and what may be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.errors import UserError
from slipway.problem import (
    Binary,
    ByTime,
    Column,
    Feature,
    Grouped,
    Monthly,
    MultiClass,
    Name,
    One,
    Problem,
    Random,
    Ranking,
    Regression,
    accuracy,
    auc,
    logloss,
    mae,
    ndcg,
    rmse,
)

COLUMNS = (
    Column("day", "date"),
    Column("shop", "category", categories=("north", "south")),
    Column("query", "integer"),
    Column("price", "number", nullable=True, minimum=0, maximum=100),
    Column("returned", "category", known=False, nullable=True, categories=("no", "yes")),
    Column("sold", "integer", known=False, nullable=True),
)
FEATURES = (Feature("shop", "shop", "code"), Feature("price", "price", "number"))
BINARY = Problem(
    name=Name("order", "orders", "returned"),
    task=Binary("returned", value="yes"),
    answer="returned",
    columns=COLUMNS,
    features=FEATURES,
    parts=Monthly("data/orders", "{month}.csv", date="day"),
    split=ByTime(),
    metrics=(auc, logloss),
    decides=auc,
    key=("day", "query"),
    drawn_by="day",
    slices=("shop",),
)
FILE = One("data/orders", "orders.parquet")
FRAME = pd.DataFrame(
    {
        "returned": pd.Categorical(["yes", None, "no"], ["no", "yes"], ordered=True),
        "sold": pd.array([3, None, 0], dtype="Int64"),
    }
)


def test_a_category_is_a_binary_answer_and_nothing_is_not_known_yet() -> None:
    np.testing.assert_array_equal(BINARY.answers(FRAME), np.float32([1, np.nan, 0]))


def test_a_column_a_function_or_a_list_of_classes_answers() -> None:
    counted = replace(BINARY, task=Regression(loss="poisson"), answer="sold", metrics=(rmse,), decides=rmse)
    np.testing.assert_array_equal(counted.answers(FRAME), np.float32([3, np.nan, 0]))
    doubled = replace(counted, answer=lambda frame: 2 * frame["sold"].to_numpy(float, na_value=np.nan))
    np.testing.assert_array_equal(doubled.answers(FRAME), np.float32([6, np.nan, 0]))
    classes = replace(BINARY, task=MultiClass(("yes", "perhaps", "no")), metrics=(accuracy,), decides=accuracy)
    np.testing.assert_array_equal(classes.answers(FRAME), np.float32([0, np.nan, 2]))


def test_an_answer_of_another_shape_is_refused() -> None:
    wrong = replace(BINARY, answer=lambda frame: np.zeros(2))
    with pytest.raises(
        UserError, match=r"problem\.py, answer: returned shape \(2,\), expected one number for each of 3"
    ):
        wrong.answers(FRAME)


def test_the_schema_says_all_that_a_request_needs() -> None:
    schema = json.loads(json.dumps(BINARY.schema_json(), allow_nan=False))
    assert [column["name"] for column in schema["columns"]] == ["shop", "price"]
    assert schema["task"] == {"kind": "binary", "positive": "returned"}
    assert schema["output"] == {"name": "probability", "key": "probabilities", "width": 0}
    shop, price = schema["columns"]
    assert shop["drift"] == {"feature": 0, "edges": [], "buckets": ["north", "south"]}
    assert price["drift"]["feature"] == 1 and len(price["drift"]["buckets"]) == len(price["drift"]["edges"]) + 1 > 20


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metrics": (auc, rmse)}, "problem.py, metrics: rmse is a metric of regression, and the task is binary"),
        ({"decides": accuracy}, "problem.py, decides: accuracy is not among the metrics, auc, logloss"),
        ({"metrics": (auc, auc)}, "problem.py, metrics: each stands once"),
        ({"answer": "gone"}, "problem.py, answer: there is no column 'gone' in src/slipway/model/schema.py"),
        ({"answer": "price"}, "problem.py, answer: column price is a feature as well"),
        ({"answer": "day"}, "problem.py, answer: column day holds a date"),
        ({"task": Binary("returned")}, "problem.py, answer: column returned is a category: Binary(…, value=)"),
        (
            {"task": MultiClass(("a", "b", "c")), "metrics": (accuracy,), "decides": accuracy},
            "problem.py, answer: the categories of column returned are not the task's classes",
        ),
        ({"key": ("day", "price")}, "problem.py, key: column price may be empty"),
        ({"slices": ("price",)}, "problem.py, slices: price is no category"),
        ({"slices": ("returned",)}, "problem.py, slices: returned is no category that a feature is made from"),
        ({"drawn_by": "customer"}, "problem.py, drawn_by: there is no column 'customer'"),
        ({"split": Grouped("customer")}, "problem.py, split: there is no column 'customer'"),
        ({"split": Grouped("price")}, "problem.py, split: column price may be empty"),
        ({"parts": FILE}, "problem.py, split: ByTime needs Monthly, Weekly or Daily parts"),
        ({"parts": Monthly("data/orders", "{month}.csv", date="shop")}, "problem.py, parts: column shop is no date"),
        (
            {"task": Ranking("query"), "answer": "sold", "metrics": (ndcg,), "decides": ndcg, "split": Random()},
            "problem.py, split: a ranking's groups stay whole: Grouped('query')",
        ),
        ({"known_after": 30, "parts": FILE, "split": Random()}, "problem.py, known_after: is a number of days after"),
        ({"features": ()}, "features.py, features: there is none"),
        ({"features": (*FEATURES, FEATURES[0])}, "features.py, feature shop: stands there twice"),
        ({"features": (Feature("x", "gone", "number"),)}, "features.py, feature x: there is no column 'gone'"),
        ({"features": (Feature("x", "sold", "number"),)}, "features.py, feature x: leakage: column sold is not known"),
        (
            {"features": (Feature("x", "shop", "number"),)},
            "feature x: encoding 'number' does not fit column shop; expec",
        ),
        ({"columns": (*COLUMNS, COLUMNS[0])}, "schema.py, column day: stands there twice"),
    ],
)
def test_what_is_not_possible_is_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refused:
        replace(BINARY, **changes)
    assert says in str(refused.value) and "\n" not in str(refused.value)
    assert str(refused.value).startswith("src/slipway/model/")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MultiClass(("a", "b")), "task: MultiClass has 2 classes, expected 3 to 1000"),
        (
            lambda: Regression(loss="huber"),
            "task: Regression has loss 'huber', expected one of squared, absolute, pois",
        ),
        (lambda: ByTime(gap=-1), "split: ByTime has gap=-1"),
        (lambda: Column("c", "number", minimum=3, maximum=2), "column c: minimum 3 is not below maximum 2"),
        (lambda: Column("c", "category"), "column c: a category has either categories, or hashed="),
        (lambda: Column("c", "category", hashed=1), "column c: hashed is 1, expected 2 to 4096"),
        (lambda: Column("c", "category", categories=("other",), other=True), "none of them may be called 'other'"),
        (lambda: Column("c", "text", categories=("a",)), "column c: categories, other and hashed belong to the kind"),
        (lambda: Column("c", "money"), "column c: kind is 'money', expected one of date, clock"),
        (lambda: Column("c", "number", drift=(1, 3, 2)), "column c: drift holds ascending borders"),
        (lambda: Monthly("orders", "{month}.csv", date="day"), "parts: the folder is 'orders', expected one in data"),
        (lambda: Monthly("data/prepared", "{month}.csv", date="day"), "data/prepared, where `prepare` writes"),
        (lambda: Monthly("data/x", "{week}.csv", date="day"), "parts: the pattern is '{week}.csv', expected {month}"),
        (lambda: Monthly("data/x", "{month}.xlsx", date="day"), "ends in .csv or .csv.gz or .parquet"),
    ],
)
def test_a_word_that_is_used_wrongly_is_one_sentence(make: Any, says: str) -> None:
    with pytest.raises(UserError) as refused:
        make()
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("task", "right", "wrong", "says"),
    [
        (Binary("yes"), [0, 1], [0, 1, 2], "found 2, and a binary answer is 0, 1 or nothing"),
        (MultiClass(("a", "b", "c")), [0, 1, 2], [3], "found 3, and an answer is the position of a class, 0 to 2"),
        (MultiClass(("a", "b", "c")), [0], [0.5], "found 0.5"),
        (Regression(), [-1e6, 0.5], [np.inf], "found inf, and an answer is a finite number"),
        (Regression(loss="poisson"), [0, 3], [-1], "found -1, and a count is 0 or more"),
        (Regression(loss="gamma"), [0.1], [0], "found 0, and an amount is above 0"),
        (Ranking("query"), [0, 31], [32], "found 32, and a grade of relevance is a whole number from 0 to 31"),
    ],
)
def test_each_task_knows_its_answers(task: Any, right: list[float], wrong: list[float], says: str) -> None:
    assert task.fault(np.float32(right)) is None
    assert says in task.fault(np.float32([*right, *wrong]))


def test_a_metric_that_the_rules_do_not_name_is_a_metric_too() -> None:
    assert replace(BINARY, metrics=(auc, replace(mae, name="gap", tasks=("binary",)))).metric["gap"].title
