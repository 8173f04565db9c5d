"""Globs, brace lists and part keys: how the paths of a source become the parts of a dataset."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from laion_assets.sources.published import PublishedPart, SourceError, suffix_of

# What counts as a metadata file when a source names a folder and no pattern.
DATA_SUFFIXES = (".parquet", ".tsv", ".csv", ".jsonl", ".ndjson")

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)\Z")
_MAX_EXPANDED = 100_000
_MAX_KEY_CHARACTERS = 100


def expand_braces(pattern: str) -> list[str]:
    """Expand ``{00000..00127}`` (padded as its first number is) and ``{a,b}`` as a shell does, in order.

    Example:
        >>> expand_braces("part-{08..10}.{tsv,csv}")[:3]
        ['part-08.tsv', 'part-08.csv', 'part-09.tsv']
    """
    literals: list[str] = []
    choices: list[Sequence[str]] = []
    end = 0
    for match in _BRACES.finditer(pattern):
        options = _options(match.group(1))
        if options is None:
            continue
        literals.append(pattern[end : match.start()])
        choices.append(options)
        end = match.end()
    total = 1
    for chosen_from in choices:
        total *= len(chosen_from)
    if total > _MAX_EXPANDED:
        raise SourceError(f"{pattern}: the braces make {total:,} names, over {_MAX_EXPANDED:,}. Narrow the range.")
    tail = pattern[end:]
    return [
        "".join(itertools.chain.from_iterable(zip(literals, chosen, strict=True))) + tail
        for chosen in itertools.product(*choices)
    ]


def has_magic(text: str) -> bool:
    """Whether a path is a pattern rather than one file or folder."""
    return any(character in text for character in "*?[")


def static_prefix(pattern: str) -> str:
    """The folders in front of a pattern's first special character: ``a/b`` of ``a/b/*.parquet``."""
    folders = []
    for segment in pattern.split("/")[:-1]:
        if has_magic(segment) or "{" in segment:
            break
        folders.append(segment)
    return "/".join(folders)


def matcher(pattern: str) -> "re.Pattern[str]":
    """A glob as a regular expression over whole relative paths.

    ``*`` and ``?`` stay within a folder, ``**/`` crosses any number of folders, none included. An empty pattern matches
    every file with one of `DATA_SUFFIXES`, compressed or not, and a pattern without special characters also matches
    such files beneath it, as a folder.
    """
    expressions = []
    for one in expand_braces(pattern.strip("/")):
        if has_magic(one):
            expressions.append(_translate(one))
        else:
            suffixes = "|".join(re.escape(suffix) for suffix in DATA_SUFFIXES)
            folder = re.escape(one) + "/" if one else ""
            expressions.append(rf"{folder}(?:[^/.][^/]*/)*[^/.][^/]*(?:{suffixes})(?:\.gz|\.bz2|\.zst|\.xz)?")
            if one:
                expressions.append(re.escape(one))
    return re.compile(rf"(?s:{'|'.join(expressions)})\Z")


def part_key(path: str, expression: str) -> str:
    """The partition key of a path: the expression's first group, or the file's name without its extension."""
    match = re.search(expression, path)
    found = match.group(1) if match and match.group(1) else _stem(path)
    key = re.sub(r"[^A-Za-z0-9_-]+", "-", found).strip("-") or "part"
    if len(key) > _MAX_KEY_CHARACTERS:
        key = f"{key[: _MAX_KEY_CHARACTERS - 13]}-{hashlib.sha256(found.encode()).hexdigest()[:12]}"
    return key


def refuse_repeated_keys(source_uri: str, parts: Iterable[PublishedPart]) -> tuple[PublishedPart, ...]:
    """The parts as a tuple.

    Raises:
        SourceError: Two files would be the same partition.
    """
    seen: dict[str, PublishedPart] = {}
    for part in parts:
        if part.key in seen:
            raise SourceError(
                f"{source_uri}: {seen[part.key].path} and {part.path} would both be part {part.key!r}. "
                "Narrow the glob, or set part_key to an expression that tells them apart."
            )
        seen[part.key] = part
    return tuple(seen.values())


def _options(inside: str) -> list[str] | None:
    if match := _RANGE.match(inside):
        first, last = match.groups()
        low, high = int(first), int(last)
        step = 1 if high >= low else -1
        if abs(high - low) >= _MAX_EXPANDED:
            raise SourceError(f"{{{inside}}} is over {_MAX_EXPANDED:,} names. Narrow the range.")
        return [str(number).zfill(len(first)) for number in range(low, high + step, step)]
    return inside.split(",") if "," in inside else None


def _translate(glob: str) -> str:
    expression = ""
    position = 0
    while position < len(glob):
        rest = glob[position:]
        if rest.startswith("**/"):
            expression += r"(?:[^/]+/)*"
            position += 3
        elif rest.startswith("**"):
            expression += r".*"
            position += 2
        elif rest[0] == "*":
            expression += r"[^/]*"
            position += 1
        elif rest[0] == "?":
            expression += r"[^/]"
            position += 1
        elif rest[0] == "[" and (characters := _character_class(rest)):
            expression += characters
            position += rest.index("]", 2) + 1
        else:
            expression += re.escape(rest[0])
            position += 1
    return expression


def _character_class(text: str) -> str:
    """``[a-z]`` or ``[!a-z]`` at the beginning of the text as a regular expression; nothing if it is none."""
    closing = text.find("]", 2)
    if closing < 0:
        return ""
    negated = text[1] in "!^"
    inside = re.sub(r"([\\\[&~|^])", r"\\\1", text[1 + negated : closing]).replace("--", r"-\-")
    expression = f"[{'^' if negated else ''}{inside}]"
    try:
        re.compile(expression)
    except re.error:  # such as [z-a]
        return ""
    return expression


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return name[: -len(suffix)] if name.lower().endswith(suffix := suffix_of(path)) else name
