"""Where boxes stand: never one over another, always after what they wait for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeglot.client.html.layout import Size, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, Size], list[tuple[str, str]], dict[str, str]]:
    count = draw(st.integers(1, 25))
    numbers = st.floats(10, 200, allow_nan=False)
    sizes = {f"n{i}": Size(draw(numbers), draw(st.floats(10, 60))) for i in range(count)}
    pairs = draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=60))
    edges = sorted((f"n{a}", f"n{b}") for a, b in pairs if a < b)
    groups = {name: draw(st.sampled_from(["", "a", "a.b", "c"])) for name in sizes}
    return sizes, edges, groups


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_boxes(graph: tuple[dict[str, Size], list[tuple[str, str]], dict[str, str]]) -> None:
    sizes, edges, groups = graph
    found = lay_out(sizes, edges, groups, 40.0)
    names = list(sizes)
    for start, end in edges:
        assert found.at[start].x + sizes[start].width / 2 < found.at[end].x - sizes[end].width / 2
        assert found.paths[start, end][0] == found.at[start]
        assert found.paths[start, end][-1] == found.at[end]
    for number, one in enumerate(names):
        at, size = found.at[one], sizes[one]
        assert -0.01 <= at.x - size.width / 2 <= at.x + size.width / 2 <= found.size.width + 0.01
        assert -0.01 <= at.y - size.height / 2 <= at.y + size.height / 2 <= found.size.height + 0.01
        for other in names[number + 1 :]:
            apart_x = abs(at.x - found.at[other].x) - (size.width + sizes[other].width) / 2
            apart_y = abs(at.y - found.at[other].y) - (size.height + sizes[other].height) / 2
            assert apart_x > -0.01 or apart_y > -0.01, (one, other)


def test_a_chain_is_straight() -> None:
    sizes = {name: Size(50, 20) for name in "abc"}
    found = lay_out(sizes, [("a", "b"), ("b", "c")], dict.fromkeys("abc", ""), 40)
    assert len({point.y for point in found.at.values()}) == 1


def test_crossings_are_undone() -> None:
    sizes = {name: Size(50, 20) for name in "abcd"}
    found = lay_out(sizes, [("a", "d"), ("b", "c")], dict.fromkeys("abcd", ""), 40)
    assert (found.at["a"].y < found.at["b"].y) == (found.at["d"].y < found.at["c"].y)


def test_nothing() -> None:
    assert lay_out({}, [], {}, 40).size == Size(0, 0)
