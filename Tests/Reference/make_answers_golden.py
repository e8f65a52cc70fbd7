"""Writes Tests/TasksTests/Golden/answers.json: F1 and exact match of answers by published scorers.

    python Tests/Reference/make_answers_golden.py WHEEL

needs: torchmetrics (SQuAD 1.1), and as WHEEL that of transformers 4.46.3 (SQuAD 2.0), of which one file is taken:
pip download --no-deps transformers==4.46.3. The versions used stand in the file.
"""

import ast
import collections
import importlib.metadata
import json
import random
import re
import string
import sys
import zipfile
from pathlib import Path

from torchmetrics.functional.text import squad

GOLDEN = Path(__file__).resolve().parent.parent / "TasksTests" / "Golden"

CASES = [
    ("the a Cat", ["cat b"]),
    ("The Panthers' defense!", ["Panthers defense", "the defense"]),
    ("", ["the"]),
    ("", [""]),
    ("a", ["an", "x"]),
    ("1,000 men", ["1000  men"]),
    ("U.S.A.", ["USA", "the U.S."]),
    ("x–the–y", ["x – – y", "x–the–y"]),
    ("théa an\u0301 apple", ["thea an\u0301 apple"]),
    ("ÉCOLE\u00a0Normale\u2003Supérieure", ["école normale supérieure"]),
    ("fifty\u001cone", ["fifty one"]),
    ("b b b c", ["b b", "c c c"]),
    ("the ²a a² a", ["²a a²"]),
    ("over_the_moon", ["overthemoon", "over moon"]),
    ("東京 Tower", ["東京", "tower"]),
    ("totally wrong", ["right", "true"]),
]


def second_rules():
    """The scorer's functions from the package's file."""
    wheel = Path(sys.argv[1])
    source = zipfile.ZipFile(wheel).read("transformers/data/metrics/squad_metrics.py").decode()
    wanted = {"normalize_answer", "get_tokens", "compute_exact", "compute_f1"}
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    scope = {"re": re, "string": string, "collections": collections}
    exec(compile(tree, "squad_metrics.py", "exec"), scope)
    return scope, wheel.name.split("-")[1]


def main():
    draw = random.Random(7)
    words = ["the", "a", "an", "The", "river", "River,", "old", "bank", "of", "1,5", "é", "(x)", "and"]
    texts = [" ".join(draw.choices(words, k=draw.randrange(6))) for _ in range(120)]
    cases = CASES + [(texts[i], texts[i + 1 : i + 1 + draw.randrange(1, 4)]) for i in range(0, 116, 4)]
    rules, version = second_rules()
    rows = []
    for prediction, gold in cases:
        first = squad(
            [{"prediction_text": prediction, "id": "0"}],
            [{"answers": {"answer_start": [0] * len(gold), "text": gold}, "id": "0"}],
        )
        kept = [text for text in gold if rules["normalize_answer"](text)] or [""]
        rows.append(
            {
                "prediction": prediction,
                "gold": gold,
                # Where nothing is left to compare, torchmetrics goes by 2.0's rules.
                "first": {"f1": float(first["f1"]) / 100, "exactMatch": float(first["exact_match"]) / 100}
                if all(map(rules["normalize_answer"], [prediction, *gold]))
                else None,
                "second": {
                    "f1": float(max(rules["compute_f1"](text, prediction) for text in kept)),
                    "exactMatch": float(max(rules["compute_exact"](text, prediction) for text in kept)),
                },
            }
        )
    versions = f"torchmetrics {importlib.metadata.version('torchmetrics')}, transformers {version}"
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (GOLDEN / "answers.json").write_text(f'{{"versions":"{versions}",\n"answers":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
