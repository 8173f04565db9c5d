"""The rules of one dataset: the built-in ones as its YAML left them, and which apply to a file's columns."""

from collections.abc import Collection
from dataclasses import dataclass

from laion_assets.metadata.derived import DERIVED, REPEATS
from laion_assets.metadata.rule import Rule
from laion_assets.metadata.rules import RULES
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec


@dataclass(frozen=True)
class Rulebook:
    """Rules in the order in which reasons and flags are listed."""

    rules: tuple[Rule, ...]

    def of_severity(self, severity: str) -> tuple[Rule, ...]:
        """The rules that lead to quarantine, or those that lead to a flag."""
        return tuple(rule for rule in self.rules if rule.severity == severity)

    def for_columns(self, published: Collection[str]) -> "tuple[Rulebook, tuple[str, ...]]":
        """The rules whose columns the dataset publishes, and the names of those that do not apply.

        Args:
            published: Canonical and further columns that the file has.
        """
        available = set(published)
        available |= {name for name, (needs, _) in DERIVED.items() if needs <= available}
        available |= {name for name, needs in REPEATS.items() if set(needs) <= available}
        applicable = tuple(rule for rule in self.rules if rule.columns <= available)
        missing = tuple(rule.name for rule in self.rules if not rule.columns <= available)
        return Rulebook(applicable), missing


def rulebook(rules: RulesSpec | None = None, expectations: ExpectationsSpec | None = None) -> Rulebook:
    """The rules of a dataset.

    Raises:
        ValueError: A rule that quarantines compares rows with each other, which is decided after quarantine.
    """
    rules, expectations = rules or RulesSpec(), expectations or ExpectationsSpec()
    chosen = []
    for rule in (*RULES, *rules.add):
        if rule.name in rules.switch_off:
            continue
        changes: dict[str, object] = {}
        if rule.name == "below_minimum":
            changes["limit"] = float(expectations.minimum_side_px)
        if tuning := rules.tune.get(rule.name):
            changes |= tuning.model_dump(exclude_none=True)
        tuned = rule.model_copy(update=changes)
        if tuned.severity == "quarantine" and tuned.columns & REPEATS.keys():
            raise ValueError(
                f"rule {rule.name} compares a row with the rows before it, which only flags can. Make it a flag."
            )
        chosen.append(tuned)
    return Rulebook(tuple(chosen))
