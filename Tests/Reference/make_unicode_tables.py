"""Writes Sources/Tokenizers/UnicodeData.swift: what `tokenizers` does with each Unicode scalar, asked of itself.

    python Tests/Reference/make_unicode_tables.py

needs: tokenizers. The tables are measured scalar by scalar, not taken from a Unicode release, because the reference
mixes several releases (one for categories, another for decompositions, a third for lower case).
"""

from pathlib import Path

import tokenizers
from tokenizers import normalizers, pre_tokenizers

OUTPUT = Path(__file__).resolve().parent.parent.parent / "Sources" / "Tokenizers" / "UnicodeData.swift"
SCALARS = [scalar for scalar in range(0x110000) if not 0xD800 <= scalar < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)


def bert(**settings):
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**(off | settings)).normalize_str


def ask(function, answer, prefix="", suffix=""):
    """The scalars for which `function(prefix + scalar + suffix)` is `answer`."""
    return [scalar for scalar in SCALARS if function(f"{prefix}{chr(scalar)}{suffix}") == answer]


def combining_classes():
    """Canonical combining classes, found by which marks of known class a scalar changes places with."""
    nfd = normalizers.NFD().normalize_str
    overlay, iota = "\u0334", "\u0345"  # classes 1 and 240
    marks = [
        scalar
        for scalar in SCALARS
        if len(nfd(chr(scalar))) == 1
        and (nfd(f"{iota}{chr(scalar)}")[0] != iota or nfd(f"{chr(scalar)}{overlay}")[0] == overlay)
    ]
    # Swapping needs 0 < class(second) < class(first): the classes' order follows, then their numbers by rank.
    marks += [scalar for scalar in map(ord, (overlay, iota)) if scalar not in marks]
    below = {
        mark: sum(nfd(f"{chr(mark)}{chr(other)}")[0] == chr(other) != chr(mark) for other in marks) for mark in marks
    }
    ranks = {count: rank + 1 for rank, count in enumerate(sorted(set(below.values())))}
    return {mark: ranks[count] for mark, count in below.items()}


def byte_level_kind(scalar):
    """What byte-level pre-tokenisation takes a scalar for: runs of one kind stay together."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    for kind, neighbour in ("letter", "a"), ("number", "1"), ("other", "!"):
        if len(split(f"{neighbour}{chr(scalar)}{neighbour}")) == 1:
            return kind
    return "space"


def base36(number):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    if number < 0:
        return "-" + base36(-number)
    return digits[number] if number < 36 else base36(number // 36) + digits[number % 36]


def lines(entries):
    """The entries, packed into lines of at most 110 columns."""
    text, line = [], ""
    for entry in entries:
        if len(line) + len(entry) + 1 > 110:
            text.append(line)
            line = ""
        line = f"{line} {entry}" if line else entry
    return "\n".join(f"        {line}" for line in text + [line])


def runs(values, strides=(1,)):
    """`values` (scalar: value) as runs of equal values: gap, count, stride, value."""
    scalars = sorted(values)
    result, end, index = [], 0, 0
    while index < len(scalars):
        start = scalars[index]
        best = 1, strides[0]
        for stride in strides:
            count = 1
            while (start + count * stride) in values and values[start + count * stride] == values[start]:
                if stride > 1 and any(start + count * stride - k in values for k in range(1, stride)):
                    break
                count += 1
            best = max(best, (count, stride), key=lambda pair: pair[0])
        count, stride = best
        result.append((start - end, count, stride, values[start]))
        end = start + (count - 1) * stride + 1
        index += count
    return result


def set_text(scalars):
    return lines(f"{base36(gap)},{base36(count)}" for gap, count, _, _ in runs(dict.fromkeys(scalars, 0)))


def run_text(values, strides=(1,)):
    return lines(",".join(map(base36, run)) for run in runs(values, strides))


def decomposition_text(values):
    entries, end = [], 0
    for scalar in sorted(values):
        entries.append(",".join(map(base36, [scalar - end, *values[scalar]])))
        end = scalar + 1
    return lines(entries)


def main():
    clean, ideographs = bert(clean_text=True), bert(handle_chinese_chars=True)
    strip, lower = bert(strip_accents=True), bert(lowercase=True)
    nfd = normalizers.NFD().normalize_str
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    decompositions = {scalar: [ord(c) for c in nfd(chr(scalar))] for scalar in SCALARS}
    decompositions = {scalar: to for scalar, to in decompositions.items() if to != [scalar] and scalar not in HANGUL}
    lowered = {scalar: lower(chr(scalar)) for scalar in SCALARS}
    assert [scalar for scalar in SCALARS if len(lowered[scalar]) != 1] == [0x130] and lowered[0x130] == "i\u0307"
    lowercase = {scalar: ord(to) - scalar for scalar, to in lowered.items() if len(to) == 1 and ord(to) != scalar}
    pieces = {scalar: len(words(f"a{chr(scalar)}b")) for scalar in SCALARS}
    cleaned = {scalar: clean(f"a{chr(scalar)}b") for scalar in SCALARS}
    kinds = {scalar: byte_level_kind(scalar) for scalar in SCALARS}
    tables = [
        ("Dropped when text is cleaned.", "control", set_text([s for s in SCALARS if cleaned[s] == "ab"])),
        ("Made a blank when text is cleaned.", "blank", set_text([s for s in SCALARS if cleaned[s] == "a b"])),
        ("What ends a word and is no part of any.", "space", set_text([s for s in SCALARS if pieces[s] == 2])),
        ("What is a word of its own.", "punctuation", set_text([s for s in SCALARS if pieces[s] == 3])),
        ("What gets a blank on either side.", "ideograph",
         set_text([s for s in SCALARS if len(ideographs(chr(s))) == 3])),
        ("Dropped where accents are stripped.", "mark", set_text(ask(strip, ""))),
        ("Letters of byte-level pre-tokenisation.", "byteLevelLetter", set_text([s for s in SCALARS if kinds[s] == "letter"])),
        ("Its numbers.", "byteLevelNumber", set_text([s for s in SCALARS if kinds[s] == "number"])),
        ("Its blanks.", "byteLevelSpace", set_text([s for s in SCALARS if kinds[s] == "space"])),
        ("Canonical combining classes by rank: gap, count, stride, rank.", "combiningRank",
         run_text(combining_classes())),
        ("Lower case: gap, count, stride, distance.", "lowercase", run_text(lowercase, strides=(1, 2))),
        ("Full canonical decompositions without Hangul: gap, then the scalars.", "decomposition",
         decomposition_text(decompositions)),
    ]  # fmt: skip
    with OUTPUT.open("w") as file:
        file.write(f"""\
// Made by Tests/Reference/make_unicode_tables.py with tokenizers {tokenizers.__version__}. Not edited by hand.

/// What the reference does with each Unicode scalar.
///
/// Numbers are in base 36. An entry begins with the gap since the end of the one before it; in a set there follows the
/// number of scalars in the run.
enum UnicodeData {{
""")
        declarations = (
            f'    /// {doc}\n    static let {name} = """\n{text}\n        """\n' for doc, name, text in tables
        )
        file.write("\n".join(declarations))
        file.write("}\n")


if __name__ == "__main__":
    main()
