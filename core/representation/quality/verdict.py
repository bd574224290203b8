"""What the measures mean, in plain words: of one embedding, and which of several to take."""

from __future__ import annotations

from collections.abc import Sequence

from core.representation.quality.records import MEASURES, Assessment, Measure

SURE = 3.0
"""A two-point score is told from 0 when it is so many times its error."""

KEPT_WELL, KEPT_BADLY = 0.7, 0.3
"""Shares of neighbours kept above and below which a remark is made."""

EVEN = 1e-9


def verdict_of(one: Assessment) -> str:
    """Sentences about one embedding."""
    said = []
    rank = one.measures.get("rankme")
    if rank is not None:
        said.append(f"Uses {rank:.0f} of {one.dimensions} dimensions.")
    kept = one.measures.get("consistency")
    if kept is not None:
        remark = (
            ""
            if KEPT_BADLY <= kept <= KEPT_WELL
            else ", which is much"
            if kept > KEPT_WELL
            else ", which is little: it sees noise or the orientation"
        )
        said.append(
            "An object turned, mirrored, shifted and with more noise keeps"
            f" {kept:.0%} of its nearest neighbours{remark}."
        )
    score = one.measures.get("two_point")
    if score is not None:
        error = one.errors["two_point"]
        said.append(
            "Clumpier than a plain cloud: groups stand apart, or few objects lie far out (score"
            f" {score:.1f} \N{PLUS-MINUS SIGN} {error:.1f})."
            if score > SURE * error
            else f"No groups stand out (score {score:.1f} \N{PLUS-MINUS SIGN} {error:.1f})."
        )
    said += one.alarms or ("No sign of collapse.",)
    for found in one.probes[:1]:
        value, low, high = found.linear
        chance = found.n_targets / found.n_labelled
        said.append(
            f"A linear probe ranks {found.target} at an average precision of {value:.2f}"
            f" ({low:.2f} to {high:.2f}; by chance {chance:.2f})."
        )
    return " ".join(said)


def best_of(found: Sequence[Assessment]) -> Assessment | None:
    """The embedding to take: of those without an alarm (of all, if each has one), the one whose
    linear probe of the first class is best; without labels, the one that is better than the others
    on most of the measures compared, by the neighbours kept where they tie. None of one."""
    if len(found) < 2:
        return None
    sound = [one for one in found if not one.alarms] or list(found)
    if all(one.probes for one in sound):
        return max(sound, key=lambda one: one.probes[0].linear[0])
    return max(
        sound,
        key=lambda one: (
            sum(_wins(one, other)[0] - _wins(other, one)[0] for other in sound),
            one.measures.get("consistency") or 0.0,
        ),
    )


def comparison(found: Sequence[Assessment]) -> str:
    """Which of the embeddings to take, and how it does against each other one."""
    best = best_of(found)
    if best is None:
        return ""
    if best.probes and all(one.probes for one in found):
        return _by_labels(found, best)
    against = []
    for other in found:
        if other is best:
            continue
        wins, of = _wins(best, other)
        if of:
            against.append(f"{_named(other, found)} on {wins} of {of}")
    words = f"Take {_named(best, found)}"
    if against:
        words += f": better than {_listed(against)} measures"
    alarmed = [_named(one, found) for one in found if one.alarms and one is not best]
    words += "."
    if alarmed:
        words += f" Signs of collapse: {_listed(alarmed)}."
    return words + (" Without labels this is a hint: a probe with the labels of a task says more.")


def _by_labels(found: Sequence[Assessment], best: Assessment) -> str:
    first = best.probes[0]
    value, low, _high = first.linear
    others = [one for one in found if one is not best]
    level = [_named(one, found) for one in others if one.probes[0].linear[2] >= low]
    words = (
        f"Take {_named(best, found)}: its linear probe of {first.target} is the best"
        f" (average precision {value:.2f}, {first.n_targets} of {first.n_labelled} labelled)."
    )
    if level:
        are = "is" if len(level) == 1 else "are"
        words += f" Within the intervals {_listed(level)} {are} as good; more labels would tell."
    return words


def better(measure: Measure, a: float, b: float) -> bool:
    """Whether `a` is the better value."""
    return a > b + EVEN if measure.higher_is_better else a < b - EVEN


def _wins(one: Assessment, other: Assessment) -> tuple[int, int]:
    """On how many of the compared measures that both have `one` is better, and of how many."""
    wins = of = 0
    for measure in MEASURES:
        a, b = one.measures.get(measure.name), other.measures.get(measure.name)
        if measure.compared and a is not None and b is not None:
            of += 1
            wins += better(measure, a, b)
    return wins, of


def _named(one: Assessment, found: Sequence[Assessment]) -> str:
    """The encoder's name, with the run where that is not enough."""
    alone = sum(other.encoder == one.encoder for other in found) == 1
    return one.encoder if alone else f"{one.encoder} ({one.run_id})"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
