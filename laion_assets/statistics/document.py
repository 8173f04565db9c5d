"""The schema of ``statistics.json``: everything the report says, as numbers.

The report, the picture's captions and the metadata in the Dagster UI are rendered from this document alone, so a
number that is not here is not in the report. What a single figure is made of is in ``estimate``; measuring lives in
the modules that fill the document. ``statistics.schema.json`` is this schema written down.
"""

from typing import Literal

from pydantic import BaseModel, Field

from laion_assets.statistics.estimate import Bounds, Distribution, Estimate, Frozen, Share, Views
from laion_assets.statistics.spec import RequirementSpec

# Readers of the document in other rooms find its parts here too.
__all__ = ["SCHEMA_VERSION", "Distribution", "Estimate", "Share", "Statistics", "read_statistics"]

SCHEMA_VERSION: Literal[2] = 2


class SizeMeasure(Frozen):
    """One measure of size, in px or megapixels."""

    name: Literal["width", "height", "short_side", "megapixels"]
    unit: Literal["px", "MP"]
    views: Views[Distribution]


class Class(Frozen):
    """One class of a classification that covers every row."""

    name: str
    views: Views[Share]
    over_all_rows: Bounds | None = Field(
        default=None, description="Bounds on the true share over all rows, reachable or not."
    )


class Threshold(Frozen):
    """How many images have both sides at least this long."""

    minimum_side_px: int
    views: Views[Share]
    over_all_rows: Bounds | None = Field(description="Bounds on the true share over all rows, reachable or not.")
    obtainable: Share | None = Field(description="Share of all rows whose link gives an image of that size today.")


class Coverage(Frozen):
    """What the figures were measured on."""

    parts: int
    parts_expected: int | None
    rows_in: int | None
    rows_valid: int | None
    rows_quarantined: int | None
    quarantined: Share | None
    population: int = Field(description="Rows the sample stands for.")
    sample_rows: int
    sample_parts: int
    weighted: bool = Field(description="True when rows of the sample stand for different numbers of rows.")
    probed_rows: int
    measured_rows: int = Field(description="Rows with a true size.")
    probed_from: str | None
    probed_to: str | None


class OutcomeShare(Frozen):
    """How often probes ended one way."""

    outcome: str
    meaning: str
    fault: str
    retryable: bool
    share: Share


class Named(Frozen):
    """The share of rows that carry one name (a format, a language, a host), and how many of them are reachable."""

    name: str
    declared_all: Share | None
    sample: Share | None
    reachable: Share | None


class Reach(Frozen):
    """What asking the web for the sampled images gave."""

    reachable: Share = Field(description="Share of all rows that still give an image whose size is known.")
    undecided: Share = Field(
        description="Share of all rows where asking again can change the answer (server busy, our own network)."
    )
    our_fault: Share = Field(description="Share of all rows where our own resolver or network failed.")
    opted_out: Share
    outcomes: list[OutcomeShare]
    formats: list[Named]
    file_bytes: Distribution
    file_bytes_unknown: Share = Field(
        description="Share of the reachable images whose server does not say how long the file is."
    )
    declared_high_among_reached: Share
    declared_high_among_unreached: Share = Field(
        description="Share that declares the high side, among rows reached and not: far apart, the reached are not "
        "like the rest.",
    )


class Hosts(Frozen):
    """How concentrated the URLs are."""

    distinct_in_sample: int
    top: list[Named]
    top_1: Share | None
    top_10: Share | None


class Captions(Frozen):
    """What the captions of the sample look like."""

    characters: Distribution
    words: Distribution = Field(description="White-space separated; languages written without spaces count few.")
    blank: Share
    boilerplate: Share = Field(
        description='Says nothing about the image: "image", "photo", "untitled", a camera\'s file number …'
    )
    file_name: Share
    web_address: Share
    useless: Share = Field(description="Any of the four above.")
    repeated: Share = Field(description="The same caption stands beside another URL of the sample.")


class Score(Frozen):
    """A model's score that the publisher ships with each row."""

    name: Literal["similarity", "punsafe", "pwatermark"]
    missing: Share = Field(
        description="Of all sampled rows: no score, or one that cannot be (a cosine beyond 1, a probability beyond 0 "
        "to 1).",
    )
    sample: Distribution
    groups: dict[str, Distribution] = Field(
        description="Similarity only: apart for ``en`` and ``other``, because two models made it."
    )
    cutoff: float | None
    at_or_above_cutoff: Share | None = Field(description="Of the sampled rows that carry the score.")
    at_or_above_cutoff_all: Share | None = Field(
        description="The same of all valid rows, exact; null where the cut-off is not a whole hundredth, which "
        "profiles count by.",
    )


class AnomalyKind(Frozen):
    """One of the four things that "below the minimum" can mean."""

    kind: str
    meaning: str
    advice: str
    defect: bool
    share: Share = Field(description="Of the rows for which the kind can be told: all sampled, or the reachable ones.")
    of: Literal["sampled", "reachable"]
    declared_all: Share | None = Field(
        description="Exact over all valid rows, for the kinds that metadata alone can tell."
    )
    within_historical: Share | None = Field(
        description="Of the sampled rows that the historical scheme calls too small, those of this kind."
    )
    rows: Estimate = Field(description="Rows of the whole dataset that this stands for.")
    over_all_rows: Bounds | None


class Example(Frozen):
    """A row shown as an example. Its text comes from strangers: control characters are removed, lengths cut."""

    kind: str
    part: str
    row: int
    host: str
    caption: str
    declared_width: int | None
    declared_height: int | None
    true_width: int | None
    true_height: int | None


class Anomaly(Frozen):
    """The "< 1024" figure, reproduced and taken apart."""

    label: str = Field(description="The label of the smallest class, such as ``< 1024``.")
    historical: Views[Share] = Field(description="Share the historical both-sides scheme calls too small.")
    short_side: Views[Share] = Field(description="Share whose short side is too small.")
    kinds: list[AnomalyKind]
    genuinely_small: Share = Field(
        description="Share of the sampled rows that the historical scheme calls too small and whose declared short "
        "side is so. With ``straddles_buckets`` it adds up to the historical figure.",
    )
    genuine_within_historical: Share | None = Field(
        description="The same, of the sampled rows that the historical scheme calls too small."
    )
    swapped_where_it_shows: Share | None = Field(
        description="Of the reachable rows whose image has the two declared sides, one longer than the other: those "
        "with the sides exchanged. Near one, the columns are the wrong way round; a square image cannot tell.",
    )
    examples: list[Example]


class Agreement(Frozen):
    """How the true size relates to the declared one, among the reachable."""

    name: str
    meaning: str
    share: Share


class Statement(Frozen):
    """A sentence chosen by the figures."""

    id: str
    template: str = Field(description="The sentence with ``{name}`` where a number goes.")
    values: dict[str, tuple[str, str]] = Field(
        description="Name -> (path of the number in this document, format). A path is keys joined by ``/``; an entry "
        "of a list is named by its name, id, kind, outcome, side or position.",
    )
    text: str = Field(description="The sentence with the numbers in.")


class Criterion(Frozen):
    """One line of the requirement table."""

    id: str
    criterion: Statement
    comparison: Literal["at least", "at most"]
    target: float
    unit: Literal["share", "words", "rows"]
    measured: Estimate
    verdict: Literal["met", "not met", "undecided"] = Field(
        description="Undecided: the target lies inside the interval, or nothing was measured."
    )


class Yield(Frozen):
    """What one choice of rows would leave."""

    id: str
    title: str
    condition: Statement
    attempted: Share = Field(
        description="Share of all rows that the metadata half of the condition keeps: what has to be asked for."
    )
    share: Share = Field(
        description="Share of all rows that would be left. Without probes, by declared size and as if every link "
        "answered.",
    )
    rows: Estimate = Field(description="Rows of the whole dataset that would be left.")
    bytes: Estimate = Field(
        description="Their bytes; an image whose length is not known counts as the mean of those whose is."
    )
    mean_bytes: Estimate = Field(description="Mean of the known lengths.")
    lengths_known: Share | None = Field(
        description="Of the sampled images that would be left, those whose length the server tells; null without "
        "probes.",
    )


class SampleSize(Frozen):
    """How many rows must be probed to know a share to within plus or minus ``half_width`` (Cochran 1977, 4.4)."""

    half_width: float = Field(description="As a fraction: 0.01 is one percentage point.")
    rows_any_share: int = Field(description="Sampled rows needed, whatever the share.")
    rows_observed_share: int | None = Field(description="Sampled rows needed if the share is about the one observed.")
    rows_among_reachable: int | None = Field(
        description="Sampled rows needed for a share among reachable images: part of the sample never answers."
    )


class Strategy(Frozen):
    """Figures behind the download strategy."""

    attempts: Estimate = Field(description="Rows to ask for: all that the recommended choice keeps.")
    images: Estimate = Field(description="Images expected from them.")
    bytes: Estimate = Field(description="Bytes of those images.")
    wasted_bytes: Estimate = Field(
        description="Bytes of reachable images that are too small, saved by reading the header first."
    )
    wasted_lengths_known: Share = Field(
        description="Of the sampled images that are too small, those whose length the server tells."
    )
    line_hours: Estimate = Field(description="Hours the bytes take on the assumed line.")
    busiest_host: str | None = Field(description="The host with most of the sampled rows to ask for.")
    busiest_host_rows: Estimate
    busiest_host_hours: Estimate = Field(description="Hours the busiest host needs at the assumed polite rate.")
    attempts_for_rows_wanted: Estimate | None = Field(
        description="Rows to ask for so that ``rows_wanted`` images arrive; null where no number is wanted."
    )


class Conclusions(Frozen):
    """What follows from the numbers."""

    summary: list[Statement]
    anomaly: list[Statement]
    strengths: list[Statement]
    limits: list[Statement]
    recommendations: list[Statement]
    strategy: list[Statement]


class Statistics(Frozen):
    """The whole document."""

    schema_version: Literal[2]
    dataset: str
    title: str
    declared_minimum_side_px: int = Field(description="What declared sizes are measured against.")
    minimum_is_promised: bool = Field(
        default=True, description="Whether the publisher promises that minimum, or only who asks wants it."
    )
    requirement: RequirementSpec
    coverage: Coverage
    sizes: list[SizeMeasure]
    buckets: list[Class]
    historical_buckets: list[Class]
    thresholds: list[Threshold]
    smallest_declared_side_px: int | None
    aspect: list[Class]
    aspect_mean: Views[Estimate]
    anomaly: Anomaly
    agreement: list[Agreement]
    reach: Reach | None
    hosts: Hosts
    languages: list[Named]
    captions: Captions
    scores: list[Score]
    similarity_cutoffs: dict[str, float] = Field(
        description="The lower quartile of similarity, rounded down to 0.001, for ``en`` and ``other``: where "
        '"raising" it starts.',
    )
    criteria: list[Criterion]
    yields: list[Yield]
    sample_sizes: list[SampleSize]
    strategy: Strategy | None = Field(description="Null without probes.")
    methods: dict[str, str] = Field(description="Method -> what it is.")
    conclusions: Conclusions


class _Versioned(BaseModel):
    """What every version of the document has."""

    schema_version: int


def read_statistics(stored: bytes) -> Statistics | None:
    """The document in a ``statistics.json``; None when an older version of the project wrote it.

    Raises:
        pydantic.ValidationError: It is no such document.
    """
    if _Versioned.model_validate_json(stored).schema_version < SCHEMA_VERSION:
        return None
    return Statistics.model_validate_json(stored)
