"""Writes Tests/TasksTests/Golden/metrics.json: measures of made-up predictions by scikit-learn and SciPy.

    python Tests/Reference/make_metrics_golden.py

needs: numpy, scipy, scikit-learn; the versions used stand in the file. A measure without a value is null.
"""

import json
import math
import warnings
from pathlib import Path

import numpy
import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

GOLDEN = Path(__file__).resolve().parent.parent / "TasksTests" / "Golden"


def number(value):
    return None if math.isnan(value) else float(value)


def of_classes(predictions, labels, binary=True):
    return {
        "predictions": list(map(int, predictions)),
        "labels": list(map(int, labels)),
        "accuracy": number(accuracy_score(labels, predictions)),
        "f1": number(f1_score(labels, predictions, zero_division=0)) if binary else None,
        "macroF1": number(f1_score(labels, predictions, average="macro", zero_division=0)),
        "matthews": number(matthews_corrcoef(labels, predictions)),
    }


def of_scores(predictions, labels):
    predictions, labels = numpy.float32(predictions), numpy.float32(labels)
    return {
        "predictions": [float(value) for value in predictions],
        "labels": [float(value) for value in labels],
        "pearson": number(pearsonr(predictions.astype(float), labels.astype(float))[0]),
        "spearman": number(spearmanr(predictions.astype(float), labels.astype(float))[0]),
    }


def of_questions(predictions, labels, questions):
    """MultiRC's measures as its published scorer has them: F1 over all answers, questions with no error."""
    right = {}
    for prediction, label, question in zip(predictions, labels, questions):
        right[question] = right.get(question, True) and prediction == label
    return {
        "predictions": list(map(int, predictions)),
        "labels": list(map(int, labels)),
        "questions": list(map(int, questions)),
        "f1": number(f1_score(labels, predictions, zero_division=0)),
        "exactMatch": sum(right.values()) / len(right),
    }


def main():
    warnings.simplefilter("ignore")
    random = numpy.random.default_rng(5)
    labels = random.integers(0, 2, 277)
    classes = [
        of_classes(numpy.where(random.random(277) < 0.7, labels, 1 - labels), labels),
        of_classes(random.random(60) < 0.9, random.random(60) < 0.05),
        of_classes([1] * 9, [1] * 9),
        of_classes([0] * 9, [0] * 9),
        of_classes([0] * 9, [0, 1, 0, 1, 1, 0, 0, 1, 0]),
        of_classes([1] * 9, [0, 1, 0, 1, 1, 0, 0, 1, 0]),
        of_classes([0, 1, 0], [1, 0, 1]),
        of_classes([1], [1]),
        of_classes([0], [1]),
        of_classes(random.integers(0, 3, 100), random.integers(0, 3, 100), binary=False),
    ]
    gold = numpy.round(random.random(150) * 25) / 5
    scores = [
        of_scores(gold + random.normal(0, 0.8, 150), gold),
        of_scores(numpy.round(gold + random.normal(0, 1, 150)), gold),
        of_scores(-gold, gold),
        of_scores(1e-4 * random.normal(0, 1, 50) + 2.5, random.random(50) * 5),
        of_scores(1e6 * gold + 1e7, gold),
        of_scores([2.5] * 8, gold[:8]),
        of_scores(gold[:8], [1.0] * 8),
        of_scores([1, 2], [4, 3]),
        of_scores([0, 0, 1, 1, 1, 2], [0, 1, 0, 1, 2, 2]),
    ]
    answers = random.integers(0, 2, 120)
    questions = [
        of_questions(numpy.where(random.random(120) < 0.9, answers, 1 - answers), answers, numpy.arange(120) // 5),
        of_questions([0, 0, 1], [0, 0, 1], [0, 1, 1]),
        of_questions([0, 0], [1, 0], [0, 0]),
    ]
    versions = f"numpy {numpy.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    lines = {
        name: ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        for name, cases in (
            ("classes", classes),
            ("scores", scores),
            ("questions", questions),
        )
    }
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "metrics.json").write_text(
        f'{{"versions":"{versions}",\n"classes":[\n{lines["classes"]}\n],\n"scores":[\n{lines["scores"]}\n],\n'
        f'"questions":[\n{lines["questions"]}\n]}}\n'
    )


if __name__ == "__main__":
    main()
