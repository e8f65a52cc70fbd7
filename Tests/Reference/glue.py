"""Reads GLUE's official files, for the reference scripts only."""

from pathlib import Path

# Columns of the first and second sentence, and whether the file has a header, by task and split.
FIRST_SECOND = {"RTE": (1, 2), "MRPC": (3, 4), "CoLA": (3, None), "SST-2": (0, None), "STS-B": (7, 8)}
CLASSES = {"RTE": ["entailment", "not_entailment"]}


def read(data, task, split):
    """The examples of `data/task/split.tsv`: a list of (first, second or None, label or None)."""
    text = (Path(data) / task / f"{split}.tsv").read_bytes().decode("utf-8-sig")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    first, second = FIRST_SECOND[task]
    if task == "CoLA" and split != "test":
        rows = lines
    else:
        rows = lines[1:]
    if split == "test" and task in ("CoLA", "SST-2"):
        first = 1
    return [example(row.split("\t"), first, second, task, split) for row in rows]


def example(cells, first, second, task, split):
    label = None
    if split != "test":
        cell = cells[{"CoLA": 1, "MRPC": 0}.get(task, -1)]
        if task == "STS-B":
            label = float(cell)
        else:
            label = CLASSES.get(task, ["0", "1"]).index(cell)
    return cells[first], None if second is None else cells[second], label
