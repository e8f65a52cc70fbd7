"""Compares two files of hidden states, as `quintet encode` and reference_hidden.py write them.

    python Tests/Reference/compare_hidden.py A.safetensors B.safetensors [--tolerance 1e-5]

Exits with 1 where the tokens differ or any value differs by more than the tolerance. needs: numpy, safetensors.
"""

import argparse
import sys

import numpy
from safetensors.numpy import load_file


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    first, second = load_file(options.first), load_file(options.second)
    same_ids = numpy.array_equal(first["input_ids"], second["input_ids"])
    same_offsets = numpy.array_equal(first["offsets"], second["offsets"])
    print(f"sequences {len(first['offsets']) - 1} and {len(second['offsets']) - 1}, offsets equal: {same_offsets}")
    print(f"tokens {len(first['input_ids'])} and {len(second['input_ids'])}, ids equal: {same_ids}")
    if not (same_ids and same_offsets and first["hidden"].shape == second["hidden"].shape):
        sys.exit(1)
    difference = numpy.abs(first["hidden"].astype(numpy.float64) - second["hidden"].astype(numpy.float64))
    row = int(difference.max(axis=1).argmax())
    sequence = int(numpy.searchsorted(first["offsets"], row, side="right")) - 1
    print(f"largest difference {difference.max():.3g} (sequence {sequence}), mean {difference.mean():.3g}")
    sys.exit(0 if difference.max() <= options.tolerance else 1)


if __name__ == "__main__":
    main()
