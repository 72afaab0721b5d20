"""History over several real kernels that share one file."""

import json

from checks import CWD, MAIN, check, run_checks
from harness import Kernel

FILE = CWD / "qlora" / "history.jsonl"


def history(k, **request):
    request = {"output": False, "raw": True, **request}
    return k.reply(k.client.history(**request))["history"]


def second(act):
    """Another kernel of the same user, for as long as `act` takes."""
    kernel = Kernel(MAIN, CWD)
    try:
        return act(kernel)
    finally:
        kernel.client.shutdown()
        kernel.manager.shutdown_kernel(now=False)


@check
def cells_are_kept_with_their_outputs_and_what_is_not_stored_is_not(k):
    k.run("1 + 1")
    k.run("'hidden'", store_history=False)
    k.run("'silent'", silent=True)
    k.run("const x = [1]\nx")
    assert history(k, hist_access_type="tail", n=5) == [[1, 1, "1 + 1"], [1, 2, "const x = [1]\nx"]]
    found = history(k, hist_access_type="tail", n=1, output=True)
    assert found == [[1, 2, ["const x = [1]\nx", "[ 1 ]"]]], found
    assert [json.loads(line)["line"] for line in FILE.read_text().splitlines()] == [1, 1, 2, 2]
    assert FILE.stat().st_mode & 0o077 == 0


@check
def later_sessions_find_earlier_ones(k):
    def look(other):
        other.run("'of the second'")
        assert history(other, hist_access_type="tail", n=2) == [[1, 2, "const x = [1]\nx"], [2, 1, "'of the second'"]]
        assert history(other, hist_access_type="range", session=-1, start=1, stop=2) == [[1, 1, "1 + 1"]]
        assert history(other, hist_access_type="range", session=1, start=2, stop=9) == [[1, 2, "const x = [1]\nx"]]
        assert history(other, hist_access_type="range", session=0, start=1, stop=9) == [[0, 1, "'of the second'"]]
        assert history(other, hist_access_type="search", pattern="*+*") == [[1, 1, "1 + 1"]]

    second(look)
    k.run("1 + 1")
    assert history(k, hist_access_type="search", pattern="1 ? 1", unique=True) == [[1, 3, "1 + 1"]]
    assert len(history(k, hist_access_type="search", pattern="*")) == 4


@check
def foreign_and_broken_lines_are_passed_over(k):
    with FILE.open("a") as file:
        file.write('not json\n{"a": 1}\nnull\n[]\n{"session": "s", "line"')
    k.run("'after'")
    assert history(k, hist_access_type="tail", n=1) == [[1, 4, "'after'"]]


@check
def a_long_file_is_cut_and_sessions_keep_their_numbers(k):
    lines = [json.dumps({"session": f"old-{i // 10}", "line": i % 10 + 1, "input": "x" * 50_000}) for i in range(200)]
    FILE.write_text("\n".join(lines) + "\n")

    def look(other):
        other.run("'new'")
        found = history(other, hist_access_type="tail", n=2)
        assert FILE.stat().st_size < 5_000_000
        assert [f[:2] for f in found] == [[20, 10], [21, 1]], [f[:2] for f in found]

    second(look)


@check
def a_file_that_cannot_be_written_leaves_the_memory(k):
    FILE.unlink()
    FILE.mkdir()

    def look(other):
        other.run("'kept'")
        assert history(other, hist_access_type="tail", n=9)[0][1:] == [1, "'kept'"]

    second(look)


run_checks()
