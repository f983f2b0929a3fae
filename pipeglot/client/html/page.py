"""The HTML of a run and of a pipeline: one block with its own style, readable in light and dark, safe for any text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from pipeglot.client.html.graph import graph_of, state_of, told
from pipeglot.client.html.svg import SIGNS, shorten, svg
from pipeglot.client.text import SHORT_ID, cell_name, duration, safe, seconds_between, when
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.view import RunView, StepView

if TYPE_CHECKING:
    from pipeglot.client.records import Found
    from pipeglot.core.authoring.pipelines import Pipeline
    from pipeglot.core.lineage.records import End

MOST_ROWS = 60
MOST_ERRORS = 5
MOST_BOXES = 600
_OPEN_BOXES = 40
_LIGHT = (
    "color-scheme:light;--bg:#fff;--ink:#1f2328;--dim:#656d76;--line:#d0d7de;--card:#f6f8fa;--edge:#8c959f;"
    "--succeeded:#1a7f37;--cached:#0969da;--failed:#cf222e;--skipped:#59636e;--cancelled:#9a6700;--running:#8250df;"
    "--lost:#bc4c00;--waiting:#59636e"
)
_DARK = (
    "color-scheme:dark;--bg:#0d1117;--ink:#e6edf3;--dim:#8b949e;--line:#30363d;--card:#161b22;--edge:#6e7681;"
    "--succeeded:#3fb950;--cached:#58a6ff;--failed:#ff7b72;--skipped:#8b949e;--cancelled:#d29922;--running:#bc8cff;"
    "--lost:#f0883e;--waiting:#8b949e"
)
_STYLE = f"""
.pipeglot{{{_LIGHT};background:var(--bg);color:var(--ink);font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;
padding:10px 14px;border:1px solid var(--line);border-radius:8px;max-width:100%;box-sizing:border-box}}
@media (prefers-color-scheme:dark){{.pipeglot{{{_DARK}}}}}
body[data-jp-theme-light="true"] .pipeglot,body.vscode-light .pipeglot{{{_LIGHT}}}
body[data-jp-theme-light="false"] .pipeglot,body.vscode-dark .pipeglot{{{_DARK}}}
.pipeglot .h{{display:flex;flex-wrap:wrap;gap:2px 14px;align-items:baseline;margin:0 0 4px}}
.pipeglot .h b{{font-size:15px}}
.pipeglot .q{{color:var(--dim)}}
.pipeglot .draw{{overflow:auto;max-height:620px;margin:4px 0}}
.pipeglot svg{{display:block;max-width:100%;height:auto}}
.pipeglot svg text{{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;text-anchor:middle;fill:var(--ink)}}
.pipeglot svg .n{{font-weight:600}}
.pipeglot svg .d{{font-size:10.5px;fill:var(--dim)}}
.pipeglot svg .b rect,.pipeglot svg .b polygon{{fill:var(--card);stroke:var(--c,var(--edge));stroke-width:1.5}}
.pipeglot svg .b .s{{fill:var(--c)}}
.pipeglot svg .skipped rect,.pipeglot svg .waiting rect,.pipeglot svg .skipped polygon{{stroke-dasharray:4 3}}
.pipeglot svg .failed rect,.pipeglot svg .lost rect{{stroke-width:2.5}}
.pipeglot svg .e{{fill:none;stroke:var(--edge);stroke-width:1.3}}
.pipeglot svg .w{{stroke-dasharray:3 3}}
.pipeglot svg .a{{fill:var(--edge)}}
.pipeglot svg .g{{fill:var(--edge);fill-opacity:.09;stroke:var(--edge);stroke-opacity:.5}}
.pipeglot svg .gn{{font-size:10.5px;text-anchor:start;fill:var(--dim)}}
.pipeglot table{{border-collapse:collapse;margin:6px 0 0;font-size:12.5px;color:inherit}}
.pipeglot th,.pipeglot td{{text-align:left;padding:2px 16px 2px 0;border:0;border-top:1px solid var(--line);
background:none;vertical-align:top;color:inherit}}
.pipeglot th{{border-top:0;color:var(--dim);font-weight:500}}
.pipeglot td.r{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
.pipeglot .st{{color:var(--c);white-space:nowrap;font-weight:600}}
.pipeglot summary{{cursor:pointer}}
.pipeglot pre{{margin:4px 0;padding:6px 8px;background:var(--card);color:inherit;overflow:auto;font-size:12px;
max-height:320px}}
""" + "".join(f".pipeglot .{state}{{--c:var(--{state})}}" for state in SIGNS)


def run_html(found: Found, view: RunView, end: End | None) -> str:
    """A run: what became of it, its graph, its steps."""
    graph = graph_of(found.state.plan, view.steps)
    by_step: dict[str, list[StepView]] = {}
    for step in view.steps:
        by_step.setdefault(step.id, []).append(step)
    drawn = svg(graph, f"run of {view.pipeline}") if len(graph.boxes) <= MOST_BOXES else _too_many(len(graph.boxes))
    rows = "".join(_rows(found.state.plan, by_step))
    head = "<tr><th>step</th><th>state</th><th>time</th><th>tries</th><th>outputs</th><th></th></tr>"
    table = f"<table>{head}{rows}</table>"
    return _block(_run_head(view, end), drawn, _folded("steps", table, len(by_step)))


def pipeline_html(pipeline: Pipeline[..., Any]) -> str:
    """A pipeline: its parameters and its graph. One that cannot be traced is shown with what is wrong with it."""
    from pipeglot.core.errors import DefinitionError
    from pipeglot.core.params import describe, show

    try:
        found = pipeline.trace().pipeline
    except DefinitionError as error:
        wrong = f'<pre class="failed">{_text(str(error))}</pre>'
        return _block(f"<b>{_text(pipeline.name)}</b> <span class='q'>cannot be run as it is written</span>", wrong, "")
    graph = graph_of(Plan(found))
    params = [
        f"{param.name}: {describe(param.type)}"
        + ("" if param.default is UNSET else f" = {show(param.type, param.default, name=param.name)}")
        for param in found.params
    ]
    head = f"<b>{_text(found.name)}</b> <span class='q'>{_text(', '.join(params))}</span>"
    doc = f"<div class='q'>{_text(found.doc)}</div>" if found.doc else ""
    drawn = svg(graph, f"pipeline {found.name}") if len(graph.boxes) <= MOST_BOXES else _too_many(len(graph.boxes))
    return _block(head, doc + drawn, "")


def _block(head: str, drawn: str, below: str) -> str:
    return (
        f'<div class="pipeglot"><style>{_STYLE}</style><div class="h">{head}</div>'
        f'<div class="draw">{drawn}</div>{below}</div>'
    )


def _too_many(count: int) -> str:
    return f'<span class="q">{count} steps are too many for a drawing</span>'


def _folded(what: str, table: str, count: int) -> str:
    if count <= _OPEN_BOXES:
        return table
    return f"<details><summary>{count} {what}</summary>{table}</details>"


# --- the head of a run ------------------------------------------------------------------------------------------------


def _run_head(view: RunView, end: End | None) -> str:
    params = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in view.params.items())
    where = f"run <code>{_text(view.run_id[:SHORT_ID])}</code> on {_text(view.stack)}"
    parts = [
        f"<b>{_text(view.pipeline)}</b>",
        _state(view.status),
        f"<span class='q'>{_lasted(view, end)}</span>",
        f"<span class='q'>{_text(params)}</span>" if params else "",
        f"<span class='q'>{where}, {when(view.created)}</span>",
        f"<span class='q'>last heard of at {when(view.seen)}</span>" if view.seen and view.status == "lost" else "",
    ]
    return "".join(parts)


def _lasted(view: RunView, end: End | None) -> str:
    if end is None:
        return ""
    return f"in {duration(seconds_between(view.created, end.finished))}"


def _state(state: str) -> str:
    return f'<span class="st {state}">{SIGNS[state]} {state}</span>'


# --- the table --------------------------------------------------------------------------------------------------------


def _rows(plan: Plan, by_step: dict[str, list[StepView]]) -> Iterator[str]:
    """A row for each step; if there are very many, those that did not go well and the first others."""
    names = [name for name in plan.places if name in by_step]
    if len(names) > MOST_ROWS:
        bad = [name for name in names if state_of(by_step[name]) in ("failed", "lost", "cancelled", "running")]
        chosen = {*[*bad, *names][:MOST_ROWS]}
    else:
        chosen = set(names)
    for name in names:
        if name in chosen:
            yield _row(plan, name, by_step[name])
    if len(names) > len(chosen):
        yield f"<tr><td class='q' colspan='6'>… and {len(names) - len(chosen)} more steps</td></tr>"


def _row(plan: Plan, name: str, views: list[StepView]) -> str:
    is_map = bool(plan.scope(name))
    hook = f" <span class='q'>{plan.hooks[name]}</span>" if name in plan.hooks else ""
    state = state_of(views)
    ran = [view for view in views if not view.cached and view.status in ("succeeded", "failed")]
    time = told(views, is_map=is_map) if ran or is_map else ""
    tries = max((view.attempts for view in ran), default=0)
    outputs = ", ".join(dict.fromkeys(output for view in views for output in view.outputs))
    cells = [
        f"<td>{_text(shorten(name, 60))}{'[…]' if is_map else ''}{hook}</td>",
        f"<td>{_state(state)}</td>",
        f"<td>{_text(time)}</td>",
        f'<td class="r">{tries if tries > 1 else ""}</td>',
        f"<td class='q'>{_text(shorten(outputs, 60))}</td>",
        f"<td>{_errors(views)}{_tails(views)}{_metrics(views)}</td>",
    ]
    return f'<tr class="{state}">{"".join(cells)}</tr>'


def _errors(views: list[StepView]) -> str:
    failed = [view for view in views if view.error]
    return "".join(_error(view) for view in failed[:MOST_ERRORS]) + (
        f"<div class='q'>and {len(failed) - MOST_ERRORS} more failed</div>" if len(failed) > MOST_ERRORS else ""
    )


def _error(view: StepView) -> str:
    error = view.error
    assert error is not None
    at = f"{cell_name(view.id, view.index)}: " if view.index else ""
    first = _text(shorten(f"{at}{error.type}: {error.message.partition(chr(10))[0]}", 140))
    trace = error.traceback.rstrip()
    hint = f"<div class='q'>hint: {_text(error.hint)}</div>" if error.hint else ""
    if not trace:
        return f"<div>{first}{hint}</div>"
    return f"<details><summary>{first}</summary><pre>{_text(trace[-8000:])}</pre>{hint}</details>"


def _tails(views: list[StepView]) -> str:
    """Of steps that go on, or are lost, the last that was heard of them."""
    heard = [view for view in views if view.tail]
    return "".join(
        f"<details><summary>{_text(cell_name(view.id, view.index))} at {when(view.seen or '')}</summary>"
        f"<pre>{_text(view.tail)}</pre></details>"
        for view in heard[:MOST_ERRORS]
    )


def _metrics(views: list[StepView]) -> str:
    if len(views) != 1:
        return ""
    shown = (
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in views[0].metrics.items()
    )
    return f"<span class='q'>{_text(', '.join(shown))}</span>"


def _text(text: str) -> str:
    """Escaped, and without control characters."""
    return escape(safe(text))
