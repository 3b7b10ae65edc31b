"""Which logged events count as positive, and how much: the filters of ``[prepare]``, each counting what it takes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.ingest.engine import ROW, Engine, distinct, epoch_microseconds
from recsys_cl.ingest.prepare import Prepare

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DAY = 86_400_000_000  # microseconds


def positives(run: Engine, log: ir.Table, settings: Prepare) -> tuple[ir.Table, ir.Table, dict[str, int]]:
    """The positive rows, all rows but those of bots, and how many were ``logged`` and how many each filter removed.

    The positive ones have a column ``value`` where events have weights: the weight of the event's type times the row's own.

    Raises:
        Refused: a filter needs a column or an event type that the log does not have, or nothing is positive.
    """
    counts = {"logged": _count(run, log)}
    left = counts["logged"]
    steps = {"bots": _human, "below_min_rating": _rated, "other_events": _of_events, "below_min_weight": _weighty}
    human = kept = log
    for name, step in steps.items():
        reduced = step(run, kept, settings)
        counts[name] = 0 if reduced is kept else left - (left := _count(run, reduced))
        kept = _valued(reduced, settings) if name == "other_events" else reduced
        human = kept if name == "bots" else human
    if left == 0:
        story = ", ".join(f"{name} {number:,}" for name, number in counts.items())
        raise Refused(f"prepare: no interaction is left ({story})")
    return kept, human, {**counts, "positive": left}


def event_types(run: Engine, log: ir.Table) -> list[str]:
    """The types of events in a log, in byte order."""
    found = run.all(distinct(log, "event")).column(0).to_pylist()
    return sorted((event for event in found if event is not None), key=str.encode)


def _human(run: Engine, log: ir.Table, settings: Prepare) -> ir.Table:  # noqa: ARG001 - one signature for all steps
    """Without what a user did on a day of UTC after as much as people do; a whole day would tell of what came later."""
    if settings.max_events_per_day is None:
        return log
    import ibis

    day = epoch_microseconds(log.timestamp) // _DAY
    so_far = ibis.row_number().over(group_by=[log.user_id, day], order_by=[log.timestamp, log[ROW]])
    return log.mutate(so_far=so_far).filter(lambda rows: rows.so_far < settings.max_events_per_day).drop("so_far")


def _rated(run: Engine, log: ir.Table, settings: Prepare) -> ir.Table:  # noqa: ARG001
    if settings.min_rating is None:
        return log
    _need(log, "rating", "prepare.min_rating")
    return log.filter(log.rating >= settings.min_rating)


def _of_events(run: Engine, log: ir.Table, settings: Prepare) -> ir.Table:
    if settings.events is None:
        return log
    _need(log, "event", "prepare.events")
    there = event_types(run, log)
    for event in settings.events:
        if event not in there:
            raise Refused(f"prepare.events: the log has no event '{event}'; {nearest(event, there)}")
    return log.filter(log.event.isin(tuple(settings.events)))


def _weighty(run: Engine, log: ir.Table, settings: Prepare) -> ir.Table:  # noqa: ARG001
    """Rows that weigh enough by themselves; where weights are summed, their sums are looked at later."""
    if settings.min_weight is None:
        return log
    _need(log, "value", "prepare.min_weight", "weight")
    return log if settings.repeats == "sum" else log.filter(log["value"] >= settings.min_weight)


def _valued(log: ir.Table, settings: Prepare) -> ir.Table:
    own = log.weight.fill_null(1.0) if "weight" in log.columns else None
    if not isinstance(settings.events, dict):
        return log if own is None else log.mutate(value=own)
    typed = log.event.cases(*((event, float(weight)) for event, weight in settings.events.items()), else_=0.0)
    return log.mutate(value=typed if own is None else typed * own)


def _count(run: Engine, rows: ir.Table) -> int:
    return int(run.one(rows.aggregate(rows=rows.count()))["rows"])


def _need(log: ir.Table, column: str, key: str, said: str | None = None) -> None:
    if column not in log.columns:
        hint = "" if said is None else ", and prepare.events gives no weights"
        raise Refused(f"{key}: the log has no column '{said or column}'{hint}")
