"""Which runs are meant: by pipeline, status, time, parameters, tags."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipeglot.client.indexed import Index, Tell
from pipeglot.client.listing import STATUSES
from pipeglot.client.records import Records
from pipeglot.client.written import TIME_HINT, microseconds, moment
from pipeglot.core import params as parameters
from pipeglot.core import plain
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound, ParamError, UsageError
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.suggest import did_you_mean, listed


class Selection(NamedTuple):
    """What a run must be."""

    pipeline: str | None
    statuses: frozenset[str]
    since: dt.datetime | None
    params: Mapping[str, Any]
    tags: Mapping[str, str]

    @classmethod
    def of(
        cls,
        *,
        pipeline: str | None,
        status: str | Iterable[str] | None,
        since: dt.datetime | dt.date | dt.timedelta | str | None,
        params: Mapping[str, Any] | None,
        tags: Mapping[str, str] | None,
    ) -> Selection:
        """Raises `UsageError` for what no run can be."""
        statuses = frozenset((status,) if isinstance(status, str) else status or ())
        known = f"it is one of {listed(STATUSES)}"
        for unknown in sorted(map(str, statuses - {*STATUSES})):
            raise UsageError(f"no run has the status `{unknown}`", hint=did_you_mean(unknown, STATUSES, known))
        return cls(pipeline, statuses, _time(since) if since is not None else None, params or {}, tags or {})

    def runs(self, records: Records, limit: int | None, tell: Tell) -> list[str]:
        """The ids of those that fit, the latest first: as the index knows them, but for typed parameters."""
        if limit == 0:
            return []
        wanted = RunFilter(
            pipelines=(self.pipeline,) if self.pipeline is not None else (),
            statuses=tuple(sorted(self.statuses)),
            since=microseconds(self.since) if self.since is not None else None,
            tags=tuple(self.tags.items()),
            limit=0 if self.params else limit or 0,
        )
        rows = Index(records, tell).ask(lambda connection: queries.list_runs(connection, wanted))
        found = (row.run for row in rows if self._fits(records, row.run, tell))
        return list(itertools.islice(found, limit))

    def _fits(self, records: Records, run: str, tell: Tell) -> bool:
        """One whose records were damaged since it came into the index is left out, as the index does."""
        try:
            return self._has_params(records, run)
        except (Corrupt, NewerFormat, NotFound) as error:
            tell(f"a run is left out: {error.message}")
            return False

    def _has_params(self, records: Records, run: str) -> bool:
        """Compared as the run's own types have them: `1` is `1.0` to a float, and `"2013-01-01"` a date."""
        if not self.params:
            return True
        start = records.ledger.started(run)
        if start is None or not self.params.keys() <= start.params.keys():
            return False
        types = {param.name: param.type for param in records.ledger.ir(start.ir).params}
        for name, wanted in self.params.items():
            try:
                given = parameters.normalise(types[name], wanted, name=name)
            except ParamError:  # it cannot have been this
                return False
            if plain.digest(plain.decode(given)) != plain.digest(plain.decode(start.params[name])):
                return False
        return True


def _time(since: dt.datetime | dt.date | dt.timedelta | str) -> dt.datetime:
    """In UTC. Raises `UsageError` for what is no time, or one that no calendar has."""
    if not isinstance(since, str | dt.date | dt.timedelta):
        raise UsageError(f"`since={since!r}` is no time", hint=TIME_HINT)
    if isinstance(since, str):
        return moment(since, f"since={since!r}", dt.datetime.now(dt.UTC))
    try:
        return _moment(since)
    except (ValueError, OverflowError):
        raise UsageError(f"`since={since!r}` is no time", hint=TIME_HINT) from None


def _moment(since: dt.datetime | dt.date | dt.timedelta) -> dt.datetime:
    if isinstance(since, dt.timedelta):
        return dt.datetime.now(dt.UTC) - since
    if isinstance(since, dt.datetime):
        return since.astimezone(dt.UTC)
    return dt.datetime(since.year, since.month, since.day).astimezone(dt.UTC)  # local midnight is meant
