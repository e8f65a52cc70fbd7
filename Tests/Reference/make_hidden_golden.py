"""Writes the golden hidden states of all-MiniLM-L6-v2 on the dev sets of RTE, CoLA and STS-B.

    python Tests/Reference/make_hidden_golden.py FOLDER

where FOLDER holds RTE.safetensors, CoLA.safetensors and STS-B.safetensors as `reference_hidden.py` writes them
(`--split dev --max-length 128`): computed in float64 by HF transformers. Of every example the first four values of its
first and of its middle token (place length / 2) are kept, since all of them would be 100 MB.

needs: safetensors, numpy.
"""

import json
import sys
from pathlib import Path

from safetensors import safe_open

GOLDEN = Path(__file__).resolve().parent.parent / "quintetTests" / "Golden" / "minilm-hidden.json"


def main():
    golden = {"tasks": {}}
    for task in ["RTE", "CoLA", "STS-B"]:
        with safe_open(Path(sys.argv[1]) / f"{task}.safetensors", "np") as file:
            golden["versions"] = file.metadata()["versions"]
            offsets, hidden = file.get_tensor("offsets"), file.get_tensor("hidden")
        starts, lengths = offsets[:-1], offsets[1:] - offsets[:-1]
        golden["tasks"][task] = [
            [round(float(value), 7) for row in (start, start + length // 2) for value in hidden[row, :4]]
            for start, length in zip(starts, lengths)
        ]
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
