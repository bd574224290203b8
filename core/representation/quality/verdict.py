"""What the measures mean, in plain words: of one embedding, and which of several to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from core.representation.quality.records import MEASURES, Assessment, Measure

SURE = 3.0
"""A two-point score is told from 0 when it is so many times its error."""

KEPT_WELL, KEPT_BADLY = 0.7, 0.3
"""Shares of neighbours kept above and below which a remark is made."""

MARGIN_SHARE, MARGIN_PART = 0.02, 0.02
"""Shares are told apart by so much, other measures by such a part of the larger; the two-point
score by the sum of the errors."""

FEWEST_APART = 3
"""Measures that must be apart before one embedding is preferred to another without labels."""

WEIGHT = {"consistency": 2, "retrieval": 2}
"""Measures that count more than once, and without which none is preferred: they are what a search
for similar objects rests on, and of all they follow probes with labels best. Measures of clumps
alone name the better of two embeddings no more often than chance (docs/quality.md)."""

HINT = " Without labels this is a hint: a probe with the labels of a task says more."


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
    """The embedding to take, or None where there is no clear one.

    Of those without an alarm (of all, if each has one): with labels, the one whose linear probe of
    `deciding_target` is best. Without, the one that is ahead of most others and behind none. One
    is ahead of another if at least three measures are apart by more than their errors, neighbours
    kept or found again among them, and more of these speak for it, where these two count twice.
    """
    if len(found) < 2:
        return None
    sound, target = _sound(found), deciding_target(found)
    if target is not None:
        return max(sound, key=lambda one: _linear(one, target)[0])
    if len(sound) == 1:
        return sound[0]
    leads = {id(one): [_lead(one, other) for other in sound if other is not one] for one in sound}
    best = max(sound, key=lambda one: sum(_sign(lead) for lead in leads[id(one)]))
    mine = leads[id(best)]
    return best if max(mine, default=0) > 0 and min(mine) >= 0 else None


def deciding_target(found: Sequence[Assessment]) -> str | None:
    """The class whose linear probe decides between embeddings: the first of which each one without
    an alarm (each of all, if all have one) has a probe. None where labels do not decide."""
    sound = _sound(found)
    shared = [{probe.target for probe in one.probes} for one in sound]
    targets = [probe.target for one in sound[:1] for probe in one.probes]
    return next((one for one in targets if all(one in each for each in shared)), None)


def comparison(found: Sequence[Assessment], names: Mapping[str, str] | None = None) -> str:
    """Which of the embeddings to take, and how it does against each other one.

    names : run id -> how an embedding is called; its encoder where left out
    """
    if len(found) < 2:
        return ""
    called = _called(found, names or {})
    best, target = best_of(found), deciding_target(found)
    alarmed = [called[one.run_id] for one in found if one.alarms and one is not best]
    remarks = f" Signs of collapse: {_listed(alarmed)}." if alarmed else ""
    if best is not None and target is not None:
        return _by_labels(found, best, target, called) + remarks
    remarks += _unseen([called[one.run_id] for one in found if not _has_views(one)])
    if best is None:
        all_of = _listed([called[one.run_id] for one in found])
        return f"No clear difference between {all_of}.{remarks}{HINT}"
    ahead, level, against = [], [], []
    for other in found:
        if other is best:
            continue
        mine, theirs = _apart(best, other), _apart(other, best)
        name = called[other.run_id]
        if _lead(best, other) > 0:
            ahead.append(f"{name} on {len(mine)} of {len(mine) + len(theirs)}")
            if theirs:
                against.append(f"{name} is better in {_listed(theirs)}")
        elif not (other.alarms and not best.alarms):
            level.append(name)
    words = f"Take {called[best.run_id]}"
    if ahead:
        words += f": better than {_listed(ahead)} measures that are apart"
    words += "."
    if level:
        words += f" No clear difference from {_listed(level)}."
    if against:
        words += (
            f" The measures disagree: {'; '.join(against)}. Neighbours kept and found again count"
            " most in a search for similar objects."
        )
    return words + remarks + HINT


def _has_views(one: Assessment) -> bool:
    return any(one.measures.get(name) is not None for name in WEIGHT)


def _unseen(names: Sequence[str]) -> str:
    """What is to be said of embeddings that have no two views to compare."""
    if not names:
        return ""
    return (
        f" Of {_listed(names)} no two views could be compared, and how far objects clump does not"
        " tell which embedding is better."
    )


def _sound(found: Sequence[Assessment]) -> list[Assessment]:
    """Those without an alarm; all, if each has one."""
    return [one for one in found if not one.alarms] or list(found)


def _linear(one: Assessment, target: str) -> tuple[float, float, float]:
    """Average precision of the linear probe of a class that has one, and its interval."""
    return next(probe.linear for probe in one.probes if probe.target == target)


def _by_labels(
    found: Sequence[Assessment], best: Assessment, target: str, called: Mapping[str, str]
) -> str:
    probe = next(one for one in best.probes if one.target == target)
    value, low, _high = probe.linear
    sound = _sound(found)
    others = [one for one in sound if one is not best]
    level = [called[one.run_id] for one in others if _linear(one, target)[2] >= low]
    among = "" if len(sound) == len(found) else " of those without a sign of collapse"
    words = (
        f"Take {called[best.run_id]}: its linear probe of {target} is the best{among}"
        f" (average precision {value:.2f}, {probe.n_targets} of {probe.n_labelled} labelled)."
    )
    if level:
        are = "is" if len(level) == 1 else "are"
        words += f" Within the intervals {_listed(level)} {are} as good; more labels would tell."
    return words


def is_better(measure: Measure, one: Assessment, other: Assessment) -> bool:
    """Whether `one` has the better value by more than what may be chance."""
    a, b = one.measures.get(measure.name), other.measures.get(measure.name)
    if a is None or b is None:
        return False
    gain = a - b if measure.higher_is_better else b - a
    if measure.name in one.errors or measure.name in other.errors:
        errors = (each.errors.get(measure.name, 0.0) for each in (one, other))
        return gain > sum(errors)
    if measure.percent:
        return gain > MARGIN_SHARE
    return gain > MARGIN_PART * max(abs(a), abs(b))


def _apart(one: Assessment, other: Assessment) -> list[str]:
    """Names of the compared measures in which `one` is better."""
    titles = [m.title for m in MEASURES if m.compared and is_better(m, one, other)]
    return [title if title == "Davies-Bouldin" else title.lower() for title in titles]


def _lead(one: Assessment, other: Assessment) -> int:
    """Weighted measures for `one` less those for `other`; 0 where too few are apart."""
    compared = [measure for measure in MEASURES if measure.compared]
    mine = [measure.name for measure in compared if is_better(measure, one, other)]
    theirs = [measure.name for measure in compared if is_better(measure, other, one)]
    if len(mine) + len(theirs) < FEWEST_APART:
        return 0
    if not WEIGHT.keys() & {*mine, *theirs}:
        return 0  # the others measure one thing between them, clumps
    return sum(WEIGHT.get(name, 1) for name in mine) - sum(WEIGHT.get(name, 1) for name in theirs)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _called(found: Sequence[Assessment], names: Mapping[str, str]) -> dict[str, str]:
    """Run id -> name: that given, else the encoder, with the run where that is not enough."""
    often = Counter(one.encoder for one in found)
    return {
        one.run_id: names.get(one.run_id)
        or (one.encoder if often[one.encoder] == 1 else f"{one.encoder} ({one.run_id})")
        for one in found
    }


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
